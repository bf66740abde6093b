"""What was measured, as docs/performance/results.json keeps it: by table and row, so that a part can be measured again."""

import json
import pathlib

import cases

FILE = pathlib.Path(__file__).resolve().parent.parent / "docs/performance/results.json"


def empty(machine):
    return {"machine": machine, "tables": {}, "skipped": []}


def load():
    return json.loads(FILE.read_text()) if FILE.exists() else None


def save(record):
    """A row a line."""
    def line(value):
        return json.dumps(value, ensure_ascii=False)

    tables = []
    for name, rows in record["tables"].items():
        tables.append(f"  {line(name)}: {{\n" + ",\n".join(f"   {line(r)}: {line(v)}" for r, v in rows.items()) + "}")
    skipped = ",\n".join(f"  {line(s)}" for s in record["skipped"])
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(f'{{\n "machine": {line(record["machine"])},\n "tables": {{\n' + ",\n".join(tables) +
                    f'}},\n "skipped": [\n{skipped}]\n}}\n')


def merge(old, new, asked):
    """The old record, and instead of what was measured again the new. `asked` are the rows, or None for all: a base
    that was measured for their sake replaces none."""
    tables = {name: dict(rows) for name, rows in old["tables"].items()}
    for name, rows in new["tables"].items():
        own = tables.setdefault(name, {})
        own.update({row: m for row, m in rows.items() if not asked or row in asked or row not in own})
    again = {(name, row) for name, rows in new["tables"].items() for row in asked or cases.TITLES}
    skipped = [s for s in old["skipped"] if (s["table"], s["row"]) not in again]
    skipped += [s for s in new["skipped"] if s not in skipped]
    return {"machine": new["machine"], "tables": tables, "skipped": skipped}
