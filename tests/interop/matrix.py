#!/usr/bin/python3
"""Every peer with every case: our client against their servers, their clients against our server, and through proxies.

usage: matrix.py PATH_OF_DUPLEX [--write FILE] [--only PART_OF_A_NAME] [--wrong]

--write FILE  writes the tables there
--wrong       asks everybody for the wrong thing: every cell has to fail, or it proves nothing
"""
import argparse
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import cells
import harness as the_harness
import peers
import reverse_proxies
import tables
from harness import Harness, Wrong

CASE = 60  # seconds that any one case may take
NAMES = [cell.__name__ for cell in cells.ALL]

# What our server sees of a case of theirs, which they send alike: path, outcome, bytes; in gRPC each message has five more.
SEEN = {
    "unary": ("/echo", "end", 5), "echo_interleaved": ("/echo", "end", 45),
    "ten_megabytes": ("/echo", "end", cells.TEN_MEGABYTES), "trailers": ("/echo", "end", 7),
    "half_close_ours_first": ("/sink", "end", 10), "half_close_theirs_first": ("/source", "end", None),
    "reset_by_client": ("/echo", "reset", 9), "reset_by_server": ("/reset/CANCEL", "canceled", None)}
SEEN_GRPC = {
    "unary": ("/interop/echo", "end", 10), "echo_interleaved": ("/interop/echo", "end", 70),
    "ten_megabytes": ("/interop/echo", "end", cells.TEN_MEGABYTES + 160 * 5), "trailers": ("/interop/echo", "end", 12),
    "half_close_ours_first": ("/interop/echo", "end", 70), "half_close_theirs_first": ("/trailers-only", "end", None),
    "reset_by_client": ("/interop/echo", "reset", 14), "reset_by_server": ("/reset/ENHANCE_YOUR_CALM", "canceled", None)}

WRONG_PATHS = {"echo": "source", "sink": "source", "source": "sink", "reset": "source"}
WRONG_BASE = "/headers?as="  # answers whatever is asked with the same JSON


class Matrix:
    def __init__(self, harness, only="", wrong=False):
        self.harness = harness
        self.only = only
        self.wrong = wrong
        self.tables = []  # of (title, rows); a row is (name, version, {cell: (outcome, words)})
        self.count = {"pass": 0, "fail": 0, "not possible": 0}
        signal.signal(signal.SIGALRM, self.too_long)

    @staticmethod
    def too_long(*_):
        raise Wrong(f"it takes longer than {CASE} s")

    def table(self, title):
        self.tables.append((title, []))

    def row(self, name, version, cannot, body):
        """`body(cell)` runs a case; `cannot` says why one is not possible, or all of them if it is a text."""
        if self.only not in name:
            return
        results = {}
        for cell in NAMES:
            if isinstance(cannot, str) or cell in cannot:
                results[cell] = ("not possible", cannot if isinstance(cannot, str) else cannot[cell])
            else:
                results[cell] = self.attempt(lambda: body(cell))
            outcome, words = results[cell]
            self.count[outcome] += 1
            print(f"{outcome.upper()} {name}.{cell}{': ' if words else ''}{words}", flush=True)
        self.tables[-1][1].append((name, version, results))

    @staticmethod
    def attempt(body):
        signal.alarm(CASE)
        try:
            return "pass", body() or ""
        except Exception as error:  # a case that fails must not hide the ones after it
            return "fail", f"{type(error).__name__}: {error}".removeprefix("Wrong: ")
        finally:
            signal.alarm(0)

    def report(self):
        passed, failed, impossible = self.count.values()
        print(f"{passed} passed, {failed} failed, {impossible} not possible here")
        if self.wrong:
            return 0 if failed and not passed else 1
        return 0 if passed and not failed else 1


def raising(wrong):
    """The body of cells whose peer does not start."""
    def body(_):
        raise wrong

    return body


