#!/usr/bin/env python3
"""Much data: nothing lost, nothing piled up, and each side waits for the other."""
import contextlib
import hashlib
import json
import os
import select
import subprocess
import threading
import time
import unittest

from support import DATA, OK_HEAD, STEP, Peer, ServedTestCase, frame, is_sanitized, read_request, run, start

MEGABYTE = 1 << 20
END_STREAM = 1


class Transfer(ServedTestCase):
    def start(self, *arguments, **more):
        client = start("open", *arguments, **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **more})
        self.addCleanup(self.kill, client)
        return client

    def kill(self, client):
        if client.poll() is None:
            client.kill()
            client.wait()
        for end in (client.stdin, client.stdout):
            if end:
                end.close()

    def echo(self, size, *options, server=None):
        """Sends random bytes and compares what comes back; returns the client's largest memory in bytes."""
        client = self.start(*options, (server or self.plain).url + "/echo")
        sent = hashlib.sha256()

        def feed():
            for _ in range(size // MEGABYTE):
                piece = os.urandom(MEGABYTE)
                sent.update(piece)
                client.stdin.write(piece)
            client.stdin.close()

        feeder = threading.Thread(target=feed)
        feeder.start()
        got = hashlib.sha256()
        count = 0
        while piece := client.stdout.read(MEGABYTE):
            got.update(piece)
            count += len(piece)
        feeder.join()
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual((client.returncode, count), (0, size))
        self.assertEqual(got.digest(), sent.digest())
        return usage.ru_maxrss * 1024

    def test_20_mb_both_ways_raw(self):
        self.echo(20 * MEGABYTE, "--input", "raw")

    def test_20_mb_both_ways_by_lines(self):
        self.echo(20 * MEGABYTE)

    def test_20_mb_both_ways_over_tls(self):
        self.echo(20 * MEGABYTE, "--cacert", self.cert, "--input", "raw", server=self.tls)

    def test_small_windows(self):
        self.echo(2 * MEGABYTE, "--window-size", "20000", "--connection-window-size", "65535", "--input", "raw")

    @unittest.skipIf(is_sanitized(), "sanitizers keep what is freed")
    def test_memory_does_not_grow_with_what_is_moved(self):
        self.assertLess(self.echo(100 * MEGABYTE, "--input", "raw"), 48 * MEGABYTE)

    def test_the_input_is_not_read_faster_than_the_peer_takes_it(self):
        # /slow never reads: the window fills, and then the pipe.
        client = self.start("--input", "raw", "--send-timeout", "1h", self.plain.url + "/slow?rate=1&bytes=infinity")
        os.set_blocking(client.stdin.fileno(), False)
        client.stdout.read(1)  # it is under way
        accepted = 0
        while select.select([], [client.stdin], [], 2)[1]:
            accepted += os.write(client.stdin.fileno(), bytes(65536))
            self.assertLess(accepted, 8 * MEGABYTE)
        self.assertGreater(accepted, MEGABYTE // 16)

    def test_a_reader_that_waits_stops_the_peer(self):
        def sent():
            return json.loads(run("open", "-X", "GET", self.plain.url + "/stats").stdout)["bytes"]["sent"]

        before = sent()
        client = self.start(self.plain.url + "/source?bytes=infinity", stdin=subprocess.DEVNULL)
        client.stdout.read(1)
        deadline = time.monotonic() + STEP
        # What /stats itself sends is a few hundred bytes each time.
        last, steady = sent(), 0
        while steady < 10:
            self.assertLess(time.monotonic(), deadline)
            self.assertLess(last - before, 8 * MEGABYTE)
            now = sent()
            steady = steady + 1 if now - last < 1000 else 0
            last = now

    def test_an_early_answer_does_not_cut_off_the_input(self):
        got = []

        def behave(connection):
            read_request(connection)
            connection.sendall(OK_HEAD + frame(DATA, END_STREAM, 1, b"early"))
            while more := connection.recv(65536):
                got.append(more)

        with Peer(behave) as peer:
            client = self.start("--input", "raw", f"http://127.0.0.1:{peer.port}/")
            self.assertEqual(client.stdout.read(5), b"early")
            client.stdin.write(b"late")
            client.stdin.close()
            self.assertEqual(client.wait(STEP), 0)
        self.assertIn(frame(DATA, 0, 1, b"late"), b"".join(got))

    def test_a_peer_that_has_answered_may_stop_the_input(self):
        # The server ends with RST_STREAM(NO_ERROR) when it has answered without reading all (RFC 9113, section 8.1).
        client = self.start("--input", "raw", self.plain.url + "/source?bytes=5")
        self.assertEqual(client.stdout.read(5), b"abcde")
        with contextlib.suppress(BrokenPipeError):
            for _ in range(100):
                client.stdin.write(bytes(65536))
            client.stdin.close()
        self.assertEqual(client.wait(STEP), 0)


if __name__ == "__main__":
    unittest.main()
