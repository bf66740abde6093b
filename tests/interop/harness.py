"""Cases with names, processes that end, and the client as a conversation."""
import base64
import json
import os
import queue
import signal
import subprocess
import threading
import time
import traceback

STEP = 20  # seconds that any one step may take
ALL = 400  # and all of them together


def give_up(signum, _):
    raise SystemExit(f"ended by {signal.Signals(signum).name}")


class Harness:
    def __init__(self, duplex, scratch, only=""):
        self.duplex = duplex
        self.scratch = scratch
        self.only = only
        self.processes = []
        self.passed = 0
        self.failed = 0
        self.not_possible = 0
        signal.signal(signal.SIGTERM, give_up)
        signal.signal(signal.SIGALRM, give_up)
        signal.alarm(ALL)
        if not os.access(duplex, os.X_OK):
            raise SystemExit(f"{duplex} is not there: ./dev build")

    def case(self, name, body):
        if self.only not in name:
            return
        start = time.monotonic()
        try:
            body()
        except Exception as error:  # a case that fails must not hide the ones after it
            self.failed += 1
            print(f"FAIL {name}: {error}", flush=True)
            if not isinstance(error, (Wrong, subprocess.SubprocessError, queue.Empty)):
                traceback.print_exc()
        else:
            self.passed += 1
            print(f"PASS {name} ({time.monotonic() - start:.1f} s)", flush=True)

    def impossible(self, name, why):
        """A case that this machine does not let us try. It is said, and no success."""
        if self.only not in name:
            return
        self.not_possible += 1
        print(f"NOT POSSIBLE HERE {name}: {why}", flush=True)

    def report(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.not_possible} not possible here")
        return 0 if self.passed and not self.failed else 1

    def start(self, *command, **options):
        process = subprocess.Popen([str(word) for word in command], **options)
        self.processes.append(process)
        return process

    def stop(self, process):
        """Asks the process to end, and returns its exit status."""
        process.terminate()
        return process.wait(STEP)

    def end(self, process):
        """Ends a process that has nothing to say any more."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def end_all(self):
        for process in self.processes:
            self.end(process)

    def run(self, *command, stdin=b"", expect=0):
        """Runs a program to its end and returns what it wrote."""
        done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, timeout=STEP * 2)
        if done.returncode != expect:
            raise Wrong(f"{command[0]} exited with {done.returncode}, not {expect}: {done.stderr.decode()[-400:]}")
        return done

    def certificate(self):
        """A fresh self-signed certificate for localhost: (certificate, key)."""
        cert, key = self.scratch / "cert.pem", self.scratch / "key.pem"
        if not cert.exists():
            self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
                     "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                     "-addext", "basicConstraints=critical,CA:FALSE")  # rustls takes no authority for a server
        return cert, key


class Wrong(Exception):
    """Something other than what was expected."""


def expect(what, condition, seen=""):
    if not condition:
        raise Wrong(f"{what}: {seen!r}" if seen != "" else what)


class Talk:
    """`duplex open --json --script -`: one command at a time, and the events it brings."""

    def __init__(self, harness, url, *options):
        self.process = harness.start(harness.duplex, "open", "--json", "--script", "-", *options, url,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.expect("open")

    def _read(self):
        for line in self.process.stdout:
            self.events.put(line)
        self.events.put("")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def event(self):
        try:
            line = self.events.get(timeout=STEP)
        except queue.Empty:
            raise Wrong("no event came in time") from None
        if not line:
            raise Wrong(f"the client ended: {self.process.stderr.read()[-400:]}")
        return json.loads(line)

    def expect(self, kind):
        event = self.event()
        expect(f"{kind} was expected", event["event"] == kind, event)
        return event

    def recv(self, kind):
        self.tell("recv")
        return self.expect(kind)

    def recv_bytes(self, count):
        """Takes data until there are `count` bytes: boundaries carry no meaning."""
        got = b""
        while len(got) < count:
            event = self.recv("data")
            got += base64.b64decode(event["base64"]) if "base64" in event else event["text"].encode()
        return got

    def close(self):
        """Ends the script, and expects a clean end."""
        self.tell("close")
        self.process.stdin.close()
        status = self.process.wait(STEP)
        expect("the client's exit status", status == 0, status)


def header(event, name):
    return next((value for key, value in event["headers"] if key == name), None)
