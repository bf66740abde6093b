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

START = 120  # seconds that a server may take to start: a JVM compiles first, and the machine may be busy

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
    needs: str = ""  # the program that the command starts in turn, or its folder
    grpc: bool = False
    reset_code: str = "CANCEL"  # of its path /reset
    server_cannot: dict = dataclasses.field(default_factory=dict)
    client_cannot: dict = dataclasses.field(default_factory=dict)

    def missing(self):
        """Why it is not here, or nothing."""
        for program in {command[0] for command in (self.server, self.client, (self.needs,)) if command}:
            if program and not shutil.which(program) and not pathlib.Path(program).is_dir():
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
        self.url = self.find_url()

    def find_url(self):
        return f"https://localhost:{int(self._line(START))}"

    @staticmethod
    def told(line):
        """(path, outcome, received) of a line."""
        path, outcome, received = line.split()
        return path.split("?")[0], outcome, int(received)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def _line(self, limit=None):
        try:
            line = self.lines.get(timeout=limit or STEP)
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

    def find_url(self):
        return self._line().split()[-1].replace("127.0.0.1", "localhost")

    @staticmethod
    def told(line):
        seen = json.loads(line)
        if seen["event"] != "request":
            return seen["event"], "", 0
        error = seen.get("error", "end")
        return seen["path"].split("?")[0], {"stream_reset": "reset"}.get(error, error), seen["received"]


class Echoing(Server):
    """One without a program of ours: it answers each upload with itself, when it is over, and does not say its port. It is
    started by what `command` makes of the words."""

    sink_answer = b"some bytes"

    def __init__(self, harness, command, trust=(), paths=None, **_):
        *words, cert, key = command
        super().__init__(harness, self.command(words, harness.scratch, cert, key, bool(paths)), trust=trust)

    def find_url(self):
        return f"https://localhost:{listening_port(self.process)}"


class Nghttpd(Echoing):
    @staticmethod
    def command(words, scratch, cert, key, wrong):
        echo = () if wrong else ("--echo-upload",)
        return *words, "-v", "-a", "127.0.0.1", *echo, "--trailer=grpc-status: 0", "-d", scratch, "0", key, cert

    def saw(self, what, outcome, received):
        """Its log of the frames has no sums."""
        while "END_STREAM" not in self._line():
            pass


class H2o(Echoing):
    @staticmethod
    def command(words, scratch, cert, key, wrong):
        answer = "['wrong']" if wrong else "env['rack.input'] ? [env['rack.input'].read] : []"
        configuration = scratch / "h2o.conf"
        configuration.write_text(f"""
listen: {{ host: 127.0.0.1, port: 0, ssl: {{ certificate-file: {cert}, key-file: {key} }} }}
access-log: {{ path: /dev/stdout, format: "%U end %b" }}
hosts: {{ "*": {{ paths: {{ "/": {{ mruby.handler: "Proc.new {{ |env| [200, {{}}, {answer}] }}" }} }} }} }}
""")
        return *words, "-c", configuration


class Caddy(Echoing):
    @staticmethod
    def command(words, scratch, cert, key, wrong):
        configuration = scratch / "Caddyfile"
        configuration.write_text(f"""
{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2
  }}
}}
https://:0 {{
  bind 127.0.0.1
  tls {cert} {key}
  log {{
    output stdout
    format json
  }}
  respond "{'wrong' if wrong else '{http.request.body}'}"
}}
""")
        home = f"HOME={scratch}", f"XDG_CONFIG_HOME={scratch}"
        return "env", *home, *words, "run", "--adapter", "caddyfile", "--config", configuration

    @staticmethod
    def told(line):
        """What it has sent back is what had come."""
        seen = json.loads(line)
        return seen["request"]["uri"].split("?")[0], "end", seen["size"]


def built(name, program, version, **more):
    return Peer(name, version, server=(BUILT / f"{program}-server",), client=(BUILT / f"{program}-client",), **more)


A_STATUS = "gRPC's handlers end a call by a status in trailers, never by RST_STREAM"
PYTHON = "/usr/bin/python3"  # Debian's, whose grpcio is Debian's

UPLOADS_FIRST = "it answers only when the request has ended"
ECHOING = {"echo_interleaved": UPLOADS_FIRST, "half_close_theirs_first": UPLOADS_FIRST,
           "reset_by_client": UPLOADS_FIRST, "reset_by_server": "it resets no stream by itself"}
NO_TRAILERS = "its configuration has nothing that sends them"
A_WHOLE_BODY = "it reads the body from a file, before it sends the first byte"
JAVA_ANSWERS = "it hands over nothing of the answer before the request has ended"
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
    Peer("nghttpd", ("nghttpd", "--version"), kind=Nghttpd, server=("nghttpd",), server_cannot=ECHOING),
    Peer("h2o", ("h2o", "--version"), kind=H2o, server=("h2o",), server_cannot={"trailers": NO_TRAILERS, **ECHOING}),
    Peer("Caddy", ("caddy", "version"), kind=Caddy, server=("caddy",),
         server_cannot={"trailers": NO_TRAILERS, **ECHOING}),
    Peer("Node http2", ("node", "--version"), server=("node", PROGRAMS / "node/server.mjs"),
         client=("node", PROGRAMS / "node/client.mjs"), reset_code="INTERNAL_ERROR"),
    Peer("Java HttpClient", ("java", "-version"), client=("java", PROGRAMS / "java/Client.java"), client_cannot={
        "echo_interleaved": JAVA_ANSWERS, "reset_by_client": JAVA_ANSWERS,
        "trailers": "it has no way to send or to read them",
        "half_close_theirs_first": "JDK 17 waits for room for the rest of its body, with the whole answer and "
                                   "RST_STREAM(NO_ERROR) there to be read"}),
    Peer("Netty", pinned("java/pom.xml", r"netty-codec-http2</artifactId>\s*<version>([\d.]+\d)"),
         server=("java", "-cp", f"{BUILT}/java/*", PROGRAMS / "java/Server.java"), needs=BUILT / "java"),
    built("Rust h2", "h2", pinned("rust/Cargo.toml", r'h2 = "=(\S+)"')),
    built("tonic", "tonic", pinned("rust/Cargo.toml", r'tonic = { version = "=([^"]+)"'), grpc=True,
          server_cannot={"reset_by_server": A_STATUS},
          client_cannot={"reset_by_client": "it resets nothing when its user drops the answers, while there may be more "
                                            "messages"}),
    Peer("hypercorn", pinned("python/requirements.txt", r"hypercorn==(\S+)"), server_cannot={
        "half_close_theirs_first": "it ends the connection when more of the request comes after the end of its answer",
        "reset_by_server": "it resets no stream, and ends the connection if its application leaves an answer unfinished"},
         server=(BUILT / "venv/bin/python", PROGRAMS / "python/hypercorn_server.py")),
]
