"""gRPC's Python client: grpcio_client.py CASE URL CERT"""
import os
import pathlib
import queue
import sys
import urllib.parse

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import grpc

MESSAGES = [b"message %d" % number for number in range(5)]


class Call:
    """A call whose messages are sent one by one."""

    def __init__(self, method):
        self.outgoing = queue.Queue()
        self.answers = channel.stream_stream(prefix + method)(iter(self.outgoing.get, None), timeout=30)

    def say(self, message):
        self.outgoing.put(message)

    def fin(self):
        self.outgoing.put(None)

    def hear(self, message):
        got = next(self.answers)
        assert got == message, got

    def end(self):
        rest = list(self.answers)
        assert rest == [], rest

    def fails(self, code):
        try:
            next(self.answers)
        except grpc.RpcError as error:
            assert error.code() == code, error
        else:
            raise AssertionError(f"it does not end with {code}")


def unary():
    got = channel.unary_unary(prefix + "/interop/echo")(b"hello", timeout=30)
    assert got == b"hello", got


def echo_interleaved():
    call = Call("/interop/echo")
    for message in MESSAGES:
        call.say(message)
        call.hear(message)
    call.fin()
    call.end()


def ten_megabytes():
    call = Call("/interop/echo")
    pieces = [os.urandom(62500) for _ in range(160)]
    for piece in pieces:
        call.say(piece)
    call.fin()
    for piece in pieces:
        call.hear(piece)
    call.end()


def trailers():
    call = Call("/interop/echo")
    call.say(b"checked")
    call.fin()
    call.hear(b"checked")
    call.end()
    assert call.answers.code() == grpc.StatusCode.OK


def half_close_ours_first():
    call = Call("/interop/echo")
    for message in MESSAGES:
        call.say(message)
    call.fin()
    for message in MESSAGES:
        call.hear(message)
    call.end()


def half_close_theirs_first():
    call = Call("/trailers-only")
    call.end()
    assert call.answers.code() == grpc.StatusCode.OK
    call.fin()
    unary()


def reset_by_client():
    call = Call("/interop/echo")
    call.say(b"forget me")
    call.hear(b"forget me")
    call.answers.cancel()
    call.fin()
    unary()


def reset_by_server():
    call = Call("/reset/ENHANCE_YOUR_CALM")
    call.fails(grpc.StatusCode.RESOURCE_EXHAUSTED)
    call.fin()
    unary()


name, url, cert = sys.argv[1:]
url = urllib.parse.urlsplit(url)
prefix = url.path + ("?" + url.query if url.query else "")
channel = grpc.secure_channel(url.netloc, grpc.ssl_channel_credentials(pathlib.Path(cert).read_bytes()))
globals()[name]()
print(name, "passed")
