#!/usr/bin/env python3
"""Where a stream and its connection stand: `stats` in a script, SIGQUIT, and /stats of the server."""
import json
import signal
import socket
import subprocess
import unittest

from support import STEP, ServedTestCase, Talk, kinds, start


class Stats(ServedTestCase):
    def talk(self, path, *options):
        talk = Talk(self.plain.url + path, *options)
        self.addCleanup(talk.kill)
        talk.event()
        return talk

    def test_in_a_script_it_is_an_event(self):
        events = self.script("/echo", "send hello", "recv 2", "stats")
        self.assertEqual(kinds(events), ["open", "response", "data", "stats"])
        stream, connection = events[-1]["stream"], events[-1]["connection"]
        self.assertEqual((stream["id"], stream["state"]), (1, "open"))
        self.assertEqual((stream["bytes_sent"], stream["bytes_received"]), (5, 5))
        self.assertEqual(connection["streams"], 1)
        self.assertEqual(connection["peer_max_concurrent_streams"], 100)
        self.assertGreater(connection["frames_received"], 0)
        self.assertIsNone(connection["ping_unanswered_ms"])

    def test_it_says_why_nothing_moves(self):
        talk = self.talk("/source?bytes=200000", "--flow-control", "manual", "--window-size", "100000", "--json-data",
                         "size")
        talk.tell("recv-until bytes=100000")
        talk.tell("stats")
        while (event := talk.event())["event"] != "stats":
            pass
        self.assertEqual((event["stream"]["recv_window"], event["stream"]["unconsumed_bytes"]), (0, 100_000))
        self.assertEqual(talk.end(), 0)

    def test_in_text_it_is_for_people(self):
        self.assertEqual(self.open("/echo", "--script", "-", stdin=b"send hello\nrecv 2\nstats\n"), b"hello")
        self.assertIn("* Stream 1: open\n*   sent 5 bytes", self.stderr)
        self.assertIn("* Connection: 1 streams", self.stderr)

    def test_it_takes_no_argument(self):
        self.open("/echo", "--script", "-", stdin=b"stats now\n", status=2)

    def start(self, *arguments):
        client = start("open", *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for end in (client.stdin, client.stdout, client.stderr):
            self.addCleanup(end.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        return client

    def test_sigquit_shows_it_and_ends_nothing(self):
        client = self.start(self.plain.url + "/echo")
        for line in (b"first\n", b"second\n"):
            client.stdin.write(line)
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), line)
            client.send_signal(signal.SIGQUIT)
            self.assertEqual(client.stderr.readline(), b"* Stream 1: open\n")
            while not client.stderr.readline().startswith(b"* Connection: "):
                pass
            # The two lines about the connection, so that the next round begins with a stream.
            client.stderr.readline()
            client.stderr.readline()
        client.stdin.close()
        self.assertEqual(client.wait(STEP), 0)

    def test_sigquit_before_there_is_a_stream(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            client = self.start(f"https://127.0.0.1:{silent.getsockname()[1]}/")
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                client.send_signal(signal.SIGQUIT)
                self.assertEqual(client.stderr.readline(), b"* No stream is open\n")

    def test_sigquit_shows_all_that_run_in_parallel(self):
        urls = [f"{self.plain.url}/slow?rate=10&bytes=infinity&{i}" for i in range(3)]
        client = self.start("--parallel", "3", "--json", *urls)
        seen = 0
        while seen < 3:
            seen += json.loads(client.stdout.readline())["event"] == "response"
        client.send_signal(signal.SIGQUIT)
        shown = b""
        while b"* Connection: 3 streams" not in shown:
            shown += client.stderr.readline()
        for number in (1, 3, 5):
            self.assertIn(b"* Stream %d: " % number, shown)
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(STEP), 130)

    def test_the_server_shows_the_connection_that_asks(self):
        connection = json.loads(self.open("/stats"))["connection"]
        self.assertEqual(connection["streams"], 1)
        self.assertGreater(connection["bytes_received"], 0)


if __name__ == "__main__":
    unittest.main()
