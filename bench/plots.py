#!/usr/bin/env python3
"""Draws what bench/run measured, which comes by stdin: plots.py FOLDER. Prints the names of the tables that it drew."""

import json
import pathlib
import re
import sys

import matplotlib
import matplotlib.pyplot as plt

import cases
import tables

# A colour for each library, a marker for its styles.
STYLES = {
    "raw": ("#999999", "o"), "raw-epoll": ("#999999", "x"), "nghttp2": ("#444444", "o"), "nghttp2-epoll": ("#444444", "x"),
    "duplex": ("#1f5fa8", "D"), "duplex-blocking": ("#1f5fa8", "D"), "duplex-callback": ("#1f5fa8", "^"),
    "duplex-coroutine": ("#1f5fa8", "s"), "rust": ("#c7622b", "o"), "grpc": ("#2e8b57", "o"), "go": ("#b8a12a", "o"),
    "grpc-go": ("#7a6fb0", "o"),
}
# What a point is, and the words for it.
AXES = {
    "ratio": ("faster", "rate, of that of {base}", "linear"),
    "rate": ("rate", "a second", "log"),
    "cpu": ("cpu", "µs of CPU a message", "log"),
    "growth": ("rate", "messages a second", "log"),
}


def draw(table, rows, file):
    value, label, scale = AXES[table.shows]
    cells = [c for c in table.cells if any(c.title in r["cells"] for r in rows.values())]
    figure, axes = plt.subplots(figsize=(7, 0.8 + 0.3 * max(len(cells), 0.7 * len(rows))))
    for row in tables.in_order(table, rows):
        points = [(rows[row]["cells"][c.title].get(value), i) for i, c in enumerate(cells) if c.title in rows[row]["cells"]]
        points = [p for p in points if p[0] is not None]
        colour, marker = STYLES[row]
        axes.plot([x for x, _ in points], [y for _, y in points], marker, color=colour, markersize=6,
                  label=cases.title_of(row, table))
    axes.set_xscale(scale)
    if scale == "linear":
        axes.set_xlim(left=0)
    axes.set_yticks(range(len(cells)), [c.title for c in cells])
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_xlabel(label.format(base=cases.title_of(table.base, table)))
    axes.minorticks_off()
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    plt.close(figure)
    file.write_text(smaller(file.read_text()))


def smaller(svg):
    """A group a line, the style of a marker where it is defined, and a tenth of a point is enough."""
    svg = re.sub(r"(?<=[\dz]) ?\n(?=[MLCz\"])", " ", svg)
    svg = re.sub(r"\s*<!-- [^>]* -->|\s*\n *(?=<(use|/|text|tspan|path|defs))", "", svg)
    svg = re.sub(r'(<path id="m[^>]*style=")stroke: (#\w+)', r"\1fill: \2; stroke: \2", svg)
    svg = re.sub(r'(<use [^>]*?) style="[^"]*"', r"\1", svg)
    return re.sub(r"(\d\.\d)\d+", r"\1", svg)


def main():
    matplotlib.use("svg")
    # The same numbers give the same file; text stays text.
    matplotlib.rcParams.update({"svg.hashsalt": "duplex", "svg.fonttype": "none", "font.size": 9})
    measured = json.load(sys.stdin)["tables"]
    for table in cases.TABLES:
        if table.name in measured and table.shows in AXES and len(table.cells) > 2:
            draw(table, measured[table.name], pathlib.Path(sys.argv[1]) / f"{table.name}.svg")
            print(table.name)


if __name__ == "__main__":
    main()
