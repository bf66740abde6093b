#!/usr/bin/env python3
"""`duplex open --keepalive-time`: a silent server is asked, and left when it does not answer; `duplex serve
--idle-timeout`: a silent client is told to go."""
import json
import socket
import unittest

from raw_server import ACK, END_STREAM, PING, RawServer, Until, data, headers, response
from support import GOAWAY, PREFACE, SETTINGS, STEP, Server, frame, run

ASKED = Until(PING)


class Keepalive(unittest.TestCase):

    def test_a_server_that_does_not_answer_is_left_with_what_it_said(self):
        with RawServer(response(), data(b"hi")) as server:
            done = run("open", "--keepalive-time", "1s", "--keepalive-timeout", "1s", server.url())
        self.assertEqual(done.returncode, 56, done.stderr)
        self.assertEqual(done.stdout, b"hi")
        self.assertIn(b"did not answer a PING within --keepalive-timeout", done.stderr)

    def test_as_json_the_error_has_its_name_and_scope(self):
        with RawServer(response()) as server:
            done = run("open", "--json", "--keepalive-time", "50ms", "--keepalive-timeout", "100ms", server.url())
        error = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((error["event"], error["error"]), ("error", "keepalive_timeout"))
        self.assertEqual((error["origin"], error["scope"]), ("network", "connection"))

    def test_any_answer_will_do(self):
        with RawServer(response(), ASKED, data(b"hi"), headers([("a", "b")], END_STREAM)) as server:
            done = run("open", "--keepalive-time", "50ms", "--keepalive-timeout", "20s", server.url())
        self.assertEqual((done.returncode, done.stdout), (0, b"hi"), done.stderr)

    def test_nobody_is_asked_by_default(self):
        server = Server("--http")
        try:
            done = run("open", "-v", "--max-time", "300ms", server.url + "/hang")
        finally:
            server.kill()
        self.assertEqual(done.returncode, 28, done.stderr)
        self.assertNotIn(b"PING", done.stderr)

    def test_our_server_answers(self):
        server = Server("--http")
        try:
            done = run("open", "-v", "--keepalive-time", "50ms", "--keepalive-timeout", "20s", "--max-time", "1s",
                       server.url + "/hang")
        finally:
            server.kill()
        self.assertEqual(done.returncode, 28, done.stderr)
        self.assertIn(b"< [0] PING ack", done.stderr)

    def test_a_time_that_is_none_is_refused(self):
        done = run("open", "--keepalive-time", "soon", "http://localhost/")
        self.assertEqual(done.returncode, 2)


class Idle(unittest.TestCase):

    def test_a_connection_without_streams_is_told_goaway_and_closed(self):
        server = Server("--http", "--idle-timeout", "50ms")
        try:
            with socket.create_connection(("127.0.0.1", server.port), STEP) as client:
                client.settimeout(STEP)
                client.sendall(PREFACE + frame(SETTINGS) + frame(SETTINGS, ACK))
                said = b""
                while more := client.recv(65536):
                    said += more
        finally:
            server.kill()
        self.assertIn(bytes([GOAWAY]) + bytes(5), said[-17:])


if __name__ == "__main__":
    unittest.main()
