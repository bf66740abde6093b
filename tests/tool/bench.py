#!/usr/bin/env python3
"""`duplex bench`: every mode, what it counts, when it ends and how."""
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import time
import unittest

from support import (DUPLEX, GOAWAY, SETTINGS, STEP, Peer, Server, ServedTestCase, closed_port, drain, frame,
                     is_sanitized, leave_room_for_few_threads, run, start)

PING, ACK = 6, 1
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


class BenchTestCase(ServedTestCase):
    def bench(self, *options, url=None, status=0):
        done = run("bench", "--json", *options, url or self.plain.url)
        self.stderr = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, self.stderr)
        result = json.loads(done.stdout)
        self.assertEqual(result["event"], "bench")
        return result

    def is_sane(self, result, messages):
        self.assertEqual((result["messages"], result["errors"]), (messages, {}), result)
        latencies = [result["latency_us"][name] for name in PERCENTILES]
        self.assertEqual(latencies, sorted(latencies))
        self.assertGreater(latencies[0], 0)
        self.assertLessEqual(result["latency_us"]["mean"], latencies[-1])
        self.assertGreater(result["messages_per_second"], 0)
        self.assertGreater(result["cpu_us_per_message"], 0)


class Modes(BenchTestCase):
    def test_ping_pong_is_the_mode_and_echo_the_path(self):
        result = self.bench("-n", "200")
        self.is_sane(result, 200)
        self.assertEqual((result["mode"], result["size"], result["url"]), ("ping-pong", 16, self.plain.url + "/echo"))
        self.assertEqual(result["bytes"], {"sent": 3200, "received": 3200})

    def test_echo(self):
        result = self.bench("--mode", "echo", "--size", "10000", "-n", "300")
        self.is_sane(result, 300)
        self.assertEqual(result["bytes"], {"sent": 3_000_000, "received": 3_000_000})

    def test_upload(self):
        result = self.bench("--mode", "upload", "--size", "4K", "-n", "500")
        self.is_sane(result, 500)
        self.assertEqual(result["bytes"]["sent"], 500 * 4096)
        self.assertGreater(result["mb_per_second"]["sent"], 0)

    def test_download(self):
        result = self.bench("--mode", "download", "--size", "100K", "-n", "20")
        self.is_sane(result, 20)
        self.assertEqual(result["bytes"], {"sent": 0, "received": 20 * 102_400})

    def test_open(self):
        before = self.opened()
        self.is_sane(self.bench("--mode", "open", "-n", "100"), 100)
        self.assertEqual(self.opened() - before, 101)  # one of them asked

    def test_idle(self):
        result = self.bench("--mode", "idle", "--streams", "50", "-d", "1s")  # in which all have to be answered
        self.assertEqual((result["messages"], result["errors"]), (50, {}))

    def opened(self):
        return json.loads(self.open("/stats"))["streams"]["opened"]

    def test_over_tls(self):
        self.is_sane(self.bench("--cacert", self.cert, "-n", "100", url=self.tls.url), 100)

    def test_many_streams_on_many_connections_of_several_threads(self):
        for mode in ("ping-pong", "echo", "upload", "open"):
            with self.subTest(mode):
                self.is_sane(self.bench("--mode", mode, "-c", "5", "--streams", "20", "--threads", "2", "--size", "100",
                                        "-n", "2000"), 2000)

    def test_a_message_larger_than_every_window(self):
        self.is_sane(self.bench("--size", "3M", "--window-size", "100K", "-n", "3"), 3)

    def test_fewer_messages_than_streams(self):
        self.is_sane(self.bench("--streams", "50", "-n", "3"), 3)

    def test_the_path_of_the_url_is_used(self):
        result = self.bench("-H", "content-type: application/grpc", "-n", "10", url=self.plain.url + "/pkg.Service/Echo")
        self.is_sane(result, 10)

    def test_the_size_of_a_download_from_a_path_of_ones_own_is_what_came(self):
        result = self.bench("--mode", "download", "-n", "10", url=self.plain.url + "/source?bytes=1234")
        self.is_sane(result, 10)
        self.assertEqual(result["size"], 1234)
        done = run("bench", "--mode", "download", "--size", "10", self.plain.url + "/source?bytes=1234")
        self.assertEqual(done.returncode, 2)

    def test_streams_that_never_have_a_place_are_told(self):
        server = Server("--http", "--max-concurrent-streams", "10")
        self.addCleanup(server.kill)
        result = self.bench("--streams", "25", "-d", "1s", url=server.url)
        self.is_sane(result, result["messages"])
        self.assertEqual(result["never_opened"], 15)
        self.assertEqual(self.bench("--streams", "10", "-d", "1s", url=server.url)["never_opened"], 0)
        done = run("bench", "--streams", "11", "-d", "1s", server.url)
        self.assertIn(b"  waiting   1 stream never had a place: the peer allows no more\n", done.stdout)

    def test_as_text(self):
        done = run("bench", "-n", "20", self.plain.url)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        for word in (b"20 in ", b"p50 ", b"p99.9 ", b"MB/s", b"us a message", b"errors    none"):
            self.assertIn(word, done.stdout)

    def test_a_thousand_streams_on_one_connection(self):
        server = Server("--http", "--max-concurrent-streams", "1000")
        self.addCleanup(server.kill)
        messages = 5_000 if is_sanitized() else 50_000
        self.is_sane(self.bench("--streams", "1000", "-n", str(messages), url=server.url), messages)


