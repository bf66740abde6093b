"""From samples to tables: medians, and ratios to the base of the same round."""

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


def median(samples, value):
    values = [value(s) for s in samples if s]
    return statistics.median(values) if values else None


def short(number):
    if number is None:
        return "-"
    if number >= 1000:
        return f"{number / 1000:.1f}k" if number < 100000 else f"{number / 1000:.0f}k"
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def spread(samples, value):
    """Half the distance of the quartiles, relative to the median: how far to trust a cell."""
    values = sorted(value(s) for s in samples if s)
    if len(values) < 3:
        return 0
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    return (quartiles[2] - quartiles[0]) / 2 / statistics.median(values)


def show(table, samples, base):
    """The text of one cell."""
    if not any(samples):
        return "-"
    if table.shows == "memory":
        return short(median(samples, lambda s: s["server_kb_each" if table.of_servers else "kb_each"]))
    if table.shows == "cpu":
        return f"{median(samples, lambda s: cpu(s, table.of_servers)) * 1e6:.2f}"
    faster = against(samples, base, rate)
    relative = "-" if faster is None else f"{faster:.2f}"
    if table.shows == "rate":
        return f"{short(median(samples, rate))}/s; {relative}"
    costs = against(samples, base, lambda s: cpu(s, table.of_servers))
    return f"{relative}; {'-' if costs is None else f'{costs:.2f}'}"


LEGENDS = {
    "ratio": "rate; CPU for a message, both against {base}",
    "cpu": "µs of CPU for a message",
    "rate": "rate; and against {base}",
    "memory": "kB",
}


def rows_of(table, samples):
    """The rows that were measured, in the order in which they were."""
    return list(dict.fromkeys(row for cell in table.cells for row in samples.get(cell.title, ())))


def markdown(table, samples):
    """`samples[cell title][row]` is a list with a sample, or none, for each round."""
    rows = rows_of(table, samples)
    base_title = cases.TITLES[table.base].split(",")[0]
    if table.base_cell:
        base_title += ", a round trip"
    legend = LEGENDS[table.shows].format(base=base_title)
    lines = [f"| {table.title} ({legend}) | " + " | ".join(c.title for c in table.cells) + " |",
             "|---" * (len(table.cells) + 1) + "|"]
    noise = []
    for row in rows:
        texts = []
        for cell in table.cells:
            of_cell = samples.get(cell.title, {})
            own = of_cell.get(row, [])
            texts.append(show(table, own, of_cell.get(table.base, [])))
            if table.shows != "memory" and any(own):
                noise.append(spread(own, rate))
        if any(t != "-" for t in texts):
            lines.append(f"| {cases.TITLES[row]} | " + " | ".join(texts) + " |")
    if noise:
        lines += ["", f"Half the distance of a cell's quartiles: {statistics.median(noise):.0%} of its rate in the "
                      f"median, {max(noise):.0%} in the worst."]
    return "\n".join(lines)
