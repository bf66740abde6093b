"""The peers: what each is, how it is started, and what it cannot do. A program of theirs is in peers/; the server's speaks
the paths of `duplex serve`, and prints its port, then a line for each request that has ended."""
import copy
import dataclasses
import json
import pathlib
import queue
import re
import shutil
import struct
import subprocess
import threading

from against_nghttpd import listening_port
from harness import STEP, Wrong

HERE = pathlib.Path(__file__).parent
PROGRAMS = HERE / "peers"
BUILT = HERE.parent.parent / "build/interop"


@dataclasses.dataclass
class Peer:
    name: str
    version: tuple  # of a command that tells it; or the text itself
    server: tuple = ()  # the command, before the certificate and its key
    kind: type = None  # of the server, if not Server
    client: tuple = ()  # the command, before the case, the URL and the certificate
    needs: str = ""  # the program that the command starts in turn
    grpc: bool = False
    reset_code: str = "CANCEL"  # of its path /reset
    server_cannot: dict = dataclasses.field(default_factory=dict)
    client_cannot: dict = dataclasses.field(default_factory=dict)

    def missing(self):
        """Why it is not here, or nothing."""
        for program in {command[0] for command in (self.server, self.client, (self.needs,)) if command}:
            if program and not shutil.which(program):
                return why_not(program)
        return ""


def why_not(program):
    """Why a program is not here: the building of it left a line if it failed."""
    name = pathlib.Path(program).name
    file = BUILT / "missing"
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.split(": ", 1) for line in lines).get(name, f"{name} is not installed")


def told_version(words):
    """The first number with a dot that the command says."""
    if isinstance(words, str):
        return words
    done = subprocess.run(words, capture_output=True, text=True, timeout=STEP)
    found = re.search(r"\d+\.[\d.]*\d", done.stdout + done.stderr)
    return found[0] if found else "?"