class Ends(BenchTestCase):
    def test_the_duration(self):
        began = time.monotonic()
        result = self.bench("-d", "500ms")
        self.assertLess(time.monotonic() - began, 10)
        self.assertGreaterEqual(result["seconds"], 0.5)
        self.is_sane(result, result["messages"])

    def test_the_duration_ends_a_message_that_never_comes_back(self):
        result = self.bench("-d", "1s", url=self.plain.url + "/hang", status=28)
        self.assertEqual((result["messages"], result["errors"]), (0, {}))
        self.assertEqual(self.stderr, "duplex: (28) no message was complete within --duration\n")

    def test_the_duration_bounds_the_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began = time.monotonic()
            self.bench("-d", "300ms", "--connect-timeout", "1h", url=f"https://127.0.0.1:{silent.getsockname()[1]}/",
                       status=28)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.stderr, "duplex: (28) connecting took longer than --duration\n")

    def test_a_thread_that_cannot_be_made_ends_it(self):
        if is_sanitized():
            self.skipTest("a sanitizer takes more memory than there is then")
        out = run("bench", "--threads", "20", "-c", "20", "-n", "200", f"http://127.0.0.1:{self.plain.port}",
                  preexec_fn=leave_room_for_few_threads)
        self.assertEqual(out.returncode, 2, out.stderr)
        self.assertIn(b"duplex: (2) --threads: no thread could be made: ", out.stderr)

    def test_what_comes_first_of_duration_and_messages(self):
        self.is_sane(self.bench("-d", "1h", "-n", "10"), 10)

    def test_the_warm_up_is_not_counted(self):
        began = time.monotonic()
        self.is_sane(self.bench("--warmup", "400ms", "-n", "50"), 50)
        self.assertGreaterEqual(time.monotonic() - began, 0.4)

    def start(self, *options, **more):
        client = start("bench", *options, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})
        self.addCleanup(client.stderr.close)
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        return client

    def test_ctrl_c_ends_it_and_prints_what_was_measured(self):
        before = self.sent()
        client = self.start("--json", "-d", "1h", self.plain.url)
        deadline = time.monotonic() + STEP
        while self.sent() == before:  # until there is something to print
            self.assertLess(time.monotonic(), deadline)
        client.send_signal(signal.SIGINT)
        out, err = client.communicate(timeout=STEP)
        self.assertEqual((client.returncode, err), (130, b""))
        result = json.loads(out)
        self.is_sane(result, result["messages"])

    def sent(self):
        return json.loads(self.open("/stats"))["bytes"]["received"]

    def test_ctrl_c_while_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            client = self.start("--connect-timeout", "1h", f"https://127.0.0.1:{silent.getsockname()[1]}/")
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(STEP), 130)

    def test_progress_on_a_terminal_is_erased(self):
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.execv(DUPLEX, [DUPLEX, "bench", "-d", "1500ms", self.plain.url])
            finally:
                os._exit(1)
        self.addCleanup(os.close, master)
        shown = b""
        while select.select([master], [], [], STEP)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # it has ended
                break
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        self.assertRegex(shown, rb"\r\x1b\[K1 s, \d+ messages, \d+/s, 0 errors\r\x1b\[Kping-pong, ")