def against_servers(matrix, trust):
    matrix.table("Our client against servers")
    cert, key = matrix.harness.certificate()
    for peer in peers.PEERS:
        if not peer.server or matrix.only not in f"server.{peer.name}":
            continue
        missing = peer.missing()
        version = "" if missing else peers.told_version(peer.version)
        if missing:
            matrix.row(f"server.{peer.name}", version, missing, None)
            continue
        kind = peer.kind or peers.Server
        try:
            server = kind(matrix.harness, (*peer.server, cert, key), grpc=peer.grpc, reset_code=peer.reset_code,
                          trust=trust, paths=WRONG_PATHS if matrix.wrong else None)
        except Wrong as wrong:
            matrix.row(f"server.{peer.name}", version, {}, raising(wrong))
            continue
        matrix.row(f"server.{peer.name}", version, peer.server_cannot,
                   lambda cell: getattr(cells, cell)(server))
        server.stop()


def ask(matrix, command, cell, url, cert, grpc, server):
    """Their client asks at `url`; our server, behind it, tells what it saw."""
    matrix.harness.run(*command, cell, url + (WRONG_BASE if matrix.wrong else ""), cert)
    path, outcome, received = (SEEN_GRPC if grpc else SEEN)[cell]
    server.saw_path(path, outcome, received)


def from_clients(matrix):
    matrix.table("Clients against our server")
    cert, key = matrix.harness.certificate()
    server = peers.OurServer(matrix.harness, "--cert", cert, "--key", key)
    for peer in peers.PEERS:
        if not peer.client:
            continue
        missing = peer.missing()
        version = "" if missing else peers.told_version(peer.version)
        matrix.row(f"client.{peer.name}", version, missing or peer.client_cannot,
                   lambda cell: ask(matrix, peer.client, cell, server.url, cert, peer.grpc, server))
    server.stop()


def through_proxies(matrix, trust):
    """Our client to our server and to Go's, and Go's client to our server."""
    matrix.table("Through proxies")
    cert, _ = matrix.harness.certificate()
    go = next(peer for peer in peers.PEERS if peer.name == "Go net/http")
    no_go = go.missing()
    for name, version, start, cannot in reverse_proxies.ALL:
        if matrix.only not in f"proxy.{name}":
            continue
        missing = "" if shutil.which(version[0]) else peers.why_not(version[0])
        version = "" if missing else peers.told_version(version)
        never = missing or (cannot if isinstance(cannot, str) else "")
        if never:
            matrix.row(f"proxy.{name} {version}", "", never, None)
            continue
        ours = peers.OurServer(matrix.harness, "--http")
        theirs = None if no_go else peers.Server(matrix.harness, go.server)
        for title, lacks, server, client in (("our server", "", ours, None), ("Go's server", no_go, theirs, None),
                                             ("Go's client", no_go, ours, go)):
            row = f"proxy.{name} {version}: {title}"
            if lacks:
                matrix.row(row, "", lacks, None)
                continue
            try:
                proxy = start(matrix.harness, server.url.rsplit(":", 1)[1])
            except Wrong as wrong:
                matrix.row(row, "", {}, raising(wrong))
                continue
            front = server.behind(f"https://localhost:{proxy.port}", trust, WRONG_PATHS if matrix.wrong else None)
            front.takes_trailers = name not in reverse_proxies.TAKE_NO_TRAILERS

            def body(cell):
                if client:
                    return ask(matrix, client.client, cell, front.url, cert, False, front)
                front.options, words = options, None
                if (name, cell) in reverse_proxies.HELP:
                    more, words = reverse_proxies.HELP[name, cell]
                    front.options += more
                return getattr(cells, cell)(front) or words

            options = front.options
            matrix.row(row, "", cannot.get(title, {}), body)
            proxy.stop()
        for server in filter(None, (ours, theirs)):
            server.stop()


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("duplex", type=os.path.abspath)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--wrong", action="store_true")
    arguments = parser.parse_args()
    if arguments.wrong:
        the_harness.STEP = peers.STEP = 5
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        harness = Harness(arguments.duplex, pathlib.Path(scratch))
        matrix = Matrix(harness, arguments.only, arguments.wrong)
        try:
            trust = ("--cacert", harness.certificate()[0])
            against_servers(matrix, trust)
            from_clients(matrix)
            through_proxies(matrix, trust)
        finally:
            harness.end_all()
    if arguments.write:
        tables.write(arguments.write, harness.duplex, matrix.tables)
    print(f"in {time.monotonic() - start:.0f} s")
    sys.exit(matrix.report())


if __name__ == "__main__":
    main()
