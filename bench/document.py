"""Writes docs/performance.md and its plots from what was measured."""

import json
import pathlib
import subprocess
import sys

import cases
import tables
import targets

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "performance.md"
PLOTS = DOCS / "performance"

INTRODUCTION = """# Performance

<!-- written by ./dev bench -->

Every client does the same work against the same server: raw sockets against a raw server, everything that speaks HTTP/2
against nghttp2 driven directly by epoll. Loopback, one client at a time. Rounds are interleaved (A B C A B C …), ratios
are taken within a round, and the median of the rounds is shown, so that what disturbs the machine disturbs all alike.
Rates in messages or connections a second say what this machine did on that day; the ratios are what to compare.

Client and server share a core, where waking a sleeping one is not measured; bulk has a core a side, two threads have two
cores for both sides. CPU is that of the process under test. A table of servers swaps the roles: the nghttp2 client asks
each of them, in gRPC's framing those of gRPC. Every program takes the defaults of its library, but for windows of 16 MiB
where they can be set and are not duplex's.

The raw rows are the limit: a socket, or OpenSSL on one, and no protocol at all. With many streams they send all messages
in one write. hyper and tonic stand on h2, which is measured itself.

`./dev bench` measures all of it again and writes this page; the command under a table that table alone. With
`--rows NAME,…` it is some of its rows, beside the base; `--list` has the names. `./dev bench quick` takes two minutes and
writes nothing. The programs are in `bench/`. What made duplex faster, and what did not, is in
[optimisations.md](optimisations.md).
"""


def can_plot(python):
    try:
        return subprocess.run([python, "-c", "import matplotlib"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def plot(record):
    """The tables of which there is a plot now."""
    for python in (sys.executable, "/usr/bin/python3"):
        if can_plot(python):
            script = pathlib.Path(__file__).with_name("plots.py")
            done = subprocess.run([python, "-B", script, PLOTS], check=True, text=True, input=json.dumps(record),
                                  stdout=subprocess.PIPE)
            return done.stdout.split()
    return []


def how(row):
    return f"{row['date']}, {row['rounds']} rounds of {row['seconds']:g} s, load {row['load']:.1f} when it began"


def section(table, rows, has_plot):
    lines = [f"## {table.title}", "", tables.markdown(table, rows), ""]
    if has_plot:
        lines += [f"![{table.title}](performance/{table.name}.svg)", ""]
    runs = {}
    for row in tables.in_order(table, rows):
        runs.setdefault(how(rows[row]), []).append(cases.title_of(row, table))
    usual = max(runs, key=lambda run: len(runs[run]))
    lines.append(f"`./dev bench --only {table.name} --write` ({usual})" +
                 "".join(f"; {', '.join(names)}: {run}" for run, names in runs.items() if run != usual))
    return "\n".join(lines)


def said(skipped):
    """A line for each reason."""
    grouped = {}
    for s in skipped:
        where = f"{s['table']} {s['cell']}".strip() if s["cell"] else s["table"]
        grouped.setdefault((s["title"], s["why"]), []).append(where)
    return [f"{title}: {why} ({', '.join(dict.fromkeys(places))})" for (title, why), places in grouped.items()]


def write(record, measured=True):
    plotted = plot(record)
    if not plotted and not measured:
        plotted = [file.stem for file in PLOTS.glob("*.svg")]  # they are of the same record
    parts = [INTRODUCTION.rstrip(), f"The machine: {record['machine']}."]
    parts.append("## Against the targets\n\n" + targets.markdown(record["tables"]) +
                 "\n\nFrom the tables below: `./dev bench --redraw` writes it without measuring.")
    parts += [section(t, record["tables"][t.name], t.name in plotted) for t in cases.TABLES
              if t.name in record["tables"]]
    if record["skipped"]:
        parts.append("## Not measured\n\n" + "\n".join(f"- {line}" for line in said(record["skipped"])))
    PAGE.write_text("\n\n".join(parts) + "\n")
    print(f"wrote {PAGE}" + ("" if plotted else "; no plots: python3-matplotlib is missing"))
