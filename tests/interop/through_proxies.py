"""Our client through other people's proxies, to our server: tinyproxy (CONNECT), HAProxy and nghttpx in front of it
(CONNECT over TLS, by HTTP/1.1 and by HTTP/2), microsocks and Dante (SOCKS 5)."""
import os
import pathlib
import pwd
import socket
import subprocess
import time

from from_strangers import serve
from harness import STEP, Talk, Wrong, expect

USER, PASSWORD = "someone", "secret"
CANNOT_CONNECT, LOST = 97, 56


def free_port():
    """None of these proxies picks a port and tells which. Whoever takes this one first makes `Proxy` try again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Proxy:
    """`command(port)` starts it; it is there once it accepts."""

    def __init__(self, harness, command):
        self.harness = harness
        for _ in range(3):
            self.port = free_port()
            self.log = harness.scratch / f"proxy-{self.port}.log"
            with open(self.log, "wb") as log:
                self.process = harness.start(*command(self.port), stdout=log, stderr=log)
            deadline = time.monotonic() + STEP
            while self.process.poll() is None and time.monotonic() < deadline:
                if accepts(self.port):
                    return
                time.sleep(0.02)
            harness.end(self.process)
        raise Wrong(f"the proxy does not listen: {self.log.read_text(errors='replace')[-400:]}")

    def stop(self):
        self.harness.end(self.process)


class Origin:
    def __init__(self, harness):
        self.harness = harness
        cert, key = harness.certificate()
        self.trust = ("--cacert", cert)
        self.cleartext, plain = serve(harness, "--http")
        self.tls, secure = serve(harness, "--cert", cert, "--key", key)
        self.urls = {"cleartext": plain, "tls": secure}

    def port(self, kind="cleartext"):
        return int(self.urls[kind].rsplit(":", 1)[1])

    def stop(self):
        self.harness.stop(self.cleartext)
        self.harness.stop(self.tls)


def cases(harness, name, origin, *options):
    """Both kinds of origin, and more bytes than any window and buffer in between."""
    body = os.urandom(3_000_000)

    def echo(url):
        done = harness.run(harness.duplex, "open", "-s", "--input", "raw", *origin.trust, *options, url + "/echo",
                           stdin=body)
        expect("the body comes back", done.stdout == body, f"{len(done.stdout)} of {len(body)} bytes")

    for kind, url in origin.urls.items():
        harness.case(f"{name}.echo.{kind}", lambda url=url: echo(url))


def fails(harness, name, words, url, *options):
    """The status of curl, and the proxy's own reason, within the time that one step may take."""
    def attempt():
        done = harness.run(harness.duplex, "open", *options, url, expect=CANNOT_CONNECT)
        said = done.stderr.decode()
        expect(f"one of {words}", any(word in said for word in words), said[-400:])

    harness.case(name, attempt)


def dies(harness, name, proxy, url, *options):
    """A proxy that is killed with a stream under way, which is told at once."""
    def attempt():
        talk = Talk(harness, url + "/echo", *options)
        talk.tell("send hello")
        talk.recv("response")
        talk.recv_bytes(5)
        proxy.process.kill()
        talk.tell("recv")
        error = talk.expect("error")
        expect("what happened", (error["error"], error["scope"]) == ("connection_lost", "connection"), error)
        expect("the status", talk.process.wait(STEP) == LOST)

    harness.case(name, attempt)


def nobody_listens():
    return f"http://localhost:{free_port()}/"


def file(harness, name, text):
    path = pathlib.Path(harness.scratch) / name
    path.write_text(text)
    return path


def tinyproxy(harness, login=False):
    def command(port):
        text = f"Listen 127.0.0.1\nPort {port}\nTimeout 60\nLogLevel Error\nDisableViaHeader Yes\n"
        if login:
            text += f"BasicAuth {USER} {PASSWORD}\n"
        return "tinyproxy", "-d", "-c", file(harness, f"tinyproxy-{port}.conf", text)

    return Proxy(harness, command)


def haproxy(harness, behind):
    """TLS for a proxy of cleartext: it takes CONNECT by HTTP/1.1 and by HTTP/2, and asks by HTTP/1.1."""
    cert, key = harness.certificate()
    both = file(harness, "both.pem", cert.read_text() + key.read_text())

    def command(port):
        return "haproxy", "-db", "-q", "-f", file(harness, f"haproxy-{port}.cfg", f"""
global
  maxconn 100
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend tls
  bind 127.0.0.1:{port} ssl crt {both} alpn h2,http/1.1
  default_backend cleartext
backend cleartext
  server behind 127.0.0.1:{behind}
""")

    return Proxy(harness, command)


def nghttpx(harness, behind):
    cert, key = harness.certificate()
    return Proxy(harness, lambda port: (
        "nghttpx", "--http2-proxy", f"--frontend=127.0.0.1,{port}", f"--backend=127.0.0.1,{behind}", "--no-ocsp",
        "--workers=1", "--log-level=ERROR", "--accesslog-file=/dev/null", "--conf=/dev/null", key, cert))