class Errors(BenchTestCase):
    def test_a_port_that_is_closed(self):
        with closed_port() as port:
            result = self.bench("-c", "2", "-n", "10", url=f"http://127.0.0.1:{port}", status=7)
        self.assertEqual((result["messages"], result["errors"]), (0, {"connect_failed": 2}))
        self.assertIn("duplex: (7) ", self.stderr)

    def test_a_request_that_is_refused_here_is_not_tried_again(self):
        for bad in (("-H", "connection: x"), ("-X", "B D")):
            result = self.bench("-d", "20s", *bad, status=2)
            self.assertIsNotNone(result)

    def test_streams_that_are_reset_are_counted(self):
        result = self.bench("-n", "10", url=self.plain.url + "/reset/CANCEL", status=92)
        self.assertEqual((result["messages"], result["errors"]), (0, {"stream_reset": 10}))

    def test_a_status_of_400_or_above(self):
        for mode in ("ping-pong", "open", "download"):
            result = self.bench("--mode", mode, "-n", "5", url=self.plain.url + "/status/503", status=22)
            self.assertEqual(result["errors"], {"status_503": 5})

    def test_a_server_that_ends_early(self):
        result = self.bench("-n", "5", "--size", "100K", url=self.plain.url + "/source?bytes=3", status=92)
        self.assertEqual((result["messages"], result["errors"]), (0, {"ended_early": 5}))

    def test_a_lost_connection_ends_its_streams(self):
        def behave(connection):
            connection.sendall(frame(SETTINGS))
            seen, ping = b"", b"\0\0\x08\x06\0\0\0\0\0"
            while len(seen.partition(ping)[2]) < 8:
                seen += connection.recv(65536)
            connection.sendall(frame(PING, ACK, body=seen.partition(ping)[2][:8]))
            connection.recv(65536)  # HEADERS
            connection.sendall(frame(GOAWAY, body=struct.pack(">II", 0, 11)))  # ENHANCE_YOUR_CALM
            connection.shutdown(socket.SHUT_WR)

        with Peer(behave) as peer:
            result = self.bench("--streams", "5", "-d", "1h", url=f"http://127.0.0.1:{peer.port}/", status=92)
        self.assertEqual(result["messages"], 0)
        self.assertEqual(sum(result["errors"].values()), 5)

    def test_a_peer_that_says_nothing(self):
        with Peer(drain) as peer:
            result = self.bench("--connect-timeout", "300ms", url=f"http://127.0.0.1:{peer.port}/", status=28)
        self.assertEqual(result["errors"], {"timeout": 1})

    def test_the_certificate_is_verified(self):
        result = self.bench("-n", "1", url=self.tls.url, status=60)
        self.assertEqual(result["errors"], {"certificate_invalid": 1})

    def test_usage(self):
        for options in (("--mode", "dance"), ("-n", "0"), ("-c", "0"), ("--streams", "x"), ("-d", "soon"),
                        ("--threads", "0"), ("--size", "0"), ("--size", "2G"), ("--mode", "idle", "-n", "1")):
            with self.subTest(options):
                self.assertEqual(run("bench", *options, self.plain.url).returncode, 2)
        self.assertEqual(run("bench").returncode, 2)
        self.assertEqual(run("bench", "ftp://localhost/").returncode, 3)
        self.assertEqual(run("bench", "--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
