#!/usr/bin/env python3
"""`duplex open` as a filter: standard input, standard output, and files in their place."""
import json
import os
import socket
import subprocess
import threading
import unittest

from support import DUPLEX, STEP, ServedTestCase, run, start


class Plain(ServedTestCase):
    def test_what_is_sent_to_echo_comes_back(self):
        self.assertEqual(self.open("/echo", stdin=b"one\ntwo\nthree"), b"one\ntwo\nthree")

    def test_over_tls(self):
        out = self.open("/echo", "--cacert", self.cert, stdin=b"hello\n", server=self.tls)
        self.assertEqual(out, b"hello\n")

    def test_insecure_verifies_nothing(self):
        self.assertEqual(self.open("/echo", "-k", stdin=b"hello\n", server=self.tls), b"hello\n")

    def test_the_verb_open_may_be_left_out(self):
        done = run("-s", self.plain.url + "/echo", stdin=b"x")
        self.assertEqual((done.returncode, done.stdout), (0, b"x"))

    def test_an_empty_input_is_an_empty_body(self):
        self.assertEqual(self.open("/sink"), b"0\n")

    def test_raw_input(self):
        body = os.urandom(300_000)
        self.assertEqual(self.open("/echo", "--input", "raw", stdin=body), body)

    def test_lines_longer_than_a_read(self):
        body = b"x" * 200_000 + b"\n" + b"y" * 70_000
        self.assertEqual(self.open("/echo", stdin=body), body)

    def test_a_file_as_input(self):
        path = os.path.join(self.scratch.name, "input")
        body = os.urandom(100_000)
        with open(path, "wb") as file:
            file.write(body)
        with open(path, "rb") as file:
            done = subprocess.run([DUPLEX, "open", self.plain.url + "/echo"], stdin=file, capture_output=True,
                                  timeout=STEP)
        self.assertEqual((done.returncode, done.stdout), (0, body))

    def test_dev_null_and_a_closed_descriptor_as_input(self):
        for redirection in ("</dev/null", "<&-"):
            with self.subTest(redirection):
                done = subprocess.run(["sh", "-c", f'exec "$0" open "$1" {redirection}', DUPLEX, self.plain.url + "/sink"],
                                      capture_output=True, timeout=STEP)
                self.assertEqual((done.returncode, done.stdout), (0, b"0\n"), done.stderr)

    def test_an_input_that_cannot_be_read(self):
        directory = os.open("/", os.O_RDONLY)
        try:
            done = subprocess.run([DUPLEX, "open", self.plain.url + "/echo"], stdin=directory, capture_output=True,
                                  timeout=STEP)
        finally:
            os.close(directory)
        self.assertEqual(done.returncode, 26, done.stderr)
        self.assertIn(b"duplex: (26) ", done.stderr)

    def test_output_goes_to_a_file(self):
        path = os.path.join(self.scratch.name, "output")
        self.assertEqual(self.open("/echo", "-o", path, stdin=b"to a file\n"), b"")
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"to a file\n")

    def test_an_output_file_that_cannot_be_made(self):
        self.open("/echo", "-o", "/nonexistent/file", status=23)

    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([DUPLEX, "open", self.plain.url + "/echo"], input=b"x", stdout=full,
                                  stderr=subprocess.PIPE, timeout=STEP)
        self.assertEqual(done.returncode, 23)
        self.assertIn(b"No space left", done.stderr)

    def test_include_shows_head_and_trailers(self):
        out = self.open("/echo", "-i", "-H", "content-type: text/x", stdin=b"body\n")
        self.assertEqual(out, b"HTTP/2 200 \r\ncontent-type: text/x\r\n\r\nbody\ngrpc-status: 0\r\n\r\n")

    def test_include_shows_informational_replies(self):
        out = self.open("/informational?n=2", "-i")
        self.assertEqual(out.count(b"HTTP/2 103 \r\n"), 2)
        self.assertNotIn(b"103", self.open("/informational?n=2"))

    def test_include_begins_trailers_on_a_line_of_their_own(self):
        out = self.open("/echo", "-i", stdin=b"no newline")
        self.assertTrue(out.endswith(b"no newline\r\ngrpc-status: 0\r\n\r\n"), out)

    def test_headers_and_method_arrive(self):
        seen = json.loads(self.open("/headers?q=1", "-X", "PUT", "-H", "X-One: 1", "-H", "x-two:2", "-H", "x-one: again"))
        self.assertEqual((seen["method"], seen["path"]), ("PUT", "/headers?q=1"))
        self.assertEqual([pair for pair in seen["headers"] if pair[0].startswith("x-")],
                         [["x-one", "1"], ["x-two", "2"], ["x-one", "again"]])

    def test_get_and_head_do_not_wait_for_input(self):
        for method, expected in (("GET", b"0\n"), ("HEAD", b"")):
            with self.subTest(method):
                client = start("open", "-X", method, self.plain.url + "/sink", stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
                self.addCleanup(client.stdout.close)
                self.addCleanup(client.stdin.close)
                self.assertEqual(client.wait(STEP), 0)
                self.assertEqual(client.stdout.read(), expected)

    def test_an_error_response_ends_it_though_the_input_goes_on(self):
        client = start("open", self.plain.url + "/status/404", stdin=subprocess.PIPE)
        self.addCleanup(client.stdin.close)
        self.assertEqual(client.wait(STEP), 0)

    def test_the_host_field_becomes_the_authority(self):
        seen = json.loads(self.open("/headers", "-H", "host: other.example"))
        self.assertEqual(seen["authority"], "other.example")

    def test_a_grpc_status_is_no_error_of_this_tool(self):
        self.assertEqual(self.open("/trailers-only"), b"")

    def test_verbose_shows_the_connection_and_the_frames_and_no_secret(self):
        self.open("/echo", "-v", "--cacert", self.cert, "-H", "Authorization: hunter2", stdin=b"x", server=self.tls)
        for expected in ("* Connected to 127.0.0.1:", "* TLSv1.3 / ", "* ALPN: h2", "* Certificate subject: ",
                         "> [0] SETTINGS", "> [1] HEADERS", ">     :path: /echo", "< [1] HEADERS", "<     :status: 200",
                         "grpc-status: 0"):
            self.assertIn(expected, self.stderr)
        self.assertNotIn("hunter2", self.stderr)
        self.assertTrue(self.stderr.startswith("* Connected"), self.stderr)

    def test_resolve_and_connect_to(self):
        port = self.tls.port
        url = f"https://localhost:{port}/headers"
        self.open(url, "--cacert", self.cert, "--resolve", f"LOCALHOST:{port}:127.0.0.1", "-X", "GET")
        other = "https://localhost:9/headers"
        for option in (("--connect-to", f"127.0.0.1:{port}"), ("--resolve", "localhost:9:127.0.0.1", "--connect-to",
                                                               f"127.0.0.1:{port}"),
                       ("--connect-to", f"localhost:9:127.0.0.1:{port}"), ("--connect-to", f":::{port}"),
                       ("--connect-to", "other:9:127.0.0.9:1", "--connect-to", f"LOCALHOST::127.0.0.1:{port}"),
                       ("--connect-to", f"::over.invalid:{port}", "--resolve", f"over.invalid:{port}:127.0.0.1")):
            seen = json.loads(self.open(other, "--cacert", self.cert, *option, "-X", "GET"))
            self.assertEqual(seen["authority"], "localhost:9")

    def test_resolve_for_a_name_that_does_not_exist(self):
        port = self.plain.port
        url = f"http://somewhere.invalid:{port}/headers"
        seen = json.loads(self.open(url, "--resolve", f"other.invalid:{port}:127.0.0.9", "--resolve",
                                    f"somewhere.invalid:{port}:127.0.0.1", "-X", "GET"))
        self.assertEqual(seen["authority"], f"somewhere.invalid:{port}")
        for rules in ((f"*:{port}:127.0.0.1",), (f"+somewhere.invalid:{port}:127.0.0.1",),
                      (f"somewhere.invalid:{port}:127.0.0.1", f"*:{port}:127.0.0.9"),
                      (f"somewhere.invalid:{port}:127.0.0.9", f"somewhere.invalid:{port}:127.0.0.1"),
                      (f"somewhere.invalid:{port}:[::1],127.0.0.1",)):
            self.open(url, *(word for rule in rules for word in ("--resolve", rule)), "-X", "GET")

    def test_2_what_is_no_resolve_or_connect_to(self):
        for option in (("--resolve", "somewhere.invalid:80:nowhere"), ("--resolve", "somewhere.invalid:80:127.0.0.1,"),
                       ("--resolve", "-somewhere.invalid:80"), ("--resolve", "somewhere.invalid:http:127.0.0.1"),
                       ("--resolve", "somewhere.invalid:80:"), ("--connect-to", "localhost"), ("--connect-to", "a:1:b"),
                       ("--connect-to", "a:1:b:2:c"), ("--connect-to", "a:1:b:http")):
            with self.subTest(option):
                self.open("/headers", *option, status=2)
                self.assertIn(f"{option[0]}: '{option[1]}'", self.stderr)

    def test_only_ipv4_or_ipv6(self):
        url = f"http://localhost:{self.plain.port}/sink"
        self.open(url, "-4")
        self.open(f"http://127.0.0.1:{self.plain.port}/sink", "-6", status=7)
        self.open(url, "-4", "-6", status=2)

    def test_a_unix_socket(self):
        path = os.path.join(self.scratch.name, "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(STEP)
            listener.bind(path)
            listener.listen()
            relay = threading.Thread(target=relay_one, args=(listener, self.plain.port))
            relay.start()
            out = self.open("http://localhost/echo", "--unix-socket", path, stdin=b"through a file\n")
            relay.join(STEP)
        self.assertEqual(out, b"through a file\n")

    def test_the_key_log(self):
        for name in ("option", "environment"):
            path = os.path.join(self.scratch.name, name)
            options = ("--keylog", path) if name == "option" else ()
            environment = {**os.environ, "SSLKEYLOGFILE": path} if name == "environment" else None
            done = run("open", "--cacert", self.cert, *options, self.tls.url + "/sink", env=environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(path) as file:
                self.assertIn("CLIENT_TRAFFIC_SECRET_0", file.read())

    def test_the_help_names_flags_as_they_are_given(self):
        self.assertNotIn("{", run("serve", "--help").stdout.decode())

    def test_help_and_version(self):
        for arguments in (("--help",), ("open", "--help"), ("serve", "--help")):
            done = run(*arguments)
            self.assertEqual(done.returncode, 0)
            self.assertIn(b"Examples:", done.stdout)
        self.assertRegex(run("--version").stdout, rb"^duplex \d+\.\d+\.\d+\n$")


def relay_one(listener, port):
    """One connection to a Unix socket, passed on to a TCP port."""
    here, _ = listener.accept()
    with here, socket.create_connection(("127.0.0.1", port), STEP) as there:
        here.settimeout(STEP)

        def copy(source, target):
            try:
                while piece := source.recv(65536):
                    target.sendall(piece)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        back = threading.Thread(target=copy, args=(there, here))
        back.start()
        copy(here, there)
        back.join()


if __name__ == "__main__":
    unittest.main()
