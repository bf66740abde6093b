#!/usr/bin/env python3
"""What `duplex serve` tells of clients that fail, and the limits that they go above."""
import json
import os
import socket
import ssl
import tempfile
import unittest

from raw_server import ACK, CONTINUATION, END_STREAM, PING, RawServer, block, data, headers, settings
from support import HEADERS, PREFACE, SETTINGS, STEP, Server, drain, frame, run

GREETING = PREFACE + settings() + frame(SETTINGS, ACK)
REQUEST = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/headers")]


class BadClients(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.cert = os.path.join(self.scratch.name, "cert.pem")

    def serve(self, *options, **more):
        server = Server("--json", "-v", *options, **more)
        self.addCleanup(server.kill)
        return server

    def talk(self, server, said, ending=drain):
        """Says this to the server, and its own address."""
        with socket.create_connection(("127.0.0.1", server.port), STEP) as connection:
            self.address = "127.0.0.1:%d" % connection.getsockname()[1]
            connection.sendall(said)
            ending(connection)

    def told(self, server):
        """The next event of the log, and the line on standard error. Both name the client."""
        event = json.loads(server.process.stdout.readline())
        self.assertEqual((event["event"], event["peer"]), ("connection", self.address), event)
        self.assertIn(self.address, event["message"])
        self.assertEqual(server.process.stderr.readline().split(" ", 1)[1], f"duplex: {event['message']}\n")
        self.assertGreaterEqual(event["connection"], 1)
        self.assertGreaterEqual(event["t"], 0)
        return event

    def check(self, event, **more):
        self.assertEqual({name: event.get(name) for name in more}, more, event)

    def test_http1_on_a_cleartext_port(self):
        server = self.serve("--http")
        self.talk(server, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        self.check(self.told(server), error="protocol_not_negotiated", origin="peer", scope="connection",
                   retry_safe=False, bytes_sent=0,
                   message=f'{self.address} does not begin with the preface of HTTP/2, but with "GET / HTTP/1.1"')

    def test_http1_on_a_tls_port(self):
        server = self.serve()
        self.talk(server, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        self.check(self.told(server), error="tls_failed", origin="peer", scope="connection",
                   message=f"{self.address} does not speak TLS on this port (http request)")

    def test_tls_without_h2(self):
        server = self.serve(cert=self.cert)
        context = ssl.create_default_context(cafile=self.cert)
        with socket.create_connection(("127.0.0.1", server.port), STEP) as connection:
            self.address = "127.0.0.1:%d" % connection.getsockname()[1]
            with context.wrap_socket(connection, server_hostname="localhost") as secure:
                self.assertEqual(secure.recv(1), b"")
        self.check(self.told(server), error="protocol_not_negotiated", message=f"{self.address} does not offer h2 by ALPN")

    def test_a_client_that_does_not_trust_the_certificate(self):
        server = self.serve()
        with socket.create_connection(("127.0.0.1", server.port), STEP) as connection:
            self.address = "127.0.0.1:%d" % connection.getsockname()[1]
            with self.assertRaises(ssl.SSLCertVerificationError):
                ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
        self.check(self.told(server), error="tls_failed", origin="peer")

    def test_broken_http2(self):
        server = self.serve("--http")
        self.talk(server, GREETING + data(b"of an idle stream"))
        self.check(self.told(server), error="protocol_error", origin="peer", scope="connection",
                   http2_code="PROTOCOL_ERROR")

    def test_a_request_that_no_handler_sees(self):
        server = self.serve("--http")
        with socket.create_connection(("127.0.0.1", server.port), STEP) as connection:
            self.address = "127.0.0.1:%d" % connection.getsockname()[1]
            connection.sendall(GREETING + headers(REQUEST + [("x", "a\nb")], END_STREAM, 1))
            self.check(self.told(server), error="protocol_error", scope="stream", http2_code="PROTOCOL_ERROR")
            connection.sendall(headers(REQUEST, END_STREAM, 3))
            request = json.loads(server.process.stdout.readline())
            self.assertEqual((request["event"], request["status"]), ("request", 200))

    def test_a_request_above_a_limit(self):
        server = self.serve("--http", "--max-header-fields", "2")
        with socket.create_connection(("127.0.0.1", server.port), STEP) as connection:
            self.address = "127.0.0.1:%d" % connection.getsockname()[1]
            connection.sendall(GREETING + headers(REQUEST + [("a", "b")] * 3, END_STREAM, 1))
            self.check(self.told(server), error="limit_exceeded", origin="local", scope="stream")

    def test_silence(self):
        server = self.serve("--http", "--handshake-timeout", "50ms")
        self.talk(server, b"")
        self.check(self.told(server), error="timeout", scope="connection")

    def test_one_that_goes_away_without_a_stream_is_none(self):
        server = self.serve("--http")
        self.talk(server, b"", lambda _: None)
        self.talk(server, GREETING, lambda connection: connection.recv(100))
        self.talk(server, b"nonsense that is no preface\r\n")
        self.check(self.told(server), error="protocol_not_negotiated")  # and the others left no line before it
        self.assertEqual(server.process.terminate() or server.process.wait(STEP), 0)
        self.assertEqual([json.loads(line)["event"] for line in server.process.stdout], ["drain", "drained"])

    def test_without_v_and_json_nothing_is_told(self):
        server = Server("--http")
        self.addCleanup(server.kill)
        self.talk(server, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        self.assertEqual(server.process.terminate() or server.process.wait(STEP), 0)
        self.assertEqual((server.process.stdout.read(), server.process.stderr.read()), ("", ""))

    # --limit

    def flood(self, server, *frames):
        self.talk(server, GREETING + b"".join(frames))
        return self.told(server)

    def test_limit_of_a_rate(self):
        server = self.serve("--http", "--limit", "pings=3+0")
        self.check(self.flood(server, *[frame(PING, body=bytes(8))] * 4), error="limit_exceeded", origin="peer",
                   scope="connection", http2_code="ENHANCE_YOUR_CALM",
                   message=f"{self.address} went above --limit pings: too many PING frames")

    def test_limits_repeat(self):
        server = self.serve("--http", "--limit", "pings=infinity", "--limit", "settings=2+0", "--limit",
                            "max_continuations=0")
        event = self.flood(server, *[frame(PING, body=bytes(8))] * 2000, *[settings()] * 2)
        self.assertIn("--limit settings", event["message"])
        # What max_header_bytes needs by itself, and one more.
        event = self.flood(server, frame(HEADERS, 0, 1, block(REQUEST)), *[frame(CONTINUATION, 0, 1)] * 2)
        self.assertIn("--limit max_continuations", event["message"])

    def test_limit_of_a_client(self):
        with RawServer(frame(PING, body=bytes(8)) * 5) as server:
            done = run("open", "--limit", "pings=2+0", server.url())
        self.assertEqual(done.returncode, 16, done.stderr)
        self.assertIn("went above --limit pings: too many PING frames", done.stderr.decode())
        self.assertEqual(run("bench", "--limit", "pings=20", "-n", "1", self.serve("--http").url).returncode, 0)

    def test_limits_that_are_not_understood(self):
        for verb, url in (("serve", []), ("open", ["http://localhost:1"]), ("bench", ["http://localhost:1"])):
            for text, why in {
                    "pongs=3": "--limit: 'pongs' is no limit; there are resets, pings, settings, other_frames, ",
                    "": "--limit: '' is no limit; there are resets, ",
                    "pings": "--limit: 'pings' is not pings=N[+PER_SECOND]",
                    "pings=": "--limit: 'pings=' is not pings=N[+PER_SECOND]",
                    "pings=0": "--limit: 'pings=0' is not pings=N[+PER_SECOND]",
                    "pings=-1": "--limit: 'pings=-1' is not pings=N[+PER_SECOND]",
                    "pings=5+": "--limit: 'pings=5+' is not pings=N[+PER_SECOND]",
                    "pings=5+5/s": "--limit: 'pings=5+5/s' is not pings=N[+PER_SECOND]",
                    "max_continuations=1+1": "--limit: 'max_continuations=1+1' is not max_continuations=N",
                    "max_queued_control=x": "--limit: 'max_queued_control=x' is not max_queued_control=N",
            }.items():
                with self.subTest(verb=verb, text=text):
                    done = run(verb, "--limit", text, *url)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(why, done.stderr.decode())
        done = run("serve", "--limit", "max_queued_control=0", "--http", "--listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--limit max_queued_control must be more than 0", done.stderr)


if __name__ == "__main__":
    unittest.main()
