"""Through proxies: CONNECT and SOCKS 5, by flag and by environment."""
import os
import socket
import threading
import unittest

from support import ServedTestCase, Talk, closed_port, kinds, payload, run


class Proxy:
    """Answers one request after the other with `answer`, and carries bytes to the port asked for if it is a good one.
    `asked` is what came: the head of a CONNECT, or the host that SOCKS named."""

    def __init__(self, socks=False, answer=None):
        self.socks = socks
        self.good = b"\5\0\0\1" + bytes(6) if socks else b"HTTP/1.1 200 Connection established\r\n\r\n"
        self.answer = answer or self.good
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client:
            host, port = self.read_socks(client) if self.socks else self.read_connect(client)
            client.sendall(self.answer)
            if self.answer == self.good:
                with socket.create_connection(("127.0.0.1", port)) as there:
                    back = threading.Thread(target=self.carry, args=(there, client), daemon=True)
                    back.start()
                    self.carry(client, there)
                    back.join()

    def read_connect(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.asked.append(head.decode())
        host, port = head.split()[1].decode().rsplit(":", 1)
        return host, int(port)

    def read_socks(self, client):
        _, methods = client.recv(2, socket.MSG_WAITALL)
        client.recv(methods, socket.MSG_WAITALL)
        client.sendall(b"\5\0")
        kind = client.recv(4, socket.MSG_WAITALL)[3]
        size = client.recv(1)[0] if kind == 3 else 4 if kind == 1 else 16
        host = client.recv(size, socket.MSG_WAITALL)
        self.asked.append(host.decode() if kind == 3 else "address")
        return host, int.from_bytes(client.recv(2, socket.MSG_WAITALL), "big")

    @staticmethod
    def carry(source, sink):
        try:
            while piece := source.recv(4096):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class ThroughProxies(ServedTestCase):
    def echo(self, server, *options, host="far.invalid", **more):
        events = self.events(f"{server.url.replace('localhost', host)}/echo", *options, stdin=b"hello", **more)
        self.assertEqual(payload(events), "hello")
        return events

    def test_connect_in_cleartext_and_for_tls(self):
        for server, options in ((self.plain, ()), (self.tls, ("--cacert", self.cert, "--servername", "localhost"))):
            with Proxy() as proxy:
                events = self.echo(server, "-x", f"127.0.0.1:{proxy.port}", *options)
                self.assertEqual(events[0]["proxy"], f"http://127.0.0.1:{proxy.port}")
                self.assertTrue(proxy.asked[0].startswith(f"CONNECT far.invalid:{server.port} HTTP/1.1\r\n"))

    def test_60_a_proxy_whose_certificate_is_not_trusted(self):
        proxy = f"https://localhost:{self.tls.port}"
        self.open("http://far.invalid/", "--cacert", self.cert, "-x", proxy, "--proxy-http2", status=60)
        self.assertTrue(self.stderr.endswith("; to trust its authority, give its PEM file as --proxy-cacert\n"), self.stderr)

    def test_connect_with_a_login_and_fields(self):
        with Proxy() as proxy:
            self.echo(self.plain, "-x", f"http://127.0.0.1:{proxy.port}", "--proxy-user", "Aladdin:open sesame",
                      "--proxy-header", "X-Team: a")
            self.assertIn("\r\nproxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", proxy.asked[0])
            self.assertIn("\r\nx-team: a\r\n", proxy.asked[0])

    def test_ps_shows_no_password_of_a_url(self):
        with Proxy() as proxy:
            login = f"bob:hunter2@127.0.0.1:{proxy.port}"
            for options in (("-x", login), ("-x" + login,), ("-x", "http://" + login), (f"--proxy=http://{login}",)):
                with self.subTest(options=options):
                    talk = Talk(self.plain.url.replace("localhost", "eve:hunter2@far.invalid") + "/echo", *options)
                    self.addCleanup(talk.kill)
                    self.assertEqual(talk.event()["event"], "open")
                    with open(f"/proc/{talk.process.pid}/cmdline", "rb") as seen:
                        line = seen.read()
                    self.assertNotIn(b"hunter2", line)
                    self.assertIn(b"bob:*******@127.0.0.1", line)
                    self.assertIn(b"eve:*******@far.invalid", line)
            self.assertIn("\r\nproxy-authorization: Basic Ym9iOmh1bnRlcjI=\r\n", proxy.asked[-1])

    def test_socks_with_names_resolved_there_or_here(self):
        with Proxy(socks=True) as proxy:
            self.echo(self.plain, "--socks5-hostname", f"127.0.0.1:{proxy.port}")
            self.echo(self.plain, "--socks5", f"127.0.0.1:{proxy.port}", "-4", host="localhost")
            self.assertEqual(proxy.asked, ["far.invalid", "address"])

    def test_the_environment_says_which_but_not_for_loopback(self):
        with Proxy() as proxy:
            more = dict(os.environ, http_proxy=f"127.0.0.1:{proxy.port}")
            url = self.plain.url.replace("localhost", "far.invalid") + "/echo"
            self.assertEqual(run("open", url, env=more, stdin=b"hello").stdout, b"hello")
            self.assertEqual(run("open", self.plain.url + "/echo", env=more, stdin=b"hello").stdout, b"hello")
            self.assertEqual(len(proxy.asked), 1)
            self.assertEqual(run("open", url, env=dict(more, NO_PROXY="invalid")).returncode, 6)
            self.assertEqual(run("open", "--noproxy", "*", url, env=more).returncode, 6)

    def test_97_a_proxy_that_refuses(self):
        with Proxy(answer=b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n") as proxy:
            events = self.events("http://far.invalid/", "-x", f"127.0.0.1:{proxy.port}", status=97)
            self.assertEqual(events[-1]["error"], "proxy_failed")
            self.assertTrue(events[-1]["retry_safe"])
            self.assertIn("407", events[-1]["message"])
        with Proxy(socks=True, answer=b"\5\4\0\1") as proxy:
            self.open("http://far.invalid/", "--socks5-hostname", f"127.0.0.1:{proxy.port}", status=97)
            self.assertIn("the host is unreachable", self.stderr)

    def test_5_7_and_2_a_proxy_that_is_not_there(self):
        self.open("http://far.invalid/", "-x", "no-such-host.invalid", status=5)
        with closed_port() as port:
            self.open("http://far.invalid/", "-x", f"127.0.0.1:{port}", status=7)
        self.assertIn("the proxy", self.stderr)
        self.open("http://far.invalid/", "-x", "gopher://p", status=2)
        self.assertIn("--proxy", self.stderr)

    def test_v_tells_of_it(self):
        with Proxy() as proxy:
            self.open(self.plain.url.replace("localhost", "far.invalid") + "/echo", "-v", "-x",
                      f"127.0.0.1:{proxy.port}")
            self.assertIn(f"* Tunnel through the proxy http://127.0.0.1:{proxy.port}\n", self.stderr)


if __name__ == "__main__":
    unittest.main()
