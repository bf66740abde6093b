"""Servers and clients as processes: started, pinned to cores, measured, ended."""

import json
import os
import pathlib
import select
import subprocess
import tempfile
import time

CORES = sorted(os.sched_getaffinity(0))


class Failed(Exception):
    """A client that did not do what it was asked for."""


class Hung(Failed):
    """One that had to be killed."""


def pinned(cores):
    return lambda: os.sched_setaffinity(0, cores)


class Certificate:
    """A self-signed certificate for 127.0.0.1, for as long as it is used."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.cert = os.path.join(self._folder.name, "cert.pem")
        self.key = os.path.join(self._folder.name, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", self.key, "-out", self.cert, "-subj", "/CN=localhost",
             "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
             "-addext", "basicConstraints=critical,CA:FALSE"],
            check=True, capture_output=True)


class Server:
    """A server that printed its port. It ends when its stdin does."""

    def __init__(self, command, certificate, threads):
        if threads > 1:
            command = command + ["--threads", str(threads)]
        if certificate:
            command = command + ["--cert", certificate.cert, "--key", certificate.key]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(CORES[:threads]))
        self.pid = self._process.pid
        ready, _, _ = select.select([self._process.stdout], [], [], 10)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.end()
            raise Failed("the server did not start")
        self.port = int(line)

    def move_to(self, cores):
        for thread in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)

    def cpu_seconds(self):
        total = 0
        for thread in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
        return total / 1e9

    def end(self):
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def run_client(command, server, certificate, cores, arguments, seconds):
    """Runs one client to its end and returns what it measured, with the server's CPU added."""
    command = command + arguments + ["--port", str(server.port), "--server-pid", str(server.pid)]
    if certificate:
        command += ["--ca", certificate.cert]
    before = server.cpu_seconds()
    try:
        # A memory workload ends when it is done, the others by time; ten thousand streams take some to open.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              preexec_fn=pinned(cores), timeout=10 + 5 * seconds + int(arguments[4]) / 200)
    except subprocess.TimeoutExpired:
        raise Hung("no end") from None
    if done.returncode != 0 or not done.stdout.strip():
        why = done.stderr.strip().splitlines()
        raise Failed(why[-1] if why else f"exit status {done.returncode}")
    result = of_all_threads([json.loads(line) for line in done.stdout.splitlines()])
    result["server_cpu"] = server.cpu_seconds() - before
    if result.get("messages") == 0:
        raise Failed("no message came through")
    return result


def of_all_threads(lines):
    """Each thread counts its own messages, in about the same time; seconds and CPU are those of the process."""
    result = dict(lines[0])
    for name in ("messages", "bytes"):
        if name in result:
            result[name] = sum(line[name] for line in lines)
    return result


def machine():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{len(CORES)} cores of {line.split(':', 1)[1].strip()}"
    return f"{len(CORES)} cores"


def load_average():
    return os.getloadavg()[0]


def now():
    return time.strftime("%Y-%m-%d %H:%M")
