"""The eight things that each pair of peers is tried on, with our client and somebody's server. A cell returns nothing, or
what is to be said of how it passed."""
import os
import re

from harness import Talk, expect, header

TEN_MEGABYTES = 10_000_000
LATE = 1000  # bytes sent after the server's end
MESSAGES = [b"message %d" % number for number in range(5)]


class Call(Talk):
    """One stream to a path of the server, in messages."""

    def __init__(self, server, path, *options):
        self.server = server
        super().__init__(server.harness, server.address(path), "-v", *server.options, *options)

    def say(self, message):
        self.tell("send-hex " + self.server.pack(message).hex())

    def hear(self, message):
        packed = self.server.pack(message)
        got = self.recv_bytes(len(packed))
        expect(f"{message[:20]} comes", got == packed, got[:100])

    def head(self):
        head = self.recv("response")
        expect("the status", head["status"] == 200, head)

    def end(self):
        """The trailers, if there are any, and the end."""
        self.tell("recv")
        last = self.event()
        trailers = None
        if last["event"] == "trailers":
            trailers = last
            last = self.recv("done")
        expect("the end", last["event"] == "done", last)
        if self.server.grpc:
            expect("grpc-status", trailers and header(trailers, "grpc-status") == "0", trailers)
        return trailers

    def alive(self):
        """The connection is, and what the peer sent before its answer is here."""
        self.tell("ping")
        self.expect("pong")


def unary(server):
    call = Call(server, "echo")
    call.say(b"hello")
    call.tell("fin")
    call.head()
    call.hear(b"hello")
    call.end()
    call.close()
    server.saw("echo", "end", 5)


def echo_interleaved(server):
    call = Call(server, "echo")
    for number, message in enumerate(MESSAGES):
        call.say(message)
        if number == 0:  # some answer no earlier than with the first message
            call.head()
        call.hear(message)
    call.tell("fin")
    call.end()
    call.close()
    server.saw("echo", "end", sum(map(len, MESSAGES)))


def ten_megabytes(server):
    body = os.urandom(TEN_MEGABYTES)
    piece = TEN_MEGABYTES // 160
    packed = b"".join(server.pack(body[at:at + piece]) for at in range(0, TEN_MEGABYTES, piece))
    done = server.harness.run(server.harness.duplex, "open", "-s", "--input", "raw", *server.options,
                              server.address("echo"), stdin=packed)
    expect("the bytes come back", done.stdout == packed, f"{len(done.stdout)} of {len(packed)} bytes")
    server.saw("echo", "end", TEN_MEGABYTES)


def trailers(server):
    """Both ways, where those of the request can be sent and read."""
    both = server.takes_trailers and not server.grpc
    asks = () if server.grpc else ("-H", "trailer: x-sum", "-H", "te: trailers")
    call = Call(server, "echo", *asks)
    call.say(b"checked")
    call.tell("trailers x-sum: 42" if both else "fin")
    call.head()
    call.hear(b"checked")
    got = call.end()
    call.close()
    server.saw("echo", "end", 7)
    expect("the trailers", got is not None and header(got, "grpc-status") == "0", got)
    if not both:
        return None if server.grpc else "only those of the answer: those of a request are an error to it"
    sum_of_ours = header(got, "x-sum")
    expect("ours come back, or are not read", sum_of_ours in ("42", None), got)
    return None if sum_of_ours else "only those of the answer: the server does not show its user those of the request"


def half_close_ours_first(server):
    """What is answered depends on all of the request."""
    call = Call(server, "sink")
    call.say(b"some ")
    call.say(b"bytes")
    call.tell("fin")
    call.head()
    call.hear(server.sink_answer)
    call.end()
    call.close()
    server.saw("sink", "end", 10)


def half_close_theirs_first(server):
    call = Call(server, "source")
    call.head()
    call.hear(b"abcde")
    call.end()
    call.alive()
    call.tell(f"send {'x' * LATE}\nfin\nping")  # at once: it may end at the first
    event = call.event()
    if event["event"] == "error":
        expect("our side is stopped", event["error"] == "stream_reset", event)
        code = re.search(r"< \[1\] RST_STREAM (\w+)", call.process.stderr.read())
        expect("in order", code and (server.reset_code is None or code[1] == "NO_ERROR"), code and code[1])
        server.saw("source", "end", None)
        return f"then our side is stopped by RST_STREAM({code[1]})"
    expect("the connection lives on", event["event"] == "pong", event)
    call.close()
    server.saw("source", "end", LATE)
    return None


def reset_by_client(server):
    call = Call(server, "echo")
    call.say(b"forget me")
    call.head()
    call.hear(b"forget me")
    call.tell("reset CANCEL")
    call.alive()
    server.saw("echo", "reset", 9)
    call.close()


def reset_by_server(server):
    call = Call(server, "reset")
    if server.reset_code is None:  # a proxy may drop what came before
        call.tell("recv-until done")
        error = call.event()
        while error["event"] in ("response", "data"):
            error = call.event()
    else:
        call.head()
        call.hear(b"abcde")
        call.tell("recv")
        error = call.event()
    expect("the reset", (error["event"], error.get("error"), error.get("origin")) == ("error", "stream_reset", "peer"),
           error)
    if server.reset_code is None:
        return None if error["http2_code"] == "CANCEL" else f"told by {error['http2_code']}"
    expect("its code", error["http2_code"] == server.reset_code, error)
    return None


ALL = (unary, echo_interleaved, ten_megabytes, trailers, half_close_ours_first, half_close_theirs_first,
       reset_by_client, reset_by_server)
