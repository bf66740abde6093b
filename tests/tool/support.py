"""What the tests of the tool share: the server, the client, a conversation, and peers that misbehave.

Every port is one that the system picked, every wait ends, and every process is ended."""
import contextlib
import json
import os
import queue
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

DUPLEX = os.environ["DUPLEX"]
STEP = 30  # seconds that any one step may take
ALL = 110  # and all of a script together

signal.alarm(ALL)


def is_sanitized():
    """Sanitizers change how much memory and time a program takes."""
    with open(DUPLEX, "rb") as binary:
        content = binary.read()
    return b"__asan_init" in content or b"__tsan_init" in content


@contextlib.contextmanager
def closed_port():
    """A port on which nothing listens, and which nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class Server:
    """`duplex serve` on a free port; `url` by a name that its certificate has."""

    def __init__(self, *options, cert=None):
        command = [DUPLEX, "serve", "--listen", "127.0.0.1:0", *options]
        if cert:
            command += ["--write-cert", cert]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.hello = self.process.stdout.readline()
        if not self.hello.startswith("listening on "):
            raise AssertionError(f"the server said {self.hello!r}: {self.process.stderr.read()}")
        self.url = self.hello.split()[2].replace("127.0.0.1", "localhost")
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(STEP)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class ServedTestCase(unittest.TestCase):
    """One cleartext and one TLS server for all tests of the class."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.cert = os.path.join(cls.scratch.name, "cert.pem")
        cls.plain = Server("--http")
        cls.tls = Server(cert=cls.cert)

    @classmethod
    def tearDownClass(cls):
        cls.plain.kill()
        cls.tls.kill()
        cls.scratch.cleanup()

    def open(self, path, *options, stdin=b"", status=0, server=None):
        """Runs `duplex open` to its end: what it wrote to standard output; `self.stderr` has the rest."""
        url = path if "://" in path else (server or self.plain).url + path
        done = run("open", *options, url, stdin=stdin)
        self.stderr = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, self.stderr)
        return done.stdout

    def events(self, path, *options, **more):
        return [json.loads(line) for line in self.open(path, "--json", *options, **more).splitlines()]

    def script(self, path, *commands, options=(), **more):
        """The events that a script from standard input brings."""
        return self.events(path, "--script", "-", *options, stdin="\n".join(commands).encode(), **more)


def leave_room_for_few_threads():
    """In a child: their stacks are so large that the fifth finds no place, while there is memory for everything else."""
    resource.setrlimit(resource.RLIMIT_STACK, (200 << 20, 200 << 20))
    resource.setrlimit(resource.RLIMIT_AS, (1000 << 20, 1000 << 20))


def run(*arguments, stdin=b"", **more):
    return subprocess.run([DUPLEX, *arguments], input=stdin, capture_output=True, timeout=STEP, **more)


def start(*arguments, **more):
    return subprocess.Popen([DUPLEX, *arguments], **more)


def kinds(events):
    return [event["event"] for event in events]


def payload(events):
    return "".join(event["text"] for event in events if event["event"] == "data")


class Talk:
    """`duplex open --json --script -`: one command at a time, and the events it brings."""

    def __init__(self, url, *options):
        self.process = start("open", "--json", "--script", "-", *options, url, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def event(self):
        line = self.lines.get(timeout=STEP)
        return json.loads(line) if line else None

    def nothing_came(self):
        return self.lines.empty()

    def end(self):
        """Closes the script, and returns the exit status."""
        self.process.stdin.close()
        try:
            return self.process.wait(STEP)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()


# Peers that do what our own server would not.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7


def frame(kind, flags=0, stream=0, body=b""):
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


OK_HEAD = frame(HEADERS, 4, 1, b"\x88")  # :status: 200


class Peer:
    """Accepts one connection on a free port and hands it to `behave`, in a thread."""

    def __init__(self, behave, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(STEP)
        self.port = self.listener.getsockname()[1]
        self.context = context
        self.accepted = 0
        self.thread = threading.Thread(target=self._run, args=(behave,))
        self.thread.start()

    def _run(self, behave):
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        self.accepted += 1
        with connection:
            connection.settimeout(STEP)
            try:
                if self.context:
                    with self.context.wrap_socket(connection, server_side=True) as secure:
                        behave(secure)
                        drain(secure)
                else:
                    behave(connection)
                    drain(connection)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Wakes an accept that nobody came for.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def drain(connection):
    """Reads until the client has closed, so that what was sent is not lost to a reset."""
    while connection.recv(65536):
        pass


def read_request(connection, until=(HEADERS, 0)):
    """Greets an HTTP/2 client and reads until its first HEADERS, or another kind of frame with these flags."""
    connection.sendall(frame(SETTINGS))
    seen = b""
    while True:
        more = connection.recv(65536)
        if not more:
            return
        seen += more
        at = len(PREFACE)
        while len(seen) >= at + 9:
            length, kind, flags = int.from_bytes(seen[at:at + 3], "big"), seen[at + 3], seen[at + 4]
            if kind == until[0] and flags & until[1] == until[1] and len(seen) >= at + 9 + length:
                return
            at += 9 + length
