"""What the programs for curl, nghttp and h2load share: PROGRAM.py CASE URL CERT runs one case."""
import os
import subprocess
import sys
import tempfile

TEN_MEGABYTES = 10_000_000
LIMIT = 30  # seconds
name, url, cert = sys.argv[1:]


def expect(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"{what}: {seen[:400]!r}, not {wanted[:100]!r}" if len(wanted) < 1000 else f"{what} differs")


def run(*command, status=0):
    done = subprocess.run(command, capture_output=True, timeout=LIMIT)
    if done.returncode != status:
        sys.exit(f"{command[0]} exited with {done.returncode}, not {status}: {done.stderr.decode()[-400:]}")
    return done


def file(content):
    """The name of a file with this."""
    made = tempfile.NamedTemporaryFile(delete=False)
    made.write(content)
    made.close()
    kept.append(made.name)
    return made.name


def main(cases):
    try:
        cases[name]()
        print(name, "passed")
    finally:
        for path in kept:
            os.unlink(path)


kept = []
ten_megabytes = os.urandom(TEN_MEGABYTES)
