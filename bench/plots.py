#!/usr/bin/env python3
"""Draws what bench/run measured, which comes by stdin: plots.py FOLDER. Prints the names of the tables that it drew."""

import json
import pathlib
import sys

import matplotlib
import matplotlib.pyplot as plt

import cases
import tables

COLOURS = {
    "raw": "#999999", "nghttp2": "#555555",
    "duplex": "#1f5fa8", "duplex-blocking": "#1f5fa8", "duplex-callback": "#4d8fd6", "duplex-coroutine": "#94bfec",
    "rust": "#c7622b", "grpc": "#2e8b57", "go": "#b8a12a", "grpc-go": "#7a6fb0",
}


def value(table, samples, base):
    if table.shows == "ratio":
        return tables.against(samples, base, tables.rate)
    if table.shows == "rate":
        return tables.median(samples, tables.rate)
    return tables.median(samples, lambda s: tables.cpu(s, table.of_servers) * 1e6)


AXES = {"ratio": "rate, of that of {base}", "rate": "a second", "cpu": "µs of CPU a message, logarithmic"}


def draw(table, results, folder):
    cells = [c for c in table.cells if c.title in results]
    rows = [r for r in tables.rows_of(table, results) if any(any(results[c.title].get(r, [])) for c in cells)]
    height = 0.8 / len(rows)
    figure, axes = plt.subplots(figsize=(8, 0.5 + 0.17 * len(rows) * len(cells)))
    for i, row in enumerate(rows):
        places, values = [], []
        for j, cell in enumerate(cells):
            of_cell = results[cell.title]
            shown = value(table, of_cell.get(row, []), of_cell.get(table.base, []))
            if shown is not None:
                places.append(j + i * height)
                values.append(shown)
        axes.barh(places, values, height, label=cases.TITLES[row], color=COLOURS[row], align="edge")
    if table.shows == "cpu":
        axes.set_xscale("log")
    axes.set_yticks([j + 0.4 for j in range(len(cells))], [c.title for c in cells])
    axes.invert_yaxis()
    axes.set_xlabel(AXES[table.shows].format(base=cases.TITLES[table.base]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(folder / f"{table.name}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def main():
    matplotlib.use("svg")
    # The same numbers give the same file; text stays text.
    matplotlib.rcParams.update({"svg.hashsalt": "duplex", "svg.fonttype": "none", "font.size": 9})
    measured = json.load(sys.stdin)["tables"]
    for table in cases.TABLES:
        if table.name in measured and table.shows in AXES:
            draw(table, measured[table.name], pathlib.Path(sys.argv[1]))
            print(table.name)


if __name__ == "__main__":
    main()
