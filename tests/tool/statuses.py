#!/usr/bin/env python3
"""Every exit status, and the message and the event that go with it."""
import json
import os
import socket
import ssl
import struct
import subprocess
import unittest

from support import (DATA, GOAWAY, HEADERS, OK_HEAD, RST_STREAM, STEP, Peer, ServedTestCase, Talk, frame, kinds, read_request,
                     run)


class Statuses(ServedTestCase):
    def fails(self, status, error, url, *options, stdin=b"", **members):
        """As JSON and as text: the same status, and the error told in both ways."""
        events = self.events(url, *options, stdin=stdin, status=status)
        self.assertEqual(kinds(events)[-1], "error")
        event = events[-1]
        self.assertEqual(event["error"], error, event)
        for name, value in members.items():
            self.assertEqual(event[name], value, event)
        self.assertTrue(self.stderr.startswith(f"duplex: ({status}) {event['message']}"), self.stderr)
        return event

    def with_peer(self, behave, status, error, *options, stdin=b"", scheme="http", context=None, **members):
        with Peer(behave, context) as peer:
            return self.fails(status, error, f"{scheme}://127.0.0.1:{peer.port}/", *options, stdin=stdin, **members)

    def refuses_before_connecting(self, status, *options, path="/"):
        with Peer(lambda connection: None) as peer:
            self.open(f"http://127.0.0.1:{peer.port}{path}", *options, status=status)
            self.assertEqual(peer.accepted, 0)

    def test_0_whatever_the_status_of_the_response(self):
        self.open("/status/500")

    def test_2_usage(self):
        for options in (("--no-such-option",), ("--window-size", "huge"), ("-m", "soon"), ("-H", "nothing"),
                        ("--input", "words"), ("--resolve", "localhost"), ("-x", "proxy:1"), ("another", )):
            with self.subTest(options):
                self.open("/echo", *options, status=2)
                self.assertIn("duplex: (2) ", self.stderr)
        self.assertIn("unknown option --nosuch", run("--nosuch", "http://localhost/").stderr.decode())
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("open").returncode, 2)

    def test_2_options_out_of_range(self):
        for options in (("--window-size", "4G"), ("--connection-window-size", "1K"), ("--max-recv-buffer", "0"),
                        ("--connect-timeout", "0")):
            with self.subTest(options):
                self.refuses_before_connecting(2, *options)

    def test_2_fields_that_would_inject_something(self):
        for field in ("a: b\r\nc: d", "a: b\nc: d", "a: b\rc", "a b: c", ":path: /other", "a\n: b", " a: b",
                      "connection: close", "\u00e9: b"):
            with self.subTest(field):
                self.refuses_before_connecting(2, "-H", field)

    def test_2_a_method_that_is_none(self):
        for method in ("GET /", "A\r\nB", ""):
            with self.subTest(method):
                self.refuses_before_connecting(2, "-X", method)

    def test_3_url(self):
        for url in ("http://[::1", "ftp://localhost/", "http:///path", "no-scheme", "http://localhost:99999/",
                    "http://localhost/a b", "http://localhost/a\r\nb", ""):
            with self.subTest(url):
                done = run("open", url)
                self.assertEqual(done.returncode, 3, done.stderr)

    def test_3_as_an_event(self):
        self.fails(3, "invalid_argument", "ftp://localhost/", origin="local", retry_safe=True)

    def test_6_a_name_that_does_not_exist(self):
        self.fails(6, "resolve_failed", "http://no-such-host.invalid/", retry_safe=True)

    def test_7_a_port_that_is_closed(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.fails(7, "connect_failed", f"http://127.0.0.1:{unused.getsockname()[1]}/", retry_safe=True)

    def test_7_a_unix_socket_that_is_not_there(self):
        self.fails(7, "connect_failed", "http://localhost/", "--unix-socket", "/nonexistent/socket")

    def test_16_the_connection_is_ended_by_goaway(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(frame(GOAWAY, body=struct.pack(">II", 1, 2) + b"because"))
            connection.shutdown(socket.SHUT_WR)

        event = self.with_peer(behave, 16, "goaway", origin="peer", scope="connection", http2_code="INTERNAL_ERROR")
        self.assertIn("because", event["message"])

    def test_16_the_peer_breaks_http2(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(frame(HEADERS, 4, 0, b"\x88"))  # HEADERS on stream 0

        self.with_peer(behave, 16, "protocol_error", scope="connection")

    def test_16_the_peer_speaks_http_1(self):
        def behave(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        self.with_peer(behave, 16, "protocol_not_negotiated")

    def test_16_alpn_is_not_h2(self):
        context = self.server_context(["http/1.1"])
        self.with_peer(lambda connection: None, 16, "protocol_not_negotiated", "-k", scheme="https", context=context)

    def server_context(self, protocols):
        # Python wants a key in a file, and our own server keeps its key to itself.
        pem = os.path.join(self.scratch.name, "peer.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", pem + ".key", "-out", pem, "-days", "2", "-subj", "/CN=localhost"],
                       check=True, capture_output=True, timeout=STEP)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, pem + ".key")
        context.set_alpn_protocols(protocols)
        return context

    def test_28_connecting_takes_too_long(self):
        # The connection is made by the kernel; the handshake never comes.
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.fails(28, "timeout", f"https://127.0.0.1:{silent.getsockname()[1]}/", "--connect-timeout", "300ms")

    def test_28_no_message_comes(self):
        self.fails(28, "timeout", self.plain.url + "/hang", "--recv-timeout", "300ms")

    def test_28_everything_takes_too_long(self):
        self.fails(28, "timeout", self.plain.url + "/hang", "-m", "0.3")
        self.fails(28, "timeout", self.plain.url + "/slow?rate=10&bytes=infinity", "--max-time", "300ms")

    def test_28_the_peer_takes_nothing(self):
        # /slow does not read, so the window of the stream closes.
        self.fails(28, "timeout", self.plain.url + "/slow?rate=10&bytes=infinity", "--send-timeout", "300ms",
                   stdin=bytes(4 << 20))

    def test_35_tls_to_a_cleartext_port(self):
        self.fails(35, "tls_failed", f"https://localhost:{self.plain.port}/")

    def test_55_send_after_the_end(self):
        events = self.script("/echo", "fin", "send x", status=55)
        self.assertEqual(events[-1]["error"], "send_closed")

    def test_55_the_connection_is_lost_while_sending(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(OK_HEAD)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        with Peer(behave) as peer:
            talk = Talk(f"http://127.0.0.1:{peer.port}/")
            self.addCleanup(talk.kill)
            self.assertEqual(talk.event()["event"], "open")
            peer.thread.join(STEP)
            talk.tell("send-random 1G")
            event = talk.event()
            self.assertEqual((event["event"], event["error"]), ("error", "connection_lost"))
            self.assertEqual(talk.end(), 55)

    def test_56_the_connection_is_lost(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(OK_HEAD)
            connection.shutdown(socket.SHUT_WR)

        self.with_peer(behave, 56, "connection_lost", origin="network", scope="connection", retry_safe=False)

    def test_60_a_certificate_that_nobody_vouches_for(self):
        self.fails(60, "certificate_invalid", self.tls.url + "/echo")

    def test_0_a_certificate_that_the_systems_authorities_vouch_for(self):
        # OpenSSL takes the system's authorities from where this says.
        out = run(self.tls.url + "/echo", stdin=b"trusted\n", env={**os.environ, "SSL_CERT_FILE": self.cert})
        self.assertEqual((out.returncode, out.stdout, out.stderr), (0, b"trusted\n", b""))

    def test_60_a_certificate_for_another_name(self):
        self.fails(60, "certificate_invalid", self.tls.url + "/echo", "--cacert", self.cert, "--servername",
                   "other.example")

    def test_92_the_peer_resets_the_stream(self):
        self.fails(92, "stream_reset", self.plain.url + "/reset/ENHANCE_YOUR_CALM?after=3", origin="peer",
                   scope="stream", http2_code="ENHANCE_YOUR_CALM", retry_safe=False)

    def test_92_the_peer_refuses_the_stream(self):
        self.fails(92, "refused", self.plain.url + "/reset/REFUSED_STREAM", retry_safe=True)

    def upload_that_is_reset_behind_the_whole_response(self, code):
        def behave(connection):
            read_request(connection, until=(DATA, 0))
            connection.sendall(OK_HEAD + frame(DATA, 1, 1, b"hi") + frame(RST_STREAM, 0, 1, struct.pack(">I", code)))

        with Peer(behave) as peer:
            out = run(f"http://127.0.0.1:{peer.port}/", stdin=bytes(300_000))
        return out.returncode, out.stdout

    def test_92_the_peer_resets_the_upload_right_behind_its_whole_response(self):
        self.assertEqual(self.upload_that_is_reset_behind_the_whole_response(2), (92, b"hi"))

    def test_0_the_peer_wants_no_more_of_the_upload_behind_its_whole_response(self):
        self.assertEqual(self.upload_that_is_reset_behind_the_whole_response(0), (0, b"hi"))

    def test_92_a_code_that_has_no_name(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(frame(RST_STREAM, 0, 1, struct.pack(">I", 0xabc)))

        self.with_peer(behave, 92, "stream_reset", http2_code="0xabc")

    def test_92_more_than_max_recv_buffer(self):
        talk = Talk(self.plain.url + "/source?bytes=100000", "--max-recv-buffer", "1000", "--json-data", "size")
        self.addCleanup(talk.kill)
        talk.tell("recv-until done")
        events = []
        while event := talk.event():
            events.append(event)
        self.assertEqual(events[-1]["error"], "recv_buffer_overflow")
        self.assertEqual(talk.end(), 92)

    def test_what_came_before_an_error_is_printed(self):
        out = self.open("/reset/CANCEL?after=1000", status=92)
        self.assertEqual(len(out), 1000)

    def test_rst_stream_no_error_after_a_response_is_no_failure(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(frame(HEADERS, 5, 1, b"\x88") + frame(RST_STREAM, 0, 1, bytes(4)))

        with Peer(behave) as peer:
            self.open(f"http://127.0.0.1:{peer.port}/", stdin=bytes(1 << 20))

    def test_silent_keeps_the_status_and_says_nothing(self):
        self.open("/reset/CANCEL", "-s", status=92)
        self.assertEqual(self.stderr, "")

    def test_the_error_event_is_the_last_line(self):
        lines = self.open("/reset/CANCEL", "--json", status=92).splitlines()
        self.assertEqual(json.loads(lines[-1])["event"], "error")


if __name__ == "__main__":
    unittest.main()
