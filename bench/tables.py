"""From samples to medians, and from those to tables.

A row's cell is a few numbers: `rate` (messages a second), `cpu` (µs a message), the same two against the base's sample
of the same round (`faster`, `costs`), and `noise`; or `kb`. A row that is measured again later stands on its own.
"""

import statistics

import cases


def rate(sample):
    return sample["messages"] / sample["seconds"]


def cpu(sample, of_server):
    return sample["server_cpu" if of_server else "cpu"] / sample["messages"]


def against(samples, base, value):
    """The median of the ratios round by round: what disturbs a round disturbs both."""
    pairs = [(value(s), value(b)) for s, b in zip(samples, base) if s and b]
    ratios = [s / b for s, b in pairs if b]
    return statistics.median(ratios) if ratios else None


def noise(samples):
    """Half the distance of the quartiles, relative to the median: how far to trust a cell."""
    values = [rate(s) for s in samples if s]
    if len(values) < 3:
        return 0
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    return (quartiles[2] - quartiles[0]) / 2 / statistics.median(values)


def summary(table, samples, base):
    """The numbers of one cell, of `samples` with one or None for each round; None without any."""
    good = [s for s in samples if s]
    if not good:
        return None
    if table.shows == "memory":
        numbers = {"kb": statistics.median(s["server_kb_each" if table.of_servers else "kb_each"] for s in good)}
    else:
        numbers = {
            "rate": statistics.median(map(rate, good)),
            "cpu": statistics.median(cpu(s, table.of_servers) for s in good) * 1e6,
            "faster": against(samples, base, rate),
            "costs": against(samples, base, lambda s: cpu(s, table.of_servers)),
            "noise": noise(samples),
        }
    return {name: float(f"{n:.4g}") for name, n in numbers.items() if n is not None}


def short(number):
    if number >= 1000:
        return f"{number / 1000:.1f}k" if number < 100000 else f"{number / 1000:.0f}k"
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def growth(table, cell, cells):
    """The rate against that of one thread."""
    one = next(c for c in table.cells if c.tls == cell.tls)
    return cells[cell.title]["rate"] / cells[one.title]["rate"] if one.title in cells else None


def show(table, cell, cells):
    """The text of one cell of a row."""
    own = cells.get(cell.title)
    if not own:
        return "-"
    def ratio(n):
        return "-" if n is None else f"{n:.2f}"
    if table.shows == "memory":
        return short(own["kb"])
    if table.shows == "cpu":
        return f"{own['cpu']:.2f}"
    if table.shows == "rate":
        return f"{short(own['rate'])}/s; {ratio(own.get('faster'))}"
    if table.shows == "growth":
        return f"{short(own['rate'])}/s; {ratio(growth(table, cell, cells))}"
    return f"{ratio(own.get('faster'))}; {ratio(own.get('costs'))}"


LEGENDS = {
    "ratio": "rate; CPU for a message, both against {base}",
    "cpu": "µs of CPU for a message",
    "rate": "rate; and against {base}",
    "growth": "rate; and against one thread",
    "memory": "kB",
}


def in_order(table, rows):
    return [r for r in cases.TITLES if r in rows]


def markdown(table, rows):
    """`rows[row]` is {"date": …, "cells": {cell title: numbers}}."""
    base_title = cases.title_of(table.base, table) + (", a round trip" if table.base_cell else "")
    cells = [c for c in table.cells if any(c.title in r["cells"] for r in rows.values())]
    legend = LEGENDS[table.shows].format(base=base_title)
    lines = [f"| {table.title} ({legend}) | " + " | ".join(c.title for c in cells) + " |",
             "|---" * (len(cells) + 1) + "|"]
    for row in in_order(table, rows):
        texts = [show(table, c, rows[row]["cells"]) for c in cells]
        if any(t != "-" for t in texts):
            lines.append(f"| {cases.title_of(row, table)} | " + " | ".join(texts) + " |")
    noises = [n["noise"] for r in rows.values() for n in r["cells"].values() if "noise" in n]
    if noises:
        lines += ["", f"Half the distance of a cell's quartiles: {statistics.median(noises):.0%} of its rate in the "
                      f"median, {max(noises):.0%} in the worst."]
    return "\n".join(lines)
