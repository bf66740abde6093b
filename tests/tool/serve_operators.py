#!/usr/bin/env python3
"""`duplex serve` for those who run it: listeners, certificates, signals, metrics and logs."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from support import DUPLEX, STEP, Server, is_sanitized, run, start


class Operators(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def path(self, name):
        return os.path.join(self.scratch.name, name)

    def serve(self, *options, cert=None):
        server = Server(*options, cert=cert)
        self.addCleanup(server.kill)
        return server

    def write_certificate(self, name):
        """A certificate for `name` and its key: two paths."""
        cert, key = self.path(name + ".pem"), self.path(name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name, "-days", "2", "-keyout", key,
                        "-out", cert], check=True, capture_output=True)
        return cert, key

    def body(self, server, path, *options):
        done = run("open", *options, server.url + path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    # Listening

    def test_several_listeners_are_told_one_a_line(self):
        path = self.path("x.sock")
        server = self.serve("--http", "--listen", "[::1]:0", "--listen", f"unix:{path},mode=660")
        lines = [server.hello, server.process.stdout.readline(), server.process.stdout.readline()]
        self.assertRegex(lines[0], r"^listening on http://127\.0\.0\.1:\d+$")
        self.assertRegex(lines[1], r"^listening on http://\[::1\]:\d+$")
        self.assertEqual(lines[2], f"listening on unix:{path}\n")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
        self.assertEqual(run("open", lines[1].split()[2] + "/sink", stdin=b"1").stdout, b"1\n")
        self.assertEqual(run("open", "--unix-socket", path, "http://localhost/sink", stdin=b"12").stdout, b"2\n")
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_socket_that_systemd_passes(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            # As systemd does it: the descriptor is 3, and the variables are for that process alone.
            code = ("import os,sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', "
                    "LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])")
            process = subprocess.Popen([sys.executable, "-c", code, str(listener.fileno()), DUPLEX, "serve", "--http",
                                        "--listen", "systemd"],
                                       stdout=subprocess.PIPE, pass_fds=(listener.fileno(),), text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), f"listening on http://127.0.0.1:{port}\n")
        self.assertEqual(run("open", f"http://127.0.0.1:{port}/sink", stdin=b"123").stdout, b"3\n")

    def test_systemd_that_has_passed_nothing_is_told(self):
        done = run("serve", "--http", "--listen", "systemd", env={})
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"LISTEN_FDS", done.stderr)

    def test_a_descriptor_that_is_open(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = start("serve", "--http", "--listen", f"fd:{listener.fileno()}", stdout=subprocess.PIPE,
                            pass_fds=(listener.fileno(),), text=True)
            port = listener.getsockname()[1]
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), f"listening on http://127.0.0.1:{port}\n")

    def test_processes_share_a_port_if_they_say_so(self):
        server = self.serve("--http", "--reuse-port")
        again = start("serve", "--http", "--reuse-port", "--listen", f"127.0.0.1:{server.port}",
                      stdout=subprocess.PIPE, text=True)
        self.addCleanup(again.stdout.close)
        self.addCleanup(again.wait)
        self.addCleanup(again.kill)
        self.assertEqual(again.stdout.readline(), f"listening on http://127.0.0.1:{server.port}\n")

    def test_threads_have_loops_of_their_own(self):
        server = self.serve("--http", "--threads", "3")
        done = run("bench", "-c", "6", "--streams", "2", "-n", "300", server.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.stop(), 0)

    def test_usage(self):
        for options in (("--listen", "unix:"), ("--listen", "fd:x"), ("--cert", "a", "--cert", "b", "--key", "c"),
                        ("--admin", "metrics"), ("--json", "--access-log"), ("--client-cert-optional",),
                        ("--max-streams", "0"), ("--max-connections-per-address", "0")):
            with self.subTest(options):
                self.assertEqual(run("serve", "--listen", "127.0.0.1:0", *options).returncode, 2)

    # HTTP/1.1

    def test_http_1_1_gets_an_answer(self):
        server = self.serve("--http", "-v")
        with socket.create_connection(("127.0.0.1", server.port), STEP) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            heard = b""
            while more := client.recv(1000):
                heard += more
        self.assertTrue(heard.startswith(b"HTTP/1.1 505 HTTP Version Not Supported\r\n"), heard)
        self.assertIn("does not begin with the preface of HTTP/2", server.process.stderr.readline())

    # Certificates

    def test_certificates_are_chosen_by_name_and_read_again_at_sighup(self):
        first, first_key = self.write_certificate("first.example")
        second, second_key = self.write_certificate("second.example")
        server = self.serve("--cert", first, "--key", first_key, "--cert", second, "--key", second_key)

        def trusts(name, authority):
            return run("open", "--cacert", authority, "--connect-to", f"127.0.0.1:{server.port}",
                       f"https://{name}/sink", stdin=b"1").returncode

        self.assertEqual(trusts("first.example", first), 0)
        self.assertEqual(trusts("second.example", second), 0)
        self.assertEqual(trusts("second.example", first), 60)

        old = self.path("old.pem")
        with open(second, "rb") as source, open(old, "wb") as copy:
            copy.write(source.read())
        self.write_certificate("second.example")  # another one, in its place
        server.process.send_signal(signal.SIGHUP)
        self.assertIn("were read again", server.process.stderr.readline())
        self.assertEqual(trusts("second.example", second), 0)
        self.assertEqual(trusts("second.example", old), 60)

        with open(second, "w") as broken:
            broken.write("nothing of use")
        self.assertEqual(trusts("second.example", second), 35)  # it is no authority for the client either
        server.process.send_signal(signal.SIGHUP)
        complaint = server.process.stderr.readline()
        self.assertIn("stay as they are", complaint)
        self.assertIn(f": --cert {second} cannot be used: ", complaint)
        self.assertNotIn("handshake", complaint)
        self.assertEqual(trusts("first.example", first), 0)
        self.assertEqual(server.stop(), 0)

    @unittest.skipIf(is_sanitized(), "it bounds memory")
    def test_certificates_that_there_is_no_memory_for_stay_as_they_are(self):
        cert, key = self.write_certificate("localhost")
        server = self.serve("--cert", cert, "--key", key)
        at = ("open", "--cacert", self.path("old.pem"), server.url + "/sink")
        os.rename(cert, self.path("old.pem"))
        with open(cert, "w") as hollow:
            hollow.truncate(1 << 30)
        with open(f"/proc/{server.process.pid}/status") as status:
            size = next(int(line.split()[1]) for line in status if line.startswith("VmSize:")) << 10
        unbounded = resource.prlimit(server.process.pid, resource.RLIMIT_AS, (size + (48 << 20), resource.RLIM_INFINITY))
        server.process.send_signal(signal.SIGHUP)
        self.assertIn("the certificates stay as they are: std::bad_alloc", server.process.stderr.readline())
        self.assertEqual(run(*at, stdin=b"1").stdout, b"1\n")
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, unbounded)
        os.replace(self.path("old.pem"), cert)
        server.process.send_signal(signal.SIGHUP)
        self.assertIn("were read again", server.process.stderr.readline())

    def test_client_certificates_may_be_optional(self):
        cert = self.path("cert.pem")
        authority, key = self.write_certificate("alice")
        server = self.serve("--client-ca", authority, "--client-cert-optional", cert=cert)
        self.assertEqual(run("open", "--cacert", cert, server.url + "/sink", stdin=b"1").stdout, b"1\n")
        self.assertEqual(run("open", "--cacert", cert, "--cert", authority, "--key", key, server.url + "/sink",
                             stdin=b"1").stdout, b"1\n")

    # Seen

    def test_metrics_and_health(self):
        server = self.serve("--http", "--admin", "/-")
        self.assertEqual(run("open", server.url + "/sink", stdin=b"12345").stdout, b"5\n")
        deadline = time.monotonic() + STEP
        while True:
            text = self.body(server, "/-/metrics")
            seen = dict(re.findall(r"^(duplex_\w+) (\d+)$", text, re.M))
            if int(seen["duplex_streams"]) == 1 and int(seen["duplex_requests_total"]) > 1:  # this one alone
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertGreaterEqual(int(seen["duplex_received_bytes_total"]), 5)
        self.assertEqual(self.body(server, "/-/healthz"), "ok\n")
        self.assertEqual(json.loads(run("open", "--json", server.url + "/-/x").stdout.splitlines()[1])["status"], 404)

    def test_metrics_are_nowhere_unless_they_are_asked_for(self):
        server = self.serve("--http")
        self.assertIn("nothing here", self.body(server, "/-/metrics"))

    def test_a_log_has_nothing_that_a_terminal_obeys(self):
        for path, text, value in ((b"/\x9b2J", r"/\x9b2J", "/\x9b2J"), (b"/\xc2\x9b2J", r"/\xc2\x9b2J", "/\x9b2J"),
                                  (b"/\xff", r"/\xff", "/\xff")):
            for mode in ("--access-log", "--json"):
                with self.subTest(path=path, mode=mode):
                    server = self.serve("--http", mode)
                    fields = b"".join(b"\x00" + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in (
                        (b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"x"), (b":path", path)))
                    with socket.create_connection(("127.0.0.1", server.port), STEP) as client:
                        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
                                       + len(fields).to_bytes(3, "big") + b"\x01\x05" + (1).to_bytes(4, "big") + fields)
                        line = server.process.stdout.readline()
                    self.assertFalse([c for c in line[:-1] if ord(c) < 32 or 127 <= ord(c) < 160], line)
                    if mode == "--json":
                        self.assertEqual(json.loads(line)["path"], value)
                    else:
                        self.assertIn(f" GET http://x{text} 404 ", line)

    # Leaving

    def test_a_drain_delay_tells_new_connections_that_it_drains(self):
        server = self.serve("--http", "--admin", "/-/", "--drain-delay", "60s")
        self.assertEqual(self.body(server, "/-/healthz"), "ok\n")
        server.process.terminate()
        deadline = time.monotonic() + STEP
        while (seen := self.body(server, "/-/healthz")) != "draining\n":
            self.assertEqual(seen, "ok\n")
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(self.body(server, "/sink"), "0\n")
        self.assertEqual(server.stop(), 0)  # the second signal ends the delay

    def test_a_drain_delay_ends(self):
        server = self.serve("--http", "--drain-delay", "1ms")
        self.assertEqual(server.stop(), 0)

    def test_an_extended_connect_is_taken_if_it_is_announced(self):
        server = self.serve("--http", "--extended-connect")
        with socket.create_connection(("127.0.0.1", server.port), STEP) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
            heard = b""
            while len(heard) < 9 or len(heard) < 9 + int.from_bytes(heard[:3], "big"):
                heard += client.recv(1000)
        self.assertIn(b"\x00\x08\x00\x00\x00\x01", heard)  # SETTINGS_ENABLE_CONNECT_PROTOCOL = 1


if __name__ == "__main__":
    unittest.main()
