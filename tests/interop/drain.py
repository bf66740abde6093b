"""SIGTERM amid the load of h2load and of our own client: what the server took up is answered in full, and what it did
not, the client knows that nobody has seen."""
import json
import re
import subprocess

import wire
from harness import STEP, expect

# One that is over at once, and one that is under way for half a second.
PATHS = {"/source?bytes=3000&chunk=500": 3000, "/slow?rate=1000&bytes=500": 500}
BEFORE = 300  # requests that end before the signal


def drained(harness, start_client, *options):
    """Ends a server amid the client's requests; returns how many it has answered, and the client when it has ended."""
    server = harness.start(harness.duplex, "serve", "--json", "--listen", "127.0.0.1:0", *options,
                           stdout=subprocess.PIPE, text=True)
    url = server.stdout.readline().split()[-1].replace("127.0.0.1", "localhost")
    client = start_client(url)
    requests = []
    for line in server.stdout:  # to its end
        seen = json.loads(line)
        if seen["event"] == "request":
            requests.append(seen)
            if len(requests) == BEFORE:
                server.terminate()
    expect("the server's exit status", server.wait(STEP) == 0, server.returncode)
    client.wait(STEP)
    for seen in requests:
        expect("a whole answer", seen["status"] == 200 and seen["sent"] == PATHS[seen["path"]], seen)
    return len(requests), client


def h2load(harness):
    """In cleartext, so that the frames tell what was lost: h2load itself does not tell that from what was refused."""
    total = 100_000
    log = harness.scratch / "h2load"
    relays = []

    def start(url):
        relays.append(wire.Relay(int(url.rsplit(":", 1)[1])))
        near = f"http://localhost:{relays[0].port}"
        with log.open("w") as output:
            return harness.start("h2load", "-n", total, "-c", 4, "-m", 20, *(near + path for path in PATHS),
                                 stdout=output, stderr=subprocess.STDOUT)

    answered, _ = drained(harness, start, "--http")
    relays[0].close()
    said = log.read_text()
    succeeded = int(re.search(r"(\d+) succeeded", said)[1])
    expect("the signal came amid the requests", BEFORE <= answered < total, answered)
    expect("every answer arrives", succeeded == answered, f"{succeeded} of {answered}: {said[-700:]}")
    # One that came when nobody listened any more was not even greeted.
    greeted = [seen for seen in relays[0].connections if seen.last_accepted is not None]
    expect("the server says GOAWAY to each of them", len(greeted) == 4, len(greeted))
    for seen in greeted:
        expect("nothing that the server took is lost", not seen.lost(), sorted(seen.lost()))


def own_client(harness, *options):
    total = 2000
    log = harness.scratch / "events"

    def start(url):
        with log.open("w") as output:
            return harness.start(harness.duplex, "open", "--json", "--json-data", "size", "-X", "GET", "--parallel", 50,
                                 "-k", *[url + path for path in PATHS] * (total // len(PATHS)),
                                 stdout=output, stderr=subprocess.DEVNULL)

    answered, _ = drained(harness, start, *options)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    done = sum(event["event"] == "done" for event in events)
    errors = [event for event in events if event["event"] == "error"]
    expect("the signal came amid the requests", BEFORE <= answered < total, answered)
    expect("every answer arrives", done == answered, f"{done} of {answered}")
    expect("every request ends", done + len(errors) == total, (done, len(errors)))
    for event in errors:
        expect("what was not answered may be tried again", event["retry_safe"], event)


def run(harness):
    harness.case("drain.h2load.cleartext", lambda: h2load(harness))
    for name, options in (("cleartext", ("--http",)), ("tls", ())):
        harness.case(f"drain.duplex.{name}", lambda: own_client(harness, *options))
