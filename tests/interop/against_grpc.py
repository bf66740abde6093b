"""Our client against a gRPC server, with frames made by hand: gRPC's five bytes (not compressed, length) and a message."""
import os
import struct
from concurrent import futures

import grpc

from harness import STEP, Talk, expect, header

HEADERS = ("-H", "content-type: application/grpc", "-H", "te: trailers")


class Echo(grpc.GenericRpcHandler):
    """One bidirectional method that answers each message with itself, before the next one is there."""

    def service(self, details):
        if details.method == "/interop.Echo/Bidi":
            return grpc.stream_stream_rpc_method_handler(lambda messages, _: messages)
        return None


def frame(message):
    return struct.pack(">BI", 0, len(message)) + message


def full_duplex(harness, url, *options):
    talk = Talk(harness, url + "/interop.Echo/Bidi", *HEADERS, *options)
    messages = [b"msg1", b"", bytes(range(256)), os.urandom(100_000), b"the last"]
    for number, message in enumerate(messages):
        sent = frame(message)
        talk.tell("send-hex " + sent.hex())
        if number == 0:  # gRPC's Python server answers no earlier than with its first message
            head = talk.recv("response")
            expect("the response", head["status"] == 200 and header(head, "content-type") == "application/grpc", head)
        expect(f"the echo of message {number}", talk.recv_bytes(len(sent)) == sent)
    talk.tell("fin")
    last = talk.recv("trailers")
    expect("grpc-status", header(last, "grpc-status") == "0", last)
    talk.recv("done")
    talk.close()


def trailers_only(harness, url, *options):
    """An unknown method is refused at once, in one HEADERS frame, while our side is still open."""
    talk = Talk(harness, url + "/interop.Echo/NoSuchMethod", *HEADERS, *options)
    head = talk.recv("response")
    expect("grpc-status 12 in the response", header(head, "grpc-status") == "12", head)
    talk.recv("done")
    talk.close()


def run(harness):
    cert, key = harness.certificate()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((Echo(),))
    plain = server.add_insecure_port("127.0.0.1:0")
    secure = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())]))
    server.start()
    try:
        for name, url, options in (("cleartext", f"http://localhost:{plain}", ()),
                                   ("tls", f"https://localhost:{secure}", ("--cacert", cert))):
            options = ("-4", *options)  # the server listens on the IPv4 address alone
            harness.case(f"grpc.full_duplex.{name}", lambda: full_duplex(harness, url, *options))
            harness.case(f"grpc.trailers_only.{name}", lambda: trailers_only(harness, url, *options))
    finally:
        server.stop(0).wait(STEP)
