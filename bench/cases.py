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

    def arguments(self, seconds):
        return [self.workload, "--size", str(self.size), "--streams", str(self.streams), "--seconds", str(seconds)]


@dataclasses.dataclass(frozen=True)
class Table:
    name: str
    title: str
    # What a cell shows: `ratio` (rate; CPU against the base), `cpu` (µs of CPU a message), `rate` (messages a second
    # and against the base) or `memory` (kB each).
    shows: str
    base: str
    cells: tuple
    # Bulk uses a core a side; all else has both on one, where waking a sleeping core is not measured.
    cores: int = 1
    # The rows are servers, all asked by the nghttp2 client.
    of_servers: bool = False
    # What the base does instead, for a workload that it does not have.
    base_cell: Cell = None


def both(title, workload, **rest):
    return (Cell(f"{title} clear", workload, **rest), Cell(f"{title} TLS", workload, tls=True, **rest))


KIB = 1024
TABLES = (
    Table("pingpong", "One stream, ping-pong", "ratio", "raw",
          both("16 B", "pingpong") + both("1 KiB", "pingpong", size=KIB) + both("64 KiB", "pingpong", size=64 * KIB)),
    Table("bulk", "Bulk, 64 KiB chunks", "ratio", "raw", both("up", "up") + both("down", "down") + both("echo", "echo"),
          cores=2),
    Table("many", "Many streams on one connection, 16 B each", "cpu", "raw",
          both("100", "pingpong", streams=100) + both("1000", "pingpong", streams=1000)),
    Table("open", "Open, one message each way, close", "rate", "raw",
          both("1 at a time", "open") + both("100 at once", "open", streams=100),
          base_cell=Cell("", "pingpong")),
    Table("connect", "Connect, one message each way, disconnect", "rate", "raw", (Cell("TLS", "connect", tls=True),)),
    Table("memory", "Memory of what is idle, kB each in the client", "memory", "raw",
          (Cell("10,000 streams", "idle", streams=10000),
           Cell("1,000 TLS connections", "idle-connections", tls=True, streams=1000))),
    Table("servers", "Servers, asked by the nghttp2 client", "ratio", "nghttp2",
          both("16 B", "pingpong") + both("100 streams", "pingpong", streams=100) +
          both("open 100", "open", streams=100), of_servers=True),
    Table("servers-bulk", "Servers in bulk, asked by the nghttp2 client", "ratio", "nghttp2",
          both("up", "up") + both("down", "down") + both("echo", "echo"), cores=2, of_servers=True),
    Table("servers-memory", "Memory of what is idle, kB each in the server", "memory", "nghttp2",
          (Cell("10,000 streams", "idle", streams=10000),
           Cell("1,000 TLS connections", "idle-connections", tls=True, streams=1000)), of_servers=True),
)

TITLES = {
    "raw": "raw blocking socket / OpenSSL",
    "nghttp2": "nghttp2 directly",
    "duplex": "duplex",
    "duplex-blocking": "duplex, blocking",
    "duplex-callback": "duplex, callbacks",
    "duplex-coroutine": "duplex, coroutines",
    "grpc": "gRPC C++",
    "go": "Go net/http2",
    "grpc-go": "gRPC-Go",
    "rust": "Rust h2 + tokio",
}
CLIENTS = ("raw", "nghttp2", "duplex-blocking", "duplex-callback", "duplex-coroutine")
SERVERS = ("nghttp2", "duplex")
PEER_CLIENTS = ("rust", "grpc", "go", "grpc-go")
PEER_SERVERS = ("rust", "go")

# Combinations that mean nothing, or that the program was not written for.
LACKS = {
    "raw": {"open", "idle"},
    "duplex-callback": {"connect", "idle", "idle-connections"},
}


def has(client, cell):
    return cell.workload not in LACKS.get(client, ())
