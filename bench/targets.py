"""What the client is to reach, and the table that shows how far it is: against the raw rows, and against the best peers.

A target that nghttp2 used directly misses as well is out of reach for what stands on it: its figure is beside ours.
"""

import dataclasses

import cases

BLOCKING = ("duplex-blocking",)
CALLBACKS = ("duplex-callback",)
COROUTINES = ("duplex-coroutine",)
COUNTED = ("met", "missed", "out of reach")
STYLES = BLOCKING + CALLBACKS + COROUTINES
ENGINE = "nghttp2"

SMALL = ("16 B clear", "16 B TLS", "1 KiB clear", "1 KiB TLS")
LARGE = ("64 KiB clear", "64 KiB TLS")
BULK_CLEAR = ("up clear", "down clear", "both ways clear")
BULK_TLS = ("up TLS", "down TLS", "both ways TLS")
MANY_CLEAR = ("100 clear", "1000 clear")
MANY_TLS = ("100 TLS", "1000 TLS")
ONE = ("1 at a time clear", "1 at a time TLS")
HUNDRED = ("100 at once clear", "100 at once TLS")
IDLE_STREAM = ("10,000 streams",)
IDLE_CONNECTION = ("1,000 TLS connections",)


@dataclasses.dataclass(frozen=True)
class Target:
    title: str
    table: str
    cells: tuple
    rows: tuple
    # Of a cell's numbers: `faster` and `costs` are against the raw row, `rate`, `cpu` (µs) and `kb` are absolute.
    number: str
    limit: float
    # Against what, if not the raw row: the figure is then how many times better than that peer.
    peer: str = None
    unit: str = ""

    @property
    def at_most(self):
        return not self.peer and self.number in ("costs", "cpu", "kb")

    def met(self, figure):
        figure = round(figure, 2)
        return figure <= self.limit if self.at_most else figure >= self.limit

    def figure(self, rows, row, cell):
        own = rows.get(row, {}).get("cells", {}).get(cell, {}).get(self.number)
        if own is None or not self.peer:
            return own
        peer = rows.get(self.peer, {}).get("cells", {}).get(cell, {}).get(self.number)
        if peer is None:
            return None
        return own / peer if self.number == "rate" else peer / own

    def says(self):
        wanted = f"{'≤' if self.at_most else '≥'} {self.limit:g}"
        return f"{self.title} {wanted}{self.unit}" + (f" {cases.TITLES[self.peer]}" if self.peer else "")


def against(title, table, cells, rows, number, **limits):
    """Targets against peers: so many times their rate, or a part of what they take."""
    return tuple(Target(title, table, cells, rows, number, limit, peer.replace("_", "-"), " times")
                 for peer, limit in limits.items())


