#!/usr/bin/env python3
"""Every exit status, and the message and the event that go with it."""
import contextlib
import errno
import json
import os
import socket
import struct
import tempfile
import unittest

from raw_server import fresh_certificate, server_context
from support import (DATA, GOAWAY, HEADERS, OK_HEAD, RST_STREAM, STEP, Peer, Server, ServedTestCase, Talk, closed_port, frame,
                     kinds, read_request, run)


class Statuses(ServedTestCase):
    def fails(self, status, error, url, *options, stdin=b"", **members):
        """As JSON and as text: the same status, and the error told in both ways."""
        events = self.events(url, *options, stdin=stdin, status=status)
        self.assertEqual(kinds(events)[-1], "error")
        event = events[-1]
        self.assertEqual(event["error"], error, event)
        for name, value in members.items():
            self.assertEqual(event[name], value, event)
        self.assertEqual(self.stderr, f"duplex: ({status}) {event['message']}\n")
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
                        ("--input", "words"), ("--resolve", "localhost"), ("-x", "gopher://proxy"), ("another", )):
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
        with closed_port() as port:
            at = f"127.0.0.1:{port}"
            self.fails(7, "connect_failed", f"http://{at}/", origin="network", scope="connection", retry_safe=True,
                       message=f"cannot connect to {at} (Connection refused); nothing listens there", bytes_sent=0)

    def test_45_an_address_that_cannot_be_dialed_from(self):
        at = f"127.0.0.1:{self.plain.port}"
        for address, why in (("203.0.113.9", "Cannot assign requested address"), ("::1", f"{at} has no IPv6 address")):
            self.fails(45, "connect_failed", f"http://{at}/", "--interface", address, origin="local", retry_safe=True,
                       message=f"option --interface {address} cannot be used: {why}")
        event = self.fails(2, "invalid_argument", f"http://{at}/", "--interface", "lo")
        self.assertIn('"lo" is not an IP address; the name of a device is not taken', event["message"])

    def test_7_a_host_without_an_address_of_the_wanted_family(self):
        # A name that is looked up, and in every system the short form of 127.0.0.1.
        self.fails(7, "connect_failed", "http://127.1:1/", "-6", origin="network", retry_safe=True,
                   message="cannot connect to 127.1:1: it has no address of the wanted family")
        self.fails(6, "resolve_failed", "http://no-such-host.invalid/", "-6")

    def test_7_a_unix_socket_that_is_not_there(self):
        self.fails(7, "connect_failed", "http://localhost/", "--unix-socket", "/nonexistent/socket")

    def test_7_a_unix_socket_where_too_many_wait(self):
        with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as held:
            path = os.path.join(scratch, "socket")
            listener = held.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            listener.listen(0)
            while True:
                waits = held.enter_context(socket.socket(socket.AF_UNIX))
                waits.setblocking(False)
                if waits.connect_ex(path) == errno.EAGAIN:
                    break
            self.fails(7, "connect_failed", "http://localhost/", "--unix-socket", path)

    def test_16_the_connection_is_ended_by_goaway(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(frame(GOAWAY, body=struct.pack(">II", 1, 2) + b"because"))
            connection.shutdown(socket.SHUT_WR)

        event = self.with_peer(behave, 16, "goaway", origin="peer", scope="connection", http2_code="INTERNAL_ERROR",
                               last_stream_id=1, debug_data="because", bytes_sent=0, retry_safe=False)
        self.assertTrue(event["message"].endswith('ended the connection with GOAWAY INTERNAL_ERROR "because"'), event)

    def test_16_debug_data_that_is_no_text_is_in_base64(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(frame(GOAWAY, body=struct.pack(">II", 1, 2) + b"\xff\x00"))
            connection.shutdown(socket.SHUT_WR)

        event = self.with_peer(behave, 16, "goaway", debug_data_base64="/wA=")
        self.assertNotIn("debug_data", event)
        self.assertTrue(event["message"].endswith('"\\xff\\x00"'), event)

    def test_16_the_peer_breaks_http2(self):
        def behave(connection):
            read_request(connection)
            connection.sendall(frame(HEADERS, 4, 0, b"\x88"))  # HEADERS on stream 0

        self.with_peer(behave, 16, "protocol_error", scope="connection")

    def test_16_the_peer_speaks_http_1(self):
        def behave(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        event = self.with_peer(behave, 16, "protocol_not_negotiated", origin="peer")
        self.assertIn('"HTTP/1.1 400 Bad Request"', event["message"])
        for absent in ("http2_code", "last_stream_id", "debug_data", "debug_data_base64"):
            self.assertNotIn(absent, event)

    def test_16_cleartext_to_a_tls_port(self):
        def behave(connection):
            connection.recv(65536)
            connection.sendall(bytes.fromhex("15030300020246"))  # a fatal alert

        event = self.with_peer(behave, 16, "protocol_not_negotiated", origin="peer")
        self.assertTrue(event["message"].endswith(" speaks TLS on this port; use https://"), event)

    def test_56_cleartext_to_our_own_tls_port(self):
        event = self.fails(56, "connection_lost", f"http://localhost:{self.tls.port}/")
        self.assertTrue(event["message"].endswith("if it wants TLS, use https://"), event)

    def test_16_alpn_is_not_h2(self):
        context = server_context(self.scratch.name, "http/1.1")
        self.with_peer(lambda connection: None, 16, "protocol_not_negotiated", "-k", scheme="https", context=context)

    def test_28_connecting_takes_too_long(self):
        # The connection is made by the kernel; the handshake never comes.
        with socket.create_server(("127.0.0.1", 0)) as silent:
            at = f"127.0.0.1:{silent.getsockname()[1]}"
            self.fails(28, "timeout", f"https://{at}/", "--connect-timeout", "900ms", retry_safe=True,
                       message=f"the TLS handshake with {at} took longer than --connect-timeout, 900 ms")

    def test_28_no_message_comes(self):
        self.fails(28, "timeout", self.plain.url + "/hang", "--recv-timeout", "300ms",
                   message="no message came in time; --recv-timeout bounds the wait")

    def test_28_everything_takes_too_long(self):
        self.fails(28, "timeout", self.plain.url + "/hang", "-m", "0.3")
        self.fails(28, "timeout", self.plain.url + "/slow?rate=10&bytes=infinity", "--max-time", "300ms")

    def test_28_the_peer_takes_nothing(self):
        # /slow does not read, so the window of the stream closes.
        event = self.fails(28, "timeout", self.plain.url + "/slow?rate=10&bytes=infinity", "--send-timeout", "300ms",
                           stdin=bytes(4 << 20), origin="local", scope="stream", http2_code="CANCEL", retry_safe=False)
        self.assertIn("within --send-timeout", event["message"])
        self.assertGreaterEqual(event["bytes_sent"], 65535)

    def test_35_tls_to_a_cleartext_port(self):
        event = self.fails(35, "tls_failed", f"https://localhost:{self.plain.port}/")
        self.assertTrue(event["message"].endswith("for cleartext use http://"), event)

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
        event = self.fails(60, "certificate_invalid", self.tls.url + "/echo", origin="local", retry_safe=True)
        self.assertIn("self-signed certificate: subject CN=", event["message"])
        self.assertTrue(event["message"].endswith("; to trust its authority, give its PEM file as --cacert"), event)

    def test_60_a_certificate_of_another_authority(self):
        other = fresh_certificate(self.scratch.name)
        event = self.fails(60, "certificate_invalid", self.tls.url + "/echo", "--cacert", other)
        self.assertTrue(event["message"].endswith(f"; its authority is not in --cacert {other}"), event)

    def test_56_a_server_that_wants_a_certificate(self):
        ours = fresh_certificate(self.scratch.name)
        server = Server("--cert", ours, "--key", ours + ".key", "--client-ca", ours)
        self.addCleanup(server.kill)
        event = self.fails(56, "connection_lost", server.url + "/", "--cacert", ours, origin="peer", scope="connection")
        self.assertTrue(event["message"].endswith("; it wants a client's certificate: give --cert and --key"), event)
        self.open("/echo", "--cacert", ours, "--cert", ours, "--key", ours + ".key", server=server)

    def test_0_a_certificate_that_the_systems_authorities_vouch_for(self):
        # OpenSSL takes the system's authorities from where this says.
        out = run(self.tls.url + "/echo", stdin=b"trusted\n", env={**os.environ, "SSL_CERT_FILE": self.cert})
        self.assertEqual((out.returncode, out.stdout, out.stderr), (0, b"trusted\n", b""))

    def test_60_a_certificate_for_another_name(self):
        event = self.fails(60, "certificate_invalid", self.tls.url + "/echo", "--cacert", self.cert, "--servername",
                           "other.example")
        self.assertIn('it is for "localhost", 127.0.0.1, ::1, not for "other.example"', event["message"])
        self.assertTrue(event["message"].endswith("; --servername verifies another name"), event)

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

    def test_verbose_says_who_failed_and_how_far_it_came(self):
        self.open("/reset/CANCEL?after=3", "-v", stdin=b"12345", status=92)
        self.assertRegex(self.stderr, r"\* Failed: peer, the stream, CANCEL, \d bytes sent, not safe to retry\n"
                         r"duplex: \(92\) localhost:\d+ \(127.0.0.1:\d+\) reset the stream with CANCEL\n")

    def test_what_is_in_quotes_is_not_taken_for_an_option(self):
        event = self.fails(3, "invalid_argument", "http://localhost/ connect_timeout")
        self.assertIn('"http://localhost/ connect_timeout"', event["message"])
        event = self.fails(3, "invalid_argument", 'http://localhost/" connect_timeout')
        self.assertIn('"http://localhost/\\" connect_timeout"', event["message"])

    def test_the_names_of_options_are_those_of_the_command_line(self):
        self.fails(2, "invalid_argument", "http://localhost/", "--connect-timeout", "0",
                   message="option --connect-timeout must be more than 0")
        self.fails(2, "invalid_argument", "https://localhost/", "--key", "/nonexistent",
                   message="--key without --cert")

    def test_silent_keeps_the_status_and_says_nothing(self):
        self.open("/reset/CANCEL", "-s", status=92)
        self.assertEqual(self.stderr, "")

    def test_the_error_event_is_the_last_line(self):
        lines = self.open("/reset/CANCEL", "--json", status=92).splitlines()
        self.assertEqual(json.loads(lines[-1])["event"], "error")


if __name__ == "__main__":
    unittest.main()
