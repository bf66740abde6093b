#!/usr/bin/env python3
"""What `duplex serve` lets its operator see: the log, as text and as JSON, and metrics."""
import datetime
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from support import STEP, Server, Talk, run

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


class Seen(unittest.TestCase):
    def serve(self, *options, cert=None):
        server = Server(*options, cert=cert)
        self.addCleanup(server.kill)
        return server

    def talk(self, url, *options):
        """A stream whose response has come."""
        talk = Talk(url, *options)
        self.addCleanup(talk.kill)
        talk.event()
        talk.tell("recv")
        self.assertEqual(talk.event()["status"], 200)
        return talk

    def line(self, server):
        return server.process.stdout.readline()

    def event(self, server, kind=None):
        """The next one; of that kind."""
        while True:
            event = json.loads(self.line(server))
            if kind in (None, event["event"]):
                return event

    def metrics(self, server):
        """What each sample is, by its name with labels."""
        done = run("open", server.url + "/-/metrics")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.text = done.stdout.decode()
        return {name: float(value) for name, value in re.findall(r"^([^# ]+) (\S+)$", self.text, re.M)}

    def metrics_when(self, server, ready):
        deadline = time.monotonic() + STEP
        while not ready(seen := self.metrics(server)):
            self.assertLess(time.monotonic(), deadline, seen)
        return seen

    # Requests

    def test_a_request_in_text(self):
        server = self.serve("--http", "--access-log")
        run("open", server.url + "/echo?x", stdin=b"12345")
        self.assertRegex(self.line(server),
                         rf"^{TIME} 127\.0\.0\.1:\d+ #1 \[1\] POST {server.url}/echo\?x 200 5 5 \d+us\n$")
        run("open", server.url + "/reset/CANCEL")
        self.assertRegex(self.line(server), rf"^{TIME} 127\.0\.0\.1:\d+ #2 \[1\] POST {server.url}/reset/CANCEL 0 0 0 "
                                            r"\d+us error=canceled\n$")

    def test_a_request_in_json(self):
        server = self.serve("--http", "--json")
        before = datetime.datetime.now(datetime.timezone.utc)
        run("open", "--parallel", "2", server.url + "/echo?x", server.url + "/echo?x")
        events = [self.event(server) for _ in range(2)]
        after = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual([(e["event"], e["connection"], e["authority"], e["path"]) for e in events],
                         [("request", 1, server.url.split("/")[2], "/echo?x")] * 2)
        self.assertEqual({e["stream"] for e in events}, {1, 3})
        for event in events:
            self.assertRegex(event["time"], f"^{TIME}$")
            when = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
            self.assertLessEqual(before - datetime.timedelta(milliseconds=1), when)
            self.assertLessEqual(when, after)
            self.assertFalse({"tls", "tls_cipher", "alpn", "sni", "certificate_subject", "error"} & event.keys(), event)

    def test_facts_of_tls(self):
        with tempfile.TemporaryDirectory() as scratch:
            cert, alice, key = (os.path.join(scratch, name) for name in ("cert.pem", "alice.pem", "alice.key"))
            self.write_certificate(alice, key)
            for mode in ("--json", "--access-log"):
                with self.subTest(mode):
                    server = self.serve(mode, "--client-ca", alice, cert=cert)
                    done = run("open", "--cacert", cert, "--cert", alice, "--key", key, server.url + "/sink")
                    self.assertEqual(done.returncode, 0, done.stderr)
                    line = self.line(server)
                    if mode == "--json":
                        event = json.loads(line)
                        self.assertEqual((event["tls"], event["alpn"], event["sni"]), ("TLSv1.3", "h2", "localhost"))
                        self.assertTrue(event["tls_cipher"].startswith("TLS_"), event)
                        self.assertIn('Alice "A"', event["certificate_subject"])
                    else:
                        self.assertRegex(line, r' tls=TLSv1\.3 cipher=TLS_\S+ alpn=h2 sni="localhost" '
                                               r'certificate=".*Alice.*A.*"\n$')

    def test_a_client_writes_no_line_and_no_fact_of_its_own(self):
        server = self.serve("--access-log")
        there = urllib.parse.urlsplit(server.url)
        context = ssl._create_unverified_context()
        context.set_alpn_protocols(["h2"])
        head = b"\x82\x87\x84\x01\x01x"  # GET https /, of "x"
        with context.wrap_socket(socket.create_connection((there.hostname, there.port), STEP),
                                 server_hostname='x" error=none\n2026-11-29T11:35:02.118Z POST https://h/') as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) +
                           bytes([0, 0, len(head), 1, 5, 0, 0, 0, 1]) + head)
            self.assertTrue(self.line(server).endswith(
                r' sni="x\" error=none\x0a2026-11-29T11:35:02.118Z POST https://h/"' + "\n"))

    def write_certificate(self, cert, key):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", '/CN=Alice "A"', "-days", "2", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)

    # Frames

    def test_frames_and_requests_are_in_one_log_by_one_name(self):
        server = self.serve("--http", "--access-log", "--frame-log")
        run("open", server.url + "/echo", stdin=b"12345")
        lines = []
        while not lines or " POST " not in lines[-1]:
            lines.append(self.line(server))
        for line in lines:
            self.assertRegex(line, rf"^{TIME} 127\.0\.0\.1:\d+ #1 ")
        of_stream = [line.split("#1 ", 1)[1].rstrip("\n") for line in lines if "[1]" in line]
        self.assertEqual(of_stream[:-1], [line for line in of_stream[:-1] if line[:2] in ("< ", "> ")])
        self.assertRegex(of_stream[0], r"^< \[1\] HEADERS, \d+ bytes$")
        for mark in "<>":
            self.assertTrue(any(re.match(rf"{mark} \[1\] DATA( end_stream)?, 5 bytes$", s) for s in of_stream), of_stream)
        self.assertRegex(of_stream[-1], r"^\[1\] POST \S+/echo 200 5 5 ")
        self.assertTrue(any(re.search(r"#1 <     :path: /echo\n", line) for line in lines), lines)

    def test_an_extended_connect_says_its_protocol(self):
        server = self.serve("--http", "--extended-connect", "--frame-log")
        head = b"\x02\x07CONNECT\x86\x84\x01\x01x\x00\x09:protocol\x09websocket"
        with socket.create_connection(("127.0.0.1", server.port), STEP) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) +
                           bytes([0, 0, len(head), 1, 4, 0, 0, 0, 1]) + head)
            while not re.search(r"#1 <     :protocol: websocket\n$", line := self.line(server)):
                self.assertNotIn(" > [1] ", line)

    def test_frames_in_json(self):
        server = self.serve("--http", "--json", "--frame-log")
        run("open", server.url + "/sink", stdin=b"12345")
        run("open", server.url + "/sink", stdin=b"12345")
        events = []
        while sum(e["event"] == "request" for e in events) < 2:
            events.append(self.event(server))
        for number in (1, 2):
            of_it = [e for e in events if e["connection"] == number and e.get("stream") == 1]
            self.assertEqual([e["event"] for e in of_it], ["frame"] * (len(of_it) - 1) + ["request"])
            head = of_it[0]
            self.assertEqual((head["sent"], head["type"], head["text"].split("\n")[0]), (False, 1, "HEADERS"))
            self.assertIn("\n:path: /sink", head["text"])
            data = next(e for e in of_it if e.get("type") == 0)
            self.assertEqual((data["sent"], data["length"]), (False, 5))
            self.assertRegex(data["time"], f"^{TIME}$")

    def test_without_a_log_of_frames_there_are_none(self):
        server = self.serve("--http", "--json")
        run("open", server.url + "/sink", stdin=b"12345")
        self.assertEqual(self.event(server)["event"], "request")
        server.process.terminate()
        self.assertEqual([json.loads(line)["event"] for line in server.process.stdout], ["drain", "drained"])

    # The drain

    def drained(self, *options):
        """A server that has drained, with one stream that finished and one that was reset."""
        server = self.serve("--http", "--grace", "2s", *options)
        one = self.talk(server.url + "/echo")
        two = self.talk(server.url + "/echo")
        server.process.terminate()
        begin = self.line(server)
        one.tell("fin")
        one.tell("recv 2")
        self.assertEqual([one.event()["event"], one.event()["event"]], ["trailers", "done"])
        two.tell("recv")
        self.assertEqual(two.event()["event"], "error")
        self.assertEqual(server.process.wait(STEP), 0)
        return begin, server.process.stdout.readlines(), server.process.stderr.readlines()

    def test_a_drain_in_json(self):
        begin, rest, _ = self.drained("--json")
        begin, end = json.loads(begin), json.loads(rest[-1])
        self.assertEqual((begin["event"], begin["connections"], begin["streams"]), ("drain", 2, 2))
        self.assertRegex(begin["time"], f"^{TIME}$")
        self.assertEqual((end["event"], end["finished"], end["failed"]), ("drained", 1, 1))
        self.assertGreaterEqual(end["ms"], 2000)

    def test_a_drain_in_text(self):
        began = "draining: streams under way: 2, connections: 2\n"
        ended = r"drained in \d+ms: streams finished: 1, reset or lost: 1\n"
        begin, rest, complaints = self.drained("--access-log", "-v")
        self.assertRegex(begin, rf"^{TIME} {began}$")
        self.assertRegex(rest[-1], rf"^{TIME} {ended}$")
        self.assertEqual(len(complaints), 2, complaints)
        self.assertRegex(complaints[0], rf"^{TIME} duplex: {began}$")
        self.assertRegex(complaints[1], rf"^{TIME} duplex: {ended}$")

    # Metrics

    def test_requests_by_status_and_duration(self):
        server = self.serve("--http", "--admin", "/-/")
        for path in ("/sink", "/status/404", "/status/503", "/reset/CANCEL"):
            run("open", server.url + path)
        done = 'duplex_requests_done_total{status="%s"}'
        seen = self.metrics_when(server, lambda seen: seen[done % "none"] == 1)
        self.assertEqual([seen[done % status] for status in ("4xx", "5xx", "3xx")], [1, 1, 0])
        self.assertGreaterEqual(seen[done % "2xx"], 1)
        buckets = [(name, value) for name, value in seen.items() if "_bucket{" in name]
        self.assertEqual(buckets[0][0], 'duplex_request_duration_seconds_bucket{le="0.001"}')
        self.assertEqual(buckets[-1][0], 'duplex_request_duration_seconds_bucket{le="+Inf"}')
        counts = [value for _, value in buckets]
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(counts[-1], seen["duplex_request_duration_seconds_count"])
        self.assertEqual(counts[-1], sum(value for name, value in seen.items() if "_done_total{" in name))
        self.assertGreater(seen["duplex_request_duration_seconds_sum"], 0)
        for name in {re.sub(r"(_(bucket|sum|count))?(\{.*)?$", "", name) for name in seen}:
            self.assertRegex(self.text, rf"(?m)^# HELP {name} .+\n# TYPE {name} (counter|gauge|histogram)\n{name}")

    def test_a_slow_request_is_in_the_buckets_above_its_time(self):
        server = self.serve("--http", "--admin", "/-/")
        run("open", server.url + "/slow?bytes=3&rate=20")  # two pauses of 50 ms
        bucket = 'duplex_request_duration_seconds_bucket{le="%s"}'
        seen = self.metrics_when(server, lambda seen: seen['duplex_requests_done_total{status="2xx"}'] >= 1)
        self.assertLess(seen[bucket % "0.05"], seen[bucket % "+Inf"])

    def test_bytes_move_while_a_stream_runs(self):
        server = self.serve("--http", "--admin", "/-/")
        talk = self.talk(server.url + "/echo")
        before = self.metrics(server)
        talk.tell("send 12345")
        talk.tell("recv")
        self.assertEqual(talk.event()["text"], "12345")
        seen = self.metrics_when(server, lambda seen: seen["duplex_received_bytes_total"] ==
                                 before["duplex_received_bytes_total"] + 5)
        self.assertEqual(seen["duplex_streams"], 2)  # it is one itself
        self.assertGreaterEqual(seen["duplex_sent_bytes_total"], before["duplex_sent_bytes_total"] + 5)

    def test_draining_is_a_gauge(self):
        server = self.serve("--http", "--admin", "/-/", "--drain-delay", "60s")
        self.assertEqual(self.metrics(server)["duplex_draining"], 0)
        server.process.send_signal(signal.SIGTERM)
        self.metrics_when(server, lambda seen: seen["duplex_draining"] == 1)
        self.assertEqual(server.stop(), 0)  # the second signal ends the delay


if __name__ == "__main__":
    unittest.main()
