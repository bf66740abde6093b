"""What is measured: tables of cells, and the programs that can be their rows."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cell:
    """One column of a table: a workload and its arguments."""
    title: str
    workload: str
    tls: bool = False
    size: int = 16
    streams: int = 1
    threads: int = 1
    # Whether `bench quick` measures it as well.
    quick: bool = True

    def arguments(self, seconds):
        text = [self.workload, "--size", str(self.size), "--streams", str(self.streams), "--seconds", f"{seconds:.3f}"]
        return text + (["--threads", str(self.threads)] if self.threads > 1 else [])


@dataclasses.dataclass(frozen=True)
class Table:
    name: str
    title: str
    # What a cell shows: `ratio` (rate; CPU against the base), `cpu` (µs of CPU a message), `rate` (messages a second
    # and against the base), `growth` (messages a second, and against one thread) or `memory` (kB each).
    shows: str
    base: str
    cells: tuple
    # Bulk uses a core a side; all else has both on one, where waking a sleeping core is not measured. Threads have
    # as many cores as there are of them, for both sides together.
    cores: int = 1
    # The rows are servers, all asked by the nghttp2 client.
    of_servers: bool = False
    # What the base does instead, for a workload that it does not have.
    base_cell: Cell = None
    quick: bool = True
    # Whether the programs of others take part.
    peers: bool = True


def both(title, workload, **rest):
    return (Cell(f"{title} clear", workload, **rest), Cell(f"{title} TLS", workload, tls=True, **rest))


KIB = 1024
BULK = both("up", "up") + both("down", "down") + both("both ways", "echo")
CONNECT = (Cell("full handshake", "connect", tls=True), Cell("resumed", "reconnect", tls=True))
IDLE = (Cell("10,000 streams", "idle", streams=10000),
        Cell("1,000 TLS connections", "idle-connections", tls=True, streams=1000))
MANY = (Cell("50,000 streams", "idle", streams=50000),
        Cell("10,000 TLS connections", "idle-connections", tls=True, streams=10000))
THREADS = tuple(Cell(f"{n} {kind}", "pingpong", streams=100, threads=n, tls=kind == "TLS")
                for kind in ("clear", "TLS") for n in (1, 2))
TABLES = (
    Table("pingpong", "One stream, ping-pong", "ratio", "raw",
          both("16 B", "pingpong") + both("1 KiB", "pingpong", size=KIB, quick=False) +
          both("64 KiB", "pingpong", size=64 * KIB)),
    Table("bulk", "Bulk, 64 KiB chunks", "ratio", "raw", BULK, cores=2),
    Table("many", "Many streams on one connection, 16 B each", "cpu", "raw",
          tuple(Cell(f"{n} clear", "pingpong", streams=n, quick=n in (100, 1000)) for n in (1, 10, 100, 1000, 10000)) +
          (Cell("100 TLS", "pingpong", streams=100, tls=True),
           Cell("1000 TLS", "pingpong", streams=1000, tls=True, quick=False))),
    Table("open", "Open, one message each way, close", "rate", "raw",
          both("1 at a time", "open") + both("100 at once", "open", streams=100),
          base_cell=Cell("", "pingpong")),
    Table("connect", "Connect with TLS, one message each way, disconnect", "rate", "raw", CONNECT),
    Table("threads", "Threads, each with a connection of 100 streams", "growth", "raw", THREADS, quick=False),
    Table("memory", "Memory of what is idle, kB each in the client", "memory", "raw", IDLE, quick=False),
    Table("servers", "Servers, asked by the nghttp2 client", "ratio", "nghttp2",
          both("16 B", "pingpong") + both("100 streams", "pingpong", streams=100) +
          both("open 100", "open", streams=100) + CONNECT, of_servers=True),
    Table("servers-bulk", "Servers in bulk, asked by the nghttp2 client", "ratio", "nghttp2", BULK, cores=2,
          of_servers=True, quick=False),
    Table("servers-threads", "Servers with threads, asked by as many of the nghttp2 client", "growth", "nghttp2", THREADS,
          of_servers=True, quick=False),
    Table("servers-memory", "Memory of what is idle, kB each in the server", "memory", "nghttp2", IDLE, of_servers=True,
          quick=False),
    Table("servers-scale", "As many as a server is built for, kB each in the server", "memory", "nghttp2", MANY,
          of_servers=True, quick=False, peers=False),
)

TITLES = {
    "raw": "raw socket / OpenSSL, blocking",
    "raw-epoll": "raw socket / OpenSSL, epoll",
    "nghttp2": "nghttp2 directly, blocking",
    "nghttp2-epoll": "nghttp2 directly, epoll",
    "duplex": "duplex",
    "duplex-blocking": "duplex, blocking",
    "duplex-callback": "duplex, callbacks",
    "duplex-coroutine": "duplex, coroutines",
    "grpc": "gRPC C++",
    "go": "Go net/http2",
    "grpc-go": "gRPC-Go",
    "rust": "Rust h2 + tokio",
}
SERVER_TITLES = {"nghttp2": "nghttp2 directly, epoll"}
CLIENTS = ("raw", "raw-epoll", "nghttp2", "nghttp2-epoll", "duplex-blocking", "duplex-callback", "duplex-coroutine")
SERVERS = ("nghttp2", "duplex")
PEER_CLIENTS = ("rust", "grpc", "go", "grpc-go")
PEER_SERVERS = ("rust", "grpc", "go", "grpc-go")
# Servers that take messages in gRPC's framing only: the client frames.
GRPC_SERVERS = ("grpc", "grpc-go")


def title_of(row, table):
    return table.of_servers and SERVER_TITLES.get(row) or TITLES[row]


# Combinations that mean nothing, are another row's, or are not there.
NO_STREAMS = "has no streams"
LACKS = {
    "raw": {"open": NO_STREAMS, "idle": NO_STREAMS},
    "raw-epoll": {"open": NO_STREAMS, "idle": NO_STREAMS, "idle-connections": "as blocking", "echo": "as blocking"},
    "nghttp2-epoll": {"idle": "as blocking", "idle-connections": "as blocking", "up": "as blocking",
                      "echo": "as blocking"},
}


def lacks(client, cell):
    """Why the client cannot be in the cell, or None."""
    return LACKS.get(client, {}).get(cell.workload)