class Server:
    """One that runs. `paths` renames what is asked for."""

    sink_answer = b"10\n"
    takes_trailers = True
    gone = ("reset",)  # how it may tell that a client has reset a stream

    def __init__(self, harness, command, paths=None, grpc=False, reset_code="CANCEL", trust=()):
        self.harness = harness
        self.paths = paths or {}
        self.grpc = grpc
        self.reset_code = reset_code
        self.options = ("-4", *trust, *(("-H", "content-type: application/grpc", "-H", "te: trailers") if grpc else ()))
        self.lines = queue.Queue()
        self.process = harness.start(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self.told_url(self._line())

    @staticmethod
    def told_url(line):
        return f"https://localhost:{int(line)}"

    @staticmethod
    def told(line):
        """(path, outcome, received) of a line."""
        path, outcome, received = line.split()
        return path.split("?")[0], outcome, int(received)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def _line(self):
        try:
            line = self.lines.get(timeout=STEP)
        except queue.Empty:
            raise Wrong("the server says nothing") from None
        if line is None:
            raise Wrong("the server ended")
        return line

    def path(self, what):
        what = self.paths.get(what, what)
        query = {"source": "?bytes=5", "reset": "/CANCEL?after=5"}
        return ("/interop/" if self.grpc else "/") + what + query.get(what, "")

    def address(self, what):
        return self.url + self.path(what)

    def pack(self, message):
        return struct.pack(">BI", 0, len(message)) + message if self.grpc else message

    def saw(self, what, outcome, received):
        """Waits until the server says that such a request has ended; of any size if `received` is None."""
        self.saw_path(self.path(what).split("?")[0], outcome, received)

    def saw_path(self, path, outcome, received):
        seen = []
        try:
            while True:
                line = self.told(self._line())
                seen.append(line)
                outcomes = self.gone if outcome == "reset" else (outcome,)
                if line[0] == path and line[1] in outcomes and received in (line[2], None):
                    return
        except Wrong as wrong:
            raise Wrong(f"{wrong}; not {(path, outcome, received)}, but {seen}") from None

    def behind(self, url, trust, paths):
        """The same, through a proxy: which may tell of a reset by another code, or by the end of its own connection."""
        front = copy.copy(self)
        front.url, front.options, front.paths, front.reset_code = url, ("-4", *trust), paths or {}, None
        front.gone = ("reset", "connection_lost")
        return front

    def stop(self):
        self.harness.end(self.process)


class OurServer(Server):
    """`duplex serve`."""

    def __init__(self, harness, *options, **more):
        super().__init__(harness, (harness.duplex, "serve", "--json", "--listen", "127.0.0.1:0", *options), **more)

    @staticmethod
    def told_url(line):
        return line.split()[-1].replace("127.0.0.1", "localhost")

    @staticmethod
    def told(line):
        seen = json.loads(line)
        if seen["event"] != "request":
            return seen["event"], "", 0
        error = seen.get("error", "end")
        return seen["path"].split("?")[0], {"stream_reset": "reset"}.get(error, error), seen["received"]


class Nghttpd(Server):
    """It says neither its port nor how many bytes came, and answers every upload with itself."""

    sink_answer = b"some bytes"

    def __init__(self, harness, command, trust=(), paths=None, **_):
        self.root = harness.scratch / "nghttpd"
        self.root.mkdir(exist_ok=True)
        *command, cert, key = command
        if paths:
            command.remove("--echo-upload")  # which is not a matter of paths
        super().__init__(harness, (*command, "-d", self.root, "0", key, cert), trust=trust)

    def told_url(self, _):
        return f"https://localhost:{listening_port(self.process)}"

    def saw(self, what, outcome, received):
        wanted = "recv RST_STREAM" if outcome == "reset" else "END_STREAM"
        while wanted not in self._line():
            pass


def built(name, program, version, **more):
    return Peer(name, version, server=(BUILT / f"{program}-server",), client=(BUILT / f"{program}-client",), **more)


A_STATUS = "gRPC's handlers end a call by a status in trailers, never by RST_STREAM"
PYTHON = "/usr/bin/python3"  # Debian's, whose grpcio is Debian's

UPLOADS_FIRST = "it answers only when the request has ended"
A_WHOLE_BODY = "it reads the body from a file, before it sends the first byte"
ENDS_ALL = "it has no way to reset a stream: it can only be ended, with its connection"


def pinned(file, pattern):
    return re.search(pattern, (PROGRAMS / file).read_text())[1]


def program(name, version, cannot):
    return Peer(name, version, client=(PYTHON, PROGRAMS / f"python/{name}_client.py"), needs=name,
                client_cannot={"reset_by_client": ENDS_ALL, **cannot})


PEERS = [
    program("curl", ("curl", "--version"), {
        "echo_interleaved": "its -T . waits for its input, at times without reading the answer that is there; -T - always",
        "half_close_theirs_first": "7.88 waits for room for the rest of its body, with the whole answer and "
                                   "RST_STREAM(NO_ERROR) there to be read"}),
    program("nghttp", ("nghttp", "--version"), {"echo_interleaved": A_WHOLE_BODY}),
    program("h2load", ("h2load", "--version"), {"echo_interleaved": A_WHOLE_BODY, "trailers": "it does not show them"}),
    built("Go net/http", "go", ("go", "version"), reset_code="INTERNAL_ERROR"),
    built("grpc-go", "grpc-go", pinned("go/go.mod", r"google.golang.org/grpc v(\S+)"), grpc=True,
          server_cannot={"reset_by_server": A_STATUS}),
    Peer("grpcio", (PYTHON, "-c", "import grpc; print(grpc.__version__)"), grpc=True,
         server=(PYTHON, PROGRAMS / "python/grpcio_server.py"), client=(PYTHON, PROGRAMS / "python/grpcio_client.py"),
         server_cannot={"reset_by_server": A_STATUS}),
    Peer("nghttpd", ("nghttpd", "--version"), kind=Nghttpd,
         server=("nghttpd", "-v", "-a", "127.0.0.1", "--echo-upload", "--trailer=grpc-status: 0"),
         server_cannot={"echo_interleaved": UPLOADS_FIRST, "half_close_theirs_first": UPLOADS_FIRST,
                        "reset_by_client": UPLOADS_FIRST,
                        "reset_by_server": "it resets no stream by itself"}),
    Peer("Node http2", ("node", "--version"), server=("node", PROGRAMS / "node/server.mjs"),
         client=("node", PROGRAMS / "node/client.mjs"), reset_code="INTERNAL_ERROR"),
]
