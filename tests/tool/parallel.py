#!/usr/bin/env python3
"""`duplex open --parallel`: several URLs of one origin, one connection."""
import json
import os
import unittest

from support import Peer, Server, ServedTestCase, drain, run


class Parallel(ServedTestCase):
    def several(self, paths, *options, status=0, server=None):
        done = run("open", *options, *((server or self.plain).url + path for path in paths))
        self.stderr = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, self.stderr)
        return done.stdout

    def several_events(self, paths, *options, **more):
        return [json.loads(line) for line in self.several(paths, "--json", *options, **more).splitlines()]

    def test_twenty_urls_share_one_connection(self):
        server = Server("--http")
        self.addCleanup(server.kill)
        events = self.several_events([f"/stats?{i}" for i in range(20)], "--parallel", "4", server=server)
        self.assertEqual(sorted(e["stream"] for e in events if e["event"] == "open"), list(range(1, 41, 2)))
        for text in (e["text"] for e in events if e["event"] == "data"):
            self.assertEqual(json.loads(text)["connections"]["with_streams"], 1)
        self.assertEqual(len([e for e in events if e["event"] == "done"]), 20)

    def test_no_more_than_so_many_at_a_time(self):
        events = self.several_events([f"/stats?{i}" for i in range(10)], "--parallel", "3")
        running = most = 0
        for event in events:
            running += {"open": 1, "done": -1}.get(event["event"], 0)
            most = max(most, running)
        self.assertLessEqual(most, 3)

    def test_without_parallel_they_come_in_their_order(self):
        out = self.several(["/source?bytes=27", "/sink", "/headers"])
        lines = out.decode().splitlines()
        self.assertEqual(lines[:2], ["abcdefghijklmnopqrstuvwxyz", "0"])
        self.assertEqual(json.loads(lines[2])["path"], "/headers")

    def test_every_event_says_whose_it_is(self):
        paths = ["/source?bytes=10", "/headers", "/reset/CANCEL"]
        events = self.several_events(paths, "--parallel", "3", status=92)
        for event in events:
            self.assertIn(event["stream"], (1, 3, 5))
            self.assertEqual(event["url"], self.plain.url + paths[event["stream"] // 2])
        self.assertEqual([e["stream"] for e in events if e["event"] == "error"], [5])

    def test_lines_stay_whole(self):
        out = self.several([f"/slow?rate=1000&bytes=270&{i}" for i in range(5)], "--parallel", "5")
        self.assertEqual(out, b"abcdefghijklmnopqrstuvwxyz\n" * 50)

    def test_the_rest_of_a_line_is_not_lost(self):
        self.assertEqual(self.several(["/source?bytes=3"] * 2, "--parallel", "2"), b"abcabc")
        self.assertEqual(self.several(["/reset/CANCEL?after=3", "/source?bytes=27"], status=92),
                         b"abcabcdefghijklmnopqrstuvwxyz\n")
        out = self.several(["/source?bytes=3", "/sink"], "-i")
        self.assertIn(b"\r\n\r\nabcHTTP/2 200 ", out)

    def test_a_file_for_each(self):
        path = os.path.join(self.scratch.name, "got-#1-#1")
        self.assertEqual(self.several(["/source?bytes=3", "/source?bytes=5"], "--parallel", "2", "-o", path), b"")
        for number, content in (("1", b"abc"), ("2", b"abcde")):
            with open(path.replace("#1", number), "rb") as file:
                self.assertEqual(file.read(), content)

    def test_the_first_that_fails_sets_the_status_and_ends_nobody(self):
        out = self.several(["/reset/CANCEL", "/sink", "/reset/REFUSED_STREAM", "/sink"], status=92)
        self.assertEqual(out, b"0\n0\n")
        self.assertIn(f"duplex: (92) {self.plain.url}/reset/CANCEL: ", self.stderr)

    def test_a_peer_that_allows_one_stream_at_a_time(self):
        server = Server("--http", "--max-concurrent-streams", "1")
        self.addCleanup(server.kill)
        out = self.several(["/slow?rate=1000&bytes=27"] * 5, "--parallel", "5", server=server)
        self.assertEqual(out, b"abcdefghijklmnopqrstuvwxyz\n" * 5)

    def test_the_input_is_not_read(self):
        done = run("open", self.plain.url + "/sink", self.plain.url + "/sink", stdin=b"x")
        self.assertEqual((done.returncode, done.stdout), (0, b"0\n0\n"))

    def test_one_url_reads_its_input(self):
        self.assertEqual(self.open("/echo", "--parallel", "3", stdin=b"x"), b"x")

    def test_another_origin_is_refused_before_connecting(self):
        for other in ("http://127.0.0.2:{port}/", "http://127.0.0.1:1/", "https://127.0.0.1:{port}/", "nonsense"):
            with self.subTest(other), Peer(lambda connection: None) as peer:
                other = other.format(port=peer.port)
                done = run("open", f"http://127.0.0.1:{peer.port}/", other)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"'{other}' is of another origin", done.stderr.decode())
                self.assertEqual(peer.accepted, 0)

    def test_usage(self):
        for options in (("--parallel", "0"), ("--parallel", "x"), ("--input", "raw"), ("--script", "-")):
            with self.subTest(options):
                self.several(["/echo", "/echo"], *options, status=2)

    def test_a_connection_that_cannot_be_made(self):
        done = run("open", "http://127.0.0.1:1/a", "http://127.0.0.1:1/b")
        self.assertEqual(done.returncode, 7)

    def test_a_peer_that_says_nothing(self):
        with Peer(drain) as peer:
            url = f"http://127.0.0.1:{peer.port}/"
            self.assertEqual(run("open", "--connect-timeout", "300ms", url + "a", url + "b").returncode, 28)

    def test_everything_takes_too_long(self):
        self.several(["/hang"] * 3, "--parallel", "2", "-m", "300ms", status=28)

    def test_no_message_comes(self):
        events = self.several_events(["/hang", "/sink"], "--parallel", "2", "--recv-timeout", "1s", status=28)
        self.assertEqual([e["error"] for e in events if e["event"] == "error"], ["timeout"])


if __name__ == "__main__":
    unittest.main()
