#!/usr/bin/env python3
"""`duplex serve`: its paths, its certificate, its log and its end."""
import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from support import (STEP, Server, ServedTestCase, Talk, is_sanitized, kinds, leave_room_for_few_threads, payload, run,
                     start)


class Paths(ServedTestCase):
    def test_echo(self):
        events = self.events("/echo", "-H", "content-type: application/grpc", stdin=b"abc")
        self.assertEqual(kinds(events), ["open", "response", "data", "trailers", "done"])
        self.assertEqual(events[1]["headers"], [["content-type", "application/grpc"]])
        self.assertEqual(events[3]["headers"], [["grpc-status", "0"]])

    def test_an_unknown_path_is_an_echo_for_grpc_only(self):
        self.assertEqual(self.open("/pkg.Service/Method", "-H", "content-type: application/grpc+proto", stdin=b"x"), b"x")
        events = self.events("/pkg.Service/Method")
        self.assertEqual(events[1]["status"], 404)

    def test_sink_counts(self):
        self.assertEqual(self.open("/sink", stdin=bytes(123_456)), b"123456\n")

    def test_source(self):
        events = self.events("/source?bytes=1000&chunk=300")
        self.assertIn(["content-length", "1000"], events[1]["headers"])
        line = "abcdefghijklmnopqrstuvwxyz\n"
        self.assertEqual(payload(events), (line * 40)[:1000])
        self.assertEqual(len(self.open("/source")), 1 << 20)
        self.assertEqual(self.open("/source?bytes=0"), b"")
        self.assertEqual(len(self.open("/source?bytes=2K")), 2048)

    def test_status(self):
        for code in (200, 204, 404, 599):
            events = self.events(f"/status/{code}")
            self.assertEqual((events[1]["status"], kinds(events)), (code, ["open", "response", "done"]))
        for code in ("100", "600", "abc"):
            self.assertEqual(self.events(f"/status/{code}")[1]["status"], 400)

    def test_trailers_only(self):
        events = self.events("/trailers-only")
        self.assertEqual(kinds(events), ["open", "response", "done"])
        self.assertIn(["grpc-status", "0"], events[1]["headers"])

    def test_informational(self):
        self.assertEqual(kinds(self.events("/informational?n=3"))[1:5], ["informational"] * 3 + ["response"])
        self.assertEqual(kinds(self.events("/informational"))[1:3], ["informational", "response"])

    def test_reset(self):
        for code in ("CANCEL", "internal_error", "7", "0xd"):
            self.assertEqual(kinds(self.events(f"/reset/{code}", status=92)), ["open", "error"])
        events = self.events("/reset/CANCEL?after=2000", status=92)
        self.assertEqual(len(payload(events)), 2000)
        self.assertEqual((events[1]["event"], events[-1]["http2_code"]), ("response", "CANCEL"))
        self.assertEqual(self.events("/reset/NONSENSE")[1]["status"], 400)

    def test_goaway_lets_the_stream_finish(self):
        self.assertEqual(kinds(self.events("/goaway")), ["open", "response", "data", "done"])
        self.open("/goaway", "-v")
        self.assertIn("< [0] GOAWAY NO_ERROR", self.stderr)

    def test_slow_keeps_its_rate(self):
        began = time.monotonic()
        self.assertEqual(len(self.open("/slow?rate=1000&bytes=500")), 500)
        self.assertEqual(self.open("/slow?rate=1G&bytes=200000"), self.open("/source?bytes=200000"))
        self.assertGreater(time.monotonic() - began, 0.4)

    def test_hang(self):
        self.assertEqual(kinds(self.events("/hang", "-m", "300ms", status=28)), ["open", "error"])

    def test_headers(self):
        seen = json.loads(self.open("/headers?a=b", "-H", "x: y"))
        self.assertEqual((seen["method"], seen["scheme"], seen["path"]), ("POST", "http", "/headers?a=b"))
        self.assertEqual(seen["authority"], f"localhost:{self.plain.port}")
        self.assertIn(["x", "y"], seen["headers"])

    def test_stats(self):
        before = json.loads(self.open("/stats"))
        self.open("/echo", stdin=bytes(1000))
        after = json.loads(self.open("/stats"))
        self.assertEqual(after["streams"]["opened"] - before["streams"]["opened"], 2)
        self.assertEqual(after["bytes"]["received"] - before["bytes"]["received"], 1000)
        self.assertGreaterEqual(after["streams"]["running"], 1)
        self.assertGreaterEqual(after["connections"]["with_streams"], 1)

    def test_a_query_that_is_not_understood(self):
        for path in ("/source?bytes=x", "/source?chunk=0", "/slow?rate=0", "/informational?n=x", "/reset/CANCEL?after=-1"):
            self.assertEqual(self.events(path)[1]["status"], 400, path)

    def test_head_has_no_body_anywhere(self):
        for path in ("/echo", "/source", "/slow?rate=1", "/headers", "/nothing"):
            with self.subTest(path):
                events = self.events(path, "-X", "HEAD")
                self.assertEqual(kinds(events), ["open", "response", "done"])


