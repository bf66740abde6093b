#!/usr/bin/env python3
"""A terminal, Ctrl-C, and readers and writers that leave."""
import os
import pty
import select
import signal
import socket
import subprocess
import termios
import threading
import time
import unittest

from support import DUPLEX, SETTINGS, STEP, Peer, ServedTestCase, read_request, run, start

ACK = 1


class Terminal(ServedTestCase):
    def open_on_terminal(self, *arguments):
        """`duplex open` with a terminal of its own, which does not show what is typed."""
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.execv(DUPLEX, [DUPLEX, "open", *arguments])
            finally:
                os._exit(1)
        modes = termios.tcgetattr(master)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(master, termios.TCSANOW, modes)
        self.master = master
        self.pid = pid
        self.addCleanup(os.close, master)
        self.addCleanup(self.end)

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def wait(self):
        """What else the terminal shows, and the exit status."""
        shown = b""
        while select.select([self.master], [], [], STEP)[0]:
            try:
                shown += os.read(self.master, 65536)
            except OSError:  # nobody has it open any more
                _, status = os.waitpid(self.pid, 0)
                self.pid = 0
                return shown, os.waitstatus_to_exitcode(status)
        self.fail("it does not end")

    def read(self, size):
        got = b""
        while len(got) < size:
            self.assertTrue(select.select([self.master], [], [], STEP)[0], f"only {got!r} came")
            got += os.read(self.master, size - len(got))
        return got

    def test_a_line_comes_back_while_the_input_stays_open(self):
        self.open_on_terminal(self.plain.url + "/echo")
        for line in (b"first", b"second"):
            os.write(self.master, line + b"\n")
            self.assertEqual(self.read(len(line) + 2), line + b"\r\n")
        # The flag would stay with the terminal, for whoever shares it.
        with open(f"/proc/{self.pid}/fdinfo/0") as info:
            flags = next(line for line in info if line.startswith("flags"))
        self.assertEqual(int(flags.split()[1], 8) & os.O_NONBLOCK, 0)
        os.write(self.master, b"\x04")  # Ctrl-D
        self.assertEqual(self.wait(), (b"", 0))

    def test_ctrl_c(self):
        self.open_on_terminal(self.plain.url + "/echo")
        os.write(self.master, b"x\n")
        self.read(3)
        os.write(self.master, b"\x03")
        self.assertEqual(self.wait()[1], 130)

    def test_when_the_peer_is_done_nobody_waits_for_a_line(self):
        self.open_on_terminal(self.plain.url + "/source?bytes=3")
        self.assertEqual(self.wait(), (b"abc", 0))

    def test_a_script_by_hand(self):
        self.open_on_terminal("--script", "-", self.plain.url + "/echo")
        os.write(self.master, b"send hello\nrecv 2\n")
        self.assertEqual(self.read(5), b"hello")
        os.write(self.master, b"close\n")
        self.assertEqual(self.wait(), (b"", 0))


class Ends(ServedTestCase):
    def start(self, *arguments, **more):
        client = start("open", *arguments, **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
                                              "stderr": subprocess.PIPE, **more})
        self.addCleanup(self.kill, client)
        return client

    def kill(self, client):
        if client.poll() is None:
            client.kill()
            client.wait()
        for end in (client.stdin, client.stdout, client.stderr):
            if end:
                end.close()

    def test_a_reader_that_leaves_ends_it_quietly(self):
        client = self.start(self.plain.url + "/source?bytes=infinity")
        client.stdout.read(1)
        client.stdout.close()
        self.assertEqual(client.wait(STEP), 23)
        self.assertEqual(client.stderr.read(), b"")

    def test_head_in_a_pipeline(self):
        done = subprocess.run(["sh", "-c", '"$0" open "$1" </dev/null | head -c 1', DUPLEX,
                               self.plain.url + "/source?bytes=infinity"], capture_output=True, timeout=STEP)
        self.assertEqual((done.stdout, done.stderr), (b"a", b""))

    def test_signals_end_it_with_their_number(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                client = self.start(self.plain.url + "/echo")
                client.stdin.write(b"x\n")
                client.stdin.flush()
                self.assertEqual(client.stdout.readline(), b"x\n")
                client.send_signal(number)
                self.assertEqual(client.wait(STEP), 128 + number)
                self.assertEqual(client.stderr.read(), b"")

    def test_sigint_while_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            client = self.start("--connect-timeout", "1h", f"https://127.0.0.1:{silent.getsockname()[1]}/")
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                client.send_signal(signal.SIGINT)
                self.assertEqual(client.wait(STEP), 130)

    def test_sigint_while_the_output_is_full(self):
        client = self.start(self.plain.url + "/source?bytes=infinity", stdin=subprocess.DEVNULL)
        client.stdout.read(1)
        client.send_signal(signal.SIGINT)
        self.assertEqual(client.wait(STEP), 130)

    def test_an_ignored_signal_stays_ignored(self):
        client = self.start(self.plain.url + "/echo",
                            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        client.stdin.write(b"x\n")
        client.stdin.flush()
        client.stdout.readline()
        client.send_signal(signal.SIGHUP)
        out, _ = client.communicate(b"still here\n", STEP)
        self.assertEqual((client.returncode, out), (0, b"still here\n"))

    def test_the_peer_hears_of_ctrl_c(self):
        seen = []
        ready = threading.Event()

        def behave(connection):
            # A client that has not read everything would end with a TCP reset, which overtakes what it sends.
            read_request(connection, until=(SETTINGS, ACK))
            ready.set()
            while more := connection.recv(65536):
                seen.append(more)

        with Peer(behave) as peer:
            client = self.start(f"http://127.0.0.1:{peer.port}/")
            self.assertTrue(ready.wait(STEP))
            client.send_signal(signal.SIGINT)
            self.assertEqual(client.wait(STEP), 130)
        self.assertIn(b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08", b"".join(seen))  # RST_STREAM(CANCEL)

    def test_the_end_of_the_input_is_the_end_of_the_body(self):
        client = self.start(self.plain.url + "/sink")
        client.stdin.write(b"12345")
        client.stdin.close()
        self.assertEqual(client.stdout.read(), b"5\n")
        self.assertEqual(client.wait(STEP), 0)


if __name__ == "__main__":
    unittest.main()
