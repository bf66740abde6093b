"""Puts tables and plots between markers of docs/performance.md. What is outside of the markers is left alone."""

import json
import pathlib
import re
import subprocess
import sys

import cases
import tables

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "performance.md"
PLOTS = DOCS / "performance"

INTRODUCTION = """# Performance

Every client does the same work against the same server: raw sockets against a raw server, everything that speaks HTTP/2
against nghttp2 driven directly by epoll. Loopback, one client at a time. Rounds are interleaved (A B C A B C …), ratios
are taken within a round, and the median of the rounds is shown, so that what disturbs the machine disturbs all alike.
Client and server share a core, where waking a sleeping one is not measured; bulk has a core a side. CPU is that of the
process under test, by getrusage. A table of servers swaps the roles: the nghttp2 client asks each of them.

The raw rows are the limit: blocking calls on a socket, or OpenSSL on one, and no protocol at all. With many streams they
send all messages in one write.

To measure again: `./dev bench --write`, or one table of it by the command under it. `./dev bench quick` takes two
minutes. The programs are in `bench/`.
"""


def facts(record):
    f = record["facts"]
    return (f"{f['date']}, {f['machine']}, load {f['load']:.1f} from others when it began; "
            f"medians of {f['rounds']} rounds of {f['seconds']:g} s.")


def replace(text, name, content):
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    block = f"{begin}\n{content}\n{end}"
    if begin not in text:
        return text.rstrip() + "\n\n" + block + "\n"
    return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: block, text, flags=re.S)


def can_plot(python):
    try:
        return subprocess.run([python, "-c", "import matplotlib"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def plot(record):
    """The tables of which there is a plot now."""
    for python in (sys.executable, "/usr/bin/python3"):
        if can_plot(python):
            PLOTS.mkdir(exist_ok=True)
            script = pathlib.Path(__file__).with_name("plots.py")
            done = subprocess.run([python, "-B", script, PLOTS], check=True, text=True, input=json.dumps(record),
                                  stdout=subprocess.PIPE)
            return done.stdout.split()
    return []


def section(table, record, has_plot):
    f = record["facts"]
    lines = [f"## {table.title}", "", tables.markdown(table, record["tables"][table.name]), ""]
    if has_plot:
        lines += [f"![{table.title}](performance/{table.name}.svg)", ""]
    lines.append(f"`./dev bench --only {table.name} --rounds {f['rounds']} --seconds {f['seconds']:g}`")
    return "\n".join(lines)


def write(record):
    page = PAGE.read_text() if PAGE.exists() else INTRODUCTION
    page = replace(page, "facts", "Last measured " + facts(record))
    plotted = plot(record)
    for table in cases.TABLES:
        if table.name in record["tables"]:
            page = replace(page, table.name, section(table, record, table.name in plotted))
    if record["skipped"]:
        page = replace(page, "skipped", "Not measured:\n\n" + "\n".join(f"- {reason}" for reason in record["skipped"]))
    PAGE.write_text(page)
    print(f"wrote {PAGE}" + ("" if plotted else "; no plots: python3-matplotlib is missing"))