def microsocks(harness, *options):
    return Proxy(harness, lambda port: ("microsocks", "-i", "127.0.0.1", "-p", port, *options))


def dante(harness, blocked):
    me = pwd.getpwuid(os.geteuid()).pw_name
    nobody = "nobody" if me == "root" else me

    def command(port):
        return "danted", "-f", file(harness, f"danted-{port}.conf", f"""
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: lo
socksmethod: none
clientmethod: none
user.privileged: {me}
user.unprivileged: {nobody}
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks block {{ from: 127.0.0.0/8 to: 127.0.0.0/8 port = {blocked} }}
socks pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
""")

    return Proxy(harness, command)


def by_tinyproxy(harness, origin):
    proxy = tinyproxy(harness)
    url = f"http://127.0.0.1:{proxy.port}"
    cases(harness, "tinyproxy", origin, "-x", url)
    fails(harness, "tinyproxy.unreachable_target", ["it answered 5"], nobody_listens(), "-x", url)
    dies(harness, "tinyproxy.dies_mid_tunnel", proxy, origin.urls["tls"], *origin.trust, "-x", url)
    proxy.stop()

    proxy = tinyproxy(harness, login=True)
    url = f"http://127.0.0.1:{proxy.port}"
    cases(harness, "tinyproxy.login", origin, "-x", url, "--proxy-user", f"{USER}:{PASSWORD}")
    for name, login in (("none", ()), ("wrong", ("--proxy-user", f"{USER}:wrong"))):
        fails(harness, f"tinyproxy.login.{name}", ["it answered 407", "it answered 401"],
              origin.urls["cleartext"] + "/", "-x", url, *login)
    proxy.stop()


def over_tls(harness, origin):
    cert, _ = harness.certificate()
    behind = tinyproxy(harness)
    guarded = tinyproxy(harness, login=True)
    for name, start in (("haproxy", haproxy), ("nghttpx", nghttpx)):
        proxy, asking = start(harness, behind.port), start(harness, guarded.port)
        trust = ("--proxy-cacert", cert)
        for version, flags in (("http1", ()), ("http2", ("--proxy-http2",))):
            options = ("-x", f"https://localhost:{proxy.port}", *trust, *flags)
            cases(harness, f"{name}.{version}", origin, *options)
            fails(harness, f"{name}.{version}.unreachable_target", ["it answered 5"], nobody_listens(), *options)
            options = ("-x", f"https://localhost:{asking.port}", *trust, *flags)
            cases(harness, f"{name}.{version}.login", origin, *options, "--proxy-user", f"{USER}:{PASSWORD}")
            fails(harness, f"{name}.{version}.login.wrong", ["it answered 407", "it answered 401"],
                  origin.urls["tls"] + "/", *options, "--proxy-user", f"{USER}:wrong")
        if name == "haproxy":  # one process; of nghttpx the worker would live on
            dies(harness, f"{name}.http2.dies_mid_tunnel", proxy, origin.urls["tls"], *origin.trust, "-x",
                 f"https://localhost:{proxy.port}", *trust, "--proxy-http2")
        proxy.stop()
        asking.stop()
    behind.stop()
    guarded.stop()


def by_socks(harness, origin):
    plain = microsocks(harness)
    for scheme in ("socks5", "socks5h"):
        url = f"{scheme}://127.0.0.1:{plain.port}"
        cases(harness, f"microsocks.{scheme}", origin, "-4", "-x", url)
        fails(harness, f"microsocks.{scheme}.unreachable_target", ["does not connect us"], nobody_listens(), "-4", "-x",
              url)
    dies(harness, "microsocks.dies_mid_tunnel", plain, origin.urls["cleartext"], "-4", "-x",
         f"socks5h://127.0.0.1:{plain.port}")
    plain.stop()

    guarded = microsocks(harness, "-u", USER, "-P", PASSWORD)
    url = f"socks5h://127.0.0.1:{guarded.port}"
    cases(harness, "microsocks.login", origin, "-x", url, "--proxy-user", f"{USER}:{PASSWORD}")
    for name, login in (("none", ()), ("wrong", ("--proxy-user", f"{USER}:wrong"))):
        fails(harness, f"microsocks.login.{name}", ["does not connect us"], origin.urls["tls"] + "/", "-x", url, *login)
    guarded.stop()

    blocked = free_port()
    rules = dante(harness, blocked)
    url = f"socks5h://127.0.0.1:{rules.port}"
    cases(harness, "dante", origin, "-4", "-x", url)
    fails(harness, "dante.against_its_rules", ["its rules do not allow that"], f"http://localhost:{blocked}/", "-x",
          url)
    fails(harness, "dante.unreachable_target", ["does not connect us"], nobody_listens(), "-x", url)
    rules.stop()


def run(harness):
    origin = Origin(harness)
    by_tinyproxy(harness, origin)
    over_tls(harness, origin)
    by_socks(harness, origin)
    origin.stop()
