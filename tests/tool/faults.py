#!/usr/bin/env python3
"""`duplex open` against a peer that speaks raw frames: plain, as JSON and by a script, over TCP and TLS. Whatever is
said, the program ends in time, prints what had come, and says what happened."""
import json
import random
import tempfile
import time
import unittest

import raw_server
from raw_server import (CONTINUATION, END_HEADERS, END_STREAM, PADDED, PING, PRIORITY, PUSH_PROMISE, WINDOW_UPDATE,
                        RawServer, Until, block, data, goaway, headers, number, reset, response)
from support import DATA, HEADERS, frame, kinds, payload, run

BOUND = 10  # seconds, for a program that has nothing to wait for
SCRIPT = b"recv-until done\n"  # nothing is sent, which could come behind the fault, and fail by it
WHOLE = response() + data(b"hi") + headers([("a", "b")], END_STREAM)


class Faults(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.tls = raw_server.server_context(cls.scratch.name, "h2")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def talk(self, steps, *options, stdin=b"", status, context=None, **more):
        """One run against a fresh server: its standard output, and what the server heard."""
        if context:
            options += ("--cacert", self.scratch.name + "/peer.pem")
        begin = time.monotonic()
        with RawServer(*steps, context=context, **more) as server:
            done = run("open", *options, server.url(), stdin=stdin)
        self.assertLess(time.monotonic() - begin, BOUND)
        self.stderr = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, self.stderr)
        return done.stdout, server.heard()

    def fails(self, status, error, *steps, says=None, output=b"", options=(), greeting=None, transports=None, **members):
        """In every way of asking, over both transports: the same status, the error told in all forms, `output` before
        it, and `says` to the peer."""
        greeting = {} if greeting is None else {"greeting": greeting}
        for context in (None, self.tls) if transports is None else transports:
            for way in ((), ("--json", ), ("--json", "--script", "-")):
                with self.subTest(way=way, tls=bool(context)):
                    stdin = SCRIPT if "--script" in way else b""
                    out, heard = self.talk(steps, *way, *options, stdin=stdin, status=status, context=context, **greeting)
                    if says:
                        self.assertIn(says, heard)
                    self.assertTrue(self.stderr.startswith(f"duplex: ({status}) "), self.stderr)
                    if not way:
                        self.assertEqual(out, output)
                        continue
                    events = [json.loads(line) for line in out.splitlines()]
                    self.assertEqual(kinds(events)[-1], "error")
                    self.assertNotIn("done", kinds(events))
                    self.assertEqual(payload(events).encode(), output)
                    event = events[-1]
                    self.assertEqual(event["error"], error, event)
                    self.assertIn(event["message"], self.stderr)
                    for name, value in members.items():
                        self.assertEqual(event[name], value, event)

    def succeeds(self, *steps, output=b"hi", **more):
        for context in (None, self.tls):
            for way in ((), ("--json", ), ("--json", "--script", "-")):
                with self.subTest(way=way, tls=bool(context)):
                    stdin = b"send hello\nfin\nrecv-until done\n" if "--script" in way else b"hello\n"
                    out, _ = self.talk(steps, *way, stdin=stdin, status=0, context=context, **more)
                    if way:
                        events = [json.loads(line) for line in out.splitlines()]
                        self.assertEqual(kinds(events)[-1], "done")
                        self.assertEqual(payload(events).encode(), output)
                    else:
                        self.assertEqual(out, output)
                        self.assertEqual(self.stderr, "")

    # Legal, if unusual

    def test_a_whole_answer_byte_by_byte(self):
        self.succeeds(raw_server.by_single_bytes(WHOLE))

    def test_everything_that_is_to_be_ignored(self):
        noise = (frame(0xa, 0, 0, b"\0\4peerh2=\":1\"") + frame(0xc, 0, 0, b"\0\4peer") + frame(0xfe, 0xff, 1, b"?") +
                 frame(PRIORITY, 0, 1, number(0) + b"\x10") + frame(PING, 0, 0, b"12345678") +
                 raw_server.settings(header_table_size=0))
        said = [headers([(":status", "103")]) * 100, response(), data(b"h"), data(b""),
                frame(DATA, PADDED, 1, b"\3i\0\0\0"), headers([("a", "b")], END_STREAM)]
        self.succeeds(noise + noise.join(said) + noise)

    def test_a_header_block_of_60_kilobytes(self):
        whole = block([(":status", "200")] + [(f"x-{i}", "v" * 4000) for i in range(15)])
        said = frame(HEADERS, 0, 1, whole[:16384])
        rest = [whole[at:at + 16384] for at in range(16384, len(whole), 16384)]
        for piece in rest:
            said += frame(CONTINUATION, END_HEADERS if piece is rest[-1] else 0, 1, piece)
        self.succeeds(said + data(b"hi", END_STREAM))

    def test_a_graceful_goaway_in_two_phases(self):
        self.succeeds(goaway(0x7fffffff, "NO_ERROR"), frame(PING, 0, 0, b"draining"), response() + goaway(1, "NO_ERROR"),
                      data(b"hi", END_STREAM))

    def test_a_window_that_opens_byte_by_byte(self):
        grants = frame(WINDOW_UPDATE, 0, 1, number(1)) * 5
        self.succeeds(grants, frame(WINDOW_UPDATE, 0, 1, number(1)) * 10, Until(DATA, END_STREAM), WHOLE,
                      greeting=raw_server.settings(initial_window_size=0))

    # The stream

    def test_a_reset_in_the_middle(self):
        self.fails(92, "stream_reset", response() + data(b"hi") + reset("CANCEL"), output=b"hi", origin="peer",
                   scope="stream", http2_code="CANCEL", retry_safe=False)

    def test_a_reset_in_place_of_an_answer(self):
        self.fails(92, "refused", reset("REFUSED_STREAM"), retry_safe=True, origin="peer", http2_code="REFUSED_STREAM")

    def test_less_than_the_content_length(self):
        self.fails(92, "protocol_error", response(("content-length", "5")) + data(b"hi", END_STREAM), output=b"hi",
                   says="RST_STREAM PROTOCOL_ERROR", origin="peer", scope="stream", retry_safe=False)

    def test_trailers_that_do_not_end(self):
        self.fails(92, "protocol_error", response() + data(b"hi") + headers([("a", "b")]), output=b"hi",
                   says="RST_STREAM PROTOCOL_ERROR", scope="stream")

    def test_a_status_that_is_none(self):
        for status in ("abc", "", "99", "1000"):
            self.fails(92, "protocol_error", response(status=status), says="RST_STREAM PROTOCOL_ERROR",
                       transports=[None])

    def test_data_above_the_window(self):
        self.fails(92, "protocol_error", response() + data(b"x" * 1001), says="RST_STREAM FLOW_CONTROL_ERROR",
                   output=b"x" * 1001, options=("--window-size", "1000"), http2_code="FLOW_CONTROL_ERROR")

    def test_a_header_section_above_the_limit(self):
        said = headers([(":status", "200")] + [(f"x-{i}", "") for i in range(300)])
        self.fails(92, "limit_exceeded", said, origin="local", scope="stream",
                   says="RST_STREAM ENHANCE_YOUR_CALM")

    # The connection

    def test_goaway_below_the_stream(self):
        self.fails(92, "refused", goaway(0, "ENHANCE_YOUR_CALM", b"not now"), raw_server.end, origin="peer",
                   scope="connection", http2_code="ENHANCE_YOUR_CALM",
                   retry_safe=True)

    def test_goaway_with_an_error_and_the_end(self):
        self.fails(16, "goaway", response() + data(b"hi") + goaway(1, "INTERNAL_ERROR", b"crashed"), raw_server.end,
                   output=b"hi", origin="peer", scope="connection", http2_code="INTERNAL_ERROR",
                   retry_safe=False)

    def test_the_end_between_two_frames(self):
        self.fails(56, "connection_lost", response() + data(b"hi"), raw_server.end, output=b"hi", origin="network",
                   scope="connection", retry_safe=False)

    def test_the_end_inside_of_a_frame(self):
        self.fails(56, "connection_lost", response() + data(b"hi") + data(b"more", END_STREAM)[:-2], raw_server.end,
                   output=b"himo", origin="network", scope="connection")

    def test_the_end_of_tls_inside_of_a_stream(self):
        self.fails(56, "connection_lost", response() + data(b"hi"), raw_server.close_notify, output=b"hi",
                   transports=[self.tls])

    def test_a_push(self):
        push = frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + block([(":method", "GET"), (":scheme", "http"),
                                                                      (":authority", "peer"), (":path", "/")]))
        self.fails(16, "protocol_error", push, says="GOAWAY PROTOCOL_ERROR", origin="peer", scope="connection",
                   http2_code="PROTOCOL_ERROR")

    def test_headers_that_cannot_be_decompressed(self):
        self.fails(16, "protocol_error", frame(HEADERS, END_HEADERS, 1, b"\xff" * 6), says="GOAWAY COMPRESSION_ERROR",
                   http2_code="COMPRESSION_ERROR")

    def test_a_frame_above_the_limit(self):
        self.fails(16, "protocol_error", response() + data(b"x" * 16385), says="GOAWAY FRAME_SIZE_ERROR")

    def test_more_padding_than_frame(self):
        self.fails(16, "protocol_error", response() + frame(DATA, PADDED, 1, b"\x05abc"), says="GOAWAY PROTOCOL_ERROR")

    def test_http_1(self):
        self.fails(16, "protocol_not_negotiated", lambda connection: connection.recv(65536),
                   b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", greeting=b"", origin="peer")

    def test_random_bytes(self):
        for seed in range(5):
            noise = random.Random(seed).randbytes(1000)
            is_text = 0x20 <= noise[0] <= 0x7e  # for a frame it would be far too long
            self.fails(16, "protocol_not_negotiated" if is_text else "protocol_error", noise, raw_server.end,
                       greeting=b"", scope="connection", transports=[None])

    # Silence

    def test_a_peer_that_never_answers(self):
        self.fails(28, "timeout", options=("--recv-timeout", "300ms"), transports=[None])

    def test_a_peer_that_never_grants_a_window(self):
        # More than the window that there is until its SETTINGS come.
        out, heard = self.talk((), "--json", "--send-timeout", "300ms", stdin=b"hello\n" * 20000, status=28,
                               greeting=raw_server.settings(initial_window_size=0))
        self.assertEqual(json.loads(out.splitlines()[-1])["error"], "timeout")
        self.assertIn("RST_STREAM CANCEL", heard)


if __name__ == "__main__":
    unittest.main()
