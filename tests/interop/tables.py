"""The tables of what a run found, in Markdown."""
import subprocess

HEAD = """# With whom it works

`./dev interop matrix` writes this file: it installs the peers, runs each cell, and fails if one does. Everything is HTTP/2
over TLS (ALPN), on the loopback device; behind a proxy in cleartext. What this was: {version}.

| case | what it is |
|---|---|
| unary | a short request, a short answer |
| echo interleaved | five messages on one stream, each sent when the one before has come back |
| ten megabytes | both ways at once, on one stream |
| trailers | of the answer, and of the request where the peer has a way to send or read them |
| half close, ours first | the client ends its side, and only then comes the answer |
| half close, theirs first | the server ends its side while the request is still open |
| reset by client, by server | RST_STREAM amid an echo, seen with its code by the other side; the connection lives on |

The server says what it has seen of each request, and a cell passes only if both sides agree. `--wrong` asks everybody for
the wrong thing, and then none may pass. A number in brackets is a note, below.
"""


def text(name):
    return name.replace("half_close_", "half close, ").replace("_", " ")


class Notes:
    def __init__(self):
        self.texts = []

    def mark(self, words):
        if words not in self.texts:
            self.texts.append(words)
        return f" [{self.texts.index(words) + 1}]"


def table(title, rows, notes):
    cells = list(rows[0][2]) if rows else []
    lines = [f"\n## {title}\n", "| | " + " | ".join(text(cell) for cell in cells) + " |",
             "|---|" + "---|" * len(cells)]
    for name, version, results in rows:
        shown = [f"{'**FAIL**' if outcome == 'fail' else outcome}{notes.mark(words) if words else ''}"
                 for outcome, words in results.values()]
        lines.append(f"| {name.partition('.')[2]} {version} | ".replace("  ", " ") + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def write(path, duplex, found):
    version = subprocess.run([duplex, "--version"], capture_output=True, text=True).stdout.strip()
    notes = Notes()
    out = HEAD.format(version=version)
    for title, rows in found:
        if rows:
            out += table(title, rows, notes)
    out += "\n## Notes\n\n" + "".join(f"{number}. {words}\n" for number, words in enumerate(notes.texts, 1))
    path.write_text(out)