TARGETS = (
    Target("ping-pong: rate", "pingpong", SMALL, BLOCKING, "faster", .80),
    Target("ping-pong: rate", "pingpong", SMALL, CALLBACKS, "faster", .75),
    Target("ping-pong: rate", "pingpong", SMALL, COROUTINES, "faster", .70),
    Target("ping-pong: CPU", "pingpong", SMALL, BLOCKING, "costs", 1.35),
    *against("ping-pong: rate", "pingpong", SMALL, BLOCKING, "rate", rust=1.25, grpc=1.7),
    *against("ping-pong: rate", "pingpong", SMALL, CALLBACKS, "rate", rust=1.15),
    *against("ping-pong: rate", "pingpong", SMALL, COROUTINES, "rate", rust=1.1),
    Target("64 KiB messages: CPU", "pingpong", LARGE[:1], STYLES, "costs", 1.6),
    Target("64 KiB messages: CPU", "pingpong", LARGE[1:], STYLES, "costs", 1.25),
    *against("64 KiB messages: rate", "pingpong", LARGE, CALLBACKS, "rate", rust=1.3, grpc=1.3, go=1.3, grpc_go=1.3),
    Target("bulk: rate", "bulk", (BULK_CLEAR[0], BULK_CLEAR[2]), STYLES, "faster", .95),
    Target("bulk: rate", "bulk", BULK_CLEAR[1:2], STYLES, "faster", .85),
    Target("bulk: rate", "bulk", BULK_TLS[:2], STYLES, "faster", .95),
    Target("bulk: rate", "bulk", BULK_TLS[2:], STYLES, "faster", .90),
    *against("bulk: rate", "bulk", BULK_CLEAR, CALLBACKS, "rate", grpc=1.3),
    *against("bulk: rate", "bulk", BULK_TLS, CALLBACKS, "rate", grpc=1.15),
    Target("many streams: CPU", "many", MANY_CLEAR, CALLBACKS + COROUTINES, "cpu", .9, unit=" µs"),
    Target("many streams: CPU", "many", MANY_TLS, CALLBACKS + COROUTINES, "cpu", 1.0, unit=" µs"),
    *against("many streams: CPU", "many", MANY_CLEAR + MANY_TLS, CALLBACKS, "cpu", rust=1.25, grpc=15, go=15),
    Target("open and close: of a raw round trip", "open", ONE, STYLES, "faster", .60),
    *against("open and close: rate", "open", ONE, CALLBACKS, "rate", rust=1.5),
    *against("open and close: rate", "open", HUNDRED, CALLBACKS, "rate", grpc=10),
    Target("idle stream:", "memory", IDLE_STREAM, STYLES, "kb", 1, unit=" kB"),
    Target("idle TLS connection:", "memory", IDLE_CONNECTION, STYLES, "kb", 48, unit=" kB"),
    *against("idle stream:", "memory", IDLE_STREAM, CALLBACKS, "kb", rust=1),
    *against("idle TLS connection:", "memory", IDLE_CONNECTION, CALLBACKS, "kb", go=1),
)


def shown(target, rows, row):
    """Our figures with those that miss in bold, or none."""
    figures = [target.figure(rows, row, cell) for cell in target.cells]
    texts = ["-" if f is None else f"{f:.2f}" if target.met(f) else f"**{f:.2f}**" for f in figures]
    return "; ".join(texts) if any(f is not None for f in figures) else ""


def verdict(target, rows, row):
    """One of COUNTED."""
    missed = [cell for cell in target.cells
              if (f := target.figure(rows, row, cell)) is not None and not target.met(f)]
    if not missed:
        return "met"
    engine = [target.figure(rows, ENGINE, cell) for cell in missed]
    out_of_reach = all(f is not None and not target.met(f) for f in engine)
    return "out of reach" if out_of_reach else "missed"


def markdown(tables):
    """`tables[name]` are the rows of a table, as `results` keeps them."""
    lines = ["| target | style | where | duplex | nghttp2 directly | |", "|---" * 6 + "|"]
    count = dict.fromkeys(COUNTED, 0)
    for target in TARGETS:
        rows = tables.get(target.table, {})
        for row in target.rows:
            own = shown(target, rows, row)
            if not own:
                continue
            how = verdict(target, rows, row)
            count[how] += 1
            style = cases.TITLES[row].removeprefix("duplex, ")
            lines.append(f"| {target.says()} | {style} | {'; '.join(target.cells)} | {own} | "
                         f"{shown(target, rows, ENGINE) or '-'} | {how} |")
    total = sum(count.values())
    return (f"Of {total} targets {count['met']} are met everywhere, {count['missed']} missed somewhere, and "
            f"{count['out of reach']} are out of reach: where we miss them, so does nghttp2 used directly. A figure that "
            "misses is bold; against a peer it is how many times better than the peer. The targets were set with older "
            "peers (h2 0.3, Go 1.19) and are kept as they were: "
            "[ADR 22](adr/0022-targets-beyond-the-engine.md).\n\n" + "\n".join(lines))