class Serving(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def path(self, name):
        return os.path.join(self.scratch.name, name)

    def serve(self, *options, **more):
        server = Server(*options, **more)
        self.addCleanup(server.kill)
        return server

    @unittest.skipIf(is_sanitized(), "it measures memory")
    def test_a_fast_slow_holds_little(self):
        server = self.serve("--http")
        self.assertEqual(len(run("open", server.url + "/slow?rate=1G&bytes=10").stdout), 10)
        with open(f"/proc/{server.process.pid}/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        self.assertLess(peak, 32 << 10)

    def test_the_certificate_is_there_when_the_server_says_that_it_listens(self):
        server = self.serve("--write-cert", self.path("cert.pem"))
        self.assertRegex(server.hello, r"^listening on https://127\.0\.0\.1:\d+\n$")
        with open(self.path("cert.pem")) as file:
            pem = file.read()
        self.assertTrue(pem.startswith("-----BEGIN CERTIFICATE-----"))
        self.assertNotIn("KEY", pem)
        for host in ("localhost", "127.0.0.1"):
            done = run("open", "--cacert", self.path("cert.pem"), f"https://{host}:{server.port}/echo", stdin=b"x")
            self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)

    def test_two_servers_have_two_certificates(self):
        self.serve("--write-cert", self.path("one.pem"))
        other = self.serve("--write-cert", self.path("two.pem"))
        self.assertEqual(run("open", "--cacert", self.path("one.pem"), other.url + "/echo").returncode, 60)

    def make_certificate(self, name, subject, *options):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.path(name + ".key"), "-out", self.path(name), "-days", "2", "-subj", subject,
                        *options], check=True, capture_output=True, timeout=STEP)
        return self.path(name), self.path(name + ".key")

    def test_a_certificate_from_files(self):
        cert, key = self.make_certificate("server", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        server = self.serve("--cert", cert, "--key", key)
        done = run("open", "-v", "--cacert", cert, server.url + "/echo", stdin=b"x")
        self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)

    def test_an_encrypted_key_needs_pass_and_nobody_is_asked(self):
        cert, key = self.make_certificate("server", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        locked = self.path("locked")
        subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:secret"], check=True,
                       capture_output=True, timeout=STEP)
        done = run("serve", "--listen", "127.0.0.1:0", "--cert", cert, "--key", locked)
        self.assertEqual(done.returncode, 35, done.stderr)
        self.assertIn(f"--key {locked} cannot be used: it is encrypted, and there is no --pass".encode(), done.stderr)
        done = run("serve", "--listen", "127.0.0.1:0", "--cert", cert, "--key", locked, "--pass", "wrong")
        self.assertEqual(done.returncode, 35, done.stderr)
        self.assertIn(f"--key {locked} cannot be used: --pass is not its password".encode(), done.stderr)
        for options in (("--cert", cert, "--pass", "secret"), ("--cert", cert, "--pass=secret"),
                        ("--cert", cert + ":secret"), (f"--cert={cert}:secret", "--pass", "another")):
            with self.subTest(options=options):
                server = self.serve(*options, "--key", locked)
                done = run("open", "--cacert", cert, server.url + "/echo", stdin=b"x")
                self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)
                with open(f"/proc/{server.process.pid}/cmdline", "rb") as seen:
                    line = seen.read()
                self.assertNotIn(b"secret", line)
                self.assertIn(cert.encode(), line)

    def test_a_certificate_and_its_key_from_one_file(self):
        cert, key = self.make_certificate("server", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        packed = self.path("packed")
        subprocess.run(["openssl", "pkcs12", "-export", "-in", cert, "-inkey", key, "-out", packed, "-passout",
                        "pass:secret"], check=True, capture_output=True, timeout=STEP)
        server = self.serve("--cert", packed, "--pass", "secret")
        done = run("open", "--cacert", cert, server.url + "/echo", stdin=b"x")
        self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)

    def test_mutual_tls(self):
        cert, key = self.make_certificate("client", "/CN=someone")
        server = self.serve("--client-ca", cert, "--write-cert", self.path("cert.pem"))
        trust = ("--cacert", self.path("cert.pem"))
        done = run("open", *trust, "--cert", cert, "--key", key, server.url + "/echo", stdin=b"x")
        self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)
        self.assertIn(run("open", *trust, server.url + "/echo").returncode, (35, 56))

    def test_several_threads_serve_many_clients(self):
        server = self.serve("--http", "--threads", "4")
        body = os.urandom(200_000)
        results = []

        def client():
            results.append(run("open", server.url + "/echo", stdin=body).stdout == body)

        clients = [threading.Thread(target=client) for _ in range(8)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        self.assertEqual(results, [True] * 8)
        self.assertEqual(server.stop(), 0)

    def test_the_log_has_a_line_for_each_request(self):
        server = self.serve("--http", "--json")
        run("open", server.url + "/echo?x", stdin=b"12345")
        line = json.loads(server.process.stdout.readline())
        for name, value in {"event": "request", "method": "POST", "path": "/echo?x", "status": 200, "received": 5,
                            "sent": 5}.items():
            self.assertEqual(line[name], value)
        self.assertNotIn("error", line)
        run("open", "-m", "300ms", server.url + "/hang")
        self.assertEqual(json.loads(server.process.stdout.readline())["path"], "/hang")

    def test_requests_that_were_answered_are_no_errors_in_the_log(self):
        server = self.serve("--http", "--json")
        for path in ("/echo", "/sink", "/source?bytes=1000", "/status/404", "/trailers-only", "/informational",
                     "/goaway", "/slow?rate=1000&bytes=10", "/headers", "/stats", "/nothing"):
            with self.subTest(path):
                run("open", server.url + path, stdin=b"12345")
                line = json.loads(server.process.stdout.readline())
                self.assertEqual(line["path"], path)
                self.assertNotIn("error", line)

    def test_a_log_that_nobody_reads_does_not_end_the_server(self):
        server = self.serve("--http", "--json")
        server.process.stdout.close()  # the reading end of the log
        for _ in range(3):
            self.assertEqual(run("open", server.url + "/echo", stdin=b"x").stdout, b"x")
        self.assertEqual(server.stop(), 0)

    def test_a_log_that_is_read_late_holds_nobody_up(self):
        server = self.serve("--http", "--json")
        requests = 250  # whose lines are more than a pipe and twice the arrears
        done = run("bench", "--mode", "download", "-n", str(requests), server.url + "/headers?" + "x" * 10_000)
        self.assertEqual(done.returncode, 0, done.stderr)
        events = queue.Queue()
        reader = threading.Thread(target=lambda: [events.put(json.loads(line)) for line in server.process.stdout])
        reader.start()
        self.addCleanup(reader.join)
        self.addCleanup(server.stop)
        asked, lines, lost = 0, 0, 0
        while True:  # until there is room for the line of a request again
            run("open", server.url + "/last")
            asked += 1
            with contextlib.suppress(queue.Empty):
                while (event := events.get(timeout=0.2)).get("path") != "/last":
                    lines += event["event"] == "request"
                    lost += event.get("lines", 0)
                break
        self.assertGreater(lost, 0)
        self.assertIn(lines + lost, range(requests, requests + asked))

    def test_a_thread_that_cannot_be_made_ends_it(self):
        if is_sanitized():
            self.skipTest("a sanitizer takes more memory than there is then")
        out = run("serve", "--http", "--listen", "127.0.0.1:0", "--threads", "20", preexec_fn=leave_room_for_few_threads)
        self.assertEqual(out.returncode, 2, out.stderr)
        self.assertIn(b"duplex: (2) --threads: no thread could be made: ", out.stderr)

    def test_an_idle_server_stops_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve("--http", "--grace", "60s")
            server.process.send_signal(number)
            self.assertEqual(server.process.wait(STEP), 0)

    def test_sigterm_lets_a_running_stream_finish(self):
        server = self.serve("--http", "--grace", "60s")
        talk = Talk(server.url + "/echo")
        self.addCleanup(talk.kill)
        talk.event()
        talk.tell("recv")
        self.assertEqual(talk.event()["status"], 200)
        server.process.terminate()
        # A new connection is refused as soon as it drains; the old one goes on.
        deadline = time.monotonic() + STEP
        while run("open", "-s", server.url + "/sink").returncode != 7:
            self.assertLess(time.monotonic(), deadline)
        talk.tell("send still here")
        talk.tell("recv")
        self.assertEqual(talk.event()["text"], "still here")
        talk.tell("fin")
        talk.tell("recv 2")
        self.assertEqual([talk.event()["event"], talk.event()["event"]], ["trailers", "done"])
        self.assertEqual(talk.end(), 0)
        self.assertEqual(server.process.wait(STEP), 0)

    def test_after_the_grace_what_still_runs_is_ended(self):
        server = self.serve("--http", "--grace", "200ms")
        talk = Talk(server.url + "/hang")
        self.addCleanup(talk.kill)
        talk.event()
        talk.tell("ping")
        talk.event()
        talk.tell("recv")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(talk.event()["event"], "error")

    def test_the_second_signal_ends_at_once(self):
        server = self.serve("--http", "--grace", "60s")
        talk = Talk(server.url + "/hang")
        self.addCleanup(talk.kill)
        talk.event()
        talk.tell("ping")
        talk.event()
        server.process.terminate()
        deadline = time.monotonic() + STEP
        while run("open", "-s", server.url + "/sink").returncode != 7:  # until the first was heard
            self.assertLess(time.monotonic(), deadline)
        server.process.terminate()
        self.assertEqual(server.process.wait(STEP), 143)

    def test_usage(self):
        for options in (("--listen", "nowhere"), ("--listen", "127.0.0.1:99999"), ("--pass", "x"), ("--threads", "0"),
                        ("--http", "--write-cert", "x"), ("--grace", "soon"), ("url",), ("--max-connections", "-1")):
            with self.subTest(options):
                self.assertEqual(run("serve", *options).returncode, 2)

    def test_what_keeps_it_from_listening(self):
        server = self.serve("--http")
        taken = run("serve", "--http", "--listen", f"127.0.0.1:{server.port}")
        self.assertEqual(taken.returncode, 7)
        self.assertIn(b"in use", taken.stderr)
        self.assertEqual(run("serve", "--listen", "127.0.0.1:0", "--write-cert", "/nonexistent/x").returncode, 23)
        missing = run("serve", "--listen", "127.0.0.1:0", "--cert", "/nonexistent/c", "--key", "/nonexistent/k")
        self.assertIn(missing.returncode, (2, 35))
        self.assertIn(b"/nonexistent/", missing.stderr)
        no_address = run("serve", "--listen", "999.1.1.1:0")
        self.assertEqual(no_address.returncode, 2)
        self.assertTrue(no_address.stderr.endswith(b'"999.1.1.1" is no IP address\n'), no_address.stderr)

    def test_listen_takes_the_name_of_this_host(self):
        process = start("serve", "--http", "--listen", "localhost:0", stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertRegex(process.stdout.readline(), rb"^listening on http://127\.0\.0\.1:\d+\n$")

    def test_limits_are_kept(self):
        server = self.serve("--http", "--max-header-bytes", "1K")
        fields = [part for i in range(40) for part in ("-H", f"x-{i}: {'y' * 40}")]
        self.assertNotEqual(run("open", *fields, server.url + "/echo").returncode, 0)
        self.assertEqual(run("open", server.url + "/echo").returncode, 0)


if __name__ == "__main__":
    unittest.main()
