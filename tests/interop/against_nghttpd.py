"""Our client against nghttpd."""
import os
import pathlib
import subprocess
import time

from harness import STEP, Talk, Wrong, expect, header


def listening_port(process):
    """The port a process listens on, from the kernel: nghttpd picks one, and does not say which."""
    deadline = time.monotonic() + STEP
    while time.monotonic() < deadline and process.poll() is None:
        sockets = set()
        for entry in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(entry))
            except OSError:
                pass  # closed meanwhile
        for line in pathlib.Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                return int(words[1].split(":")[1], 16)
        time.sleep(0.02)
    raise Wrong("nghttpd does not listen")


def get(harness, url, body, *options):
    got = harness.run(harness.duplex, "open", "-s", "-X", "GET", *options, url + "/file").stdout
    expect("the file arrives as it is", got == body, f"{len(got)} of {len(body)} bytes")


def upload(harness, url, body, *options):
    got = harness.run(harness.duplex, "open", "-s", "--input", "raw", *options, url + "/echo", stdin=body).stdout
    expect("the upload comes back as it is", got == body, f"{len(got)} of {len(body)} bytes")


def trailers(harness, url, *options):
    talk = Talk(harness, url + "/small", "-X", "GET", *options)
    talk.tell("fin")
    expect("the status", talk.recv("response")["status"] == 200)
    expect("the body", talk.recv_bytes(6) == b"small\n")
    last = talk.recv("trailers")
    expect("the trailer", header(last, "x-checksum") == "1234", last)
    talk.recv("done")
    talk.close()


def not_found(harness, url, *options):
    talk = Talk(harness, url + "/none", "-X", "GET", *options)
    talk.tell("fin")
    expect("the status", talk.recv("response")["status"] == 404)
    talk.tell("recv-until done")
    while talk.event()["event"] != "done":
        pass
    talk.close()


def run(harness):
    cert, key = harness.certificate()
    root = harness.scratch / "root"
    root.mkdir()
    body = os.urandom(300_000)  # beyond the initial windows
    (root / "file").write_bytes(body)
    (root / "small").write_text("small\n")
    common = ("-a", "127.0.0.1", "-d", root, "--echo-upload", "--trailer=x-checksum: 1234")
    for name, scheme, command, options in (
            ("cleartext", "http", ("--no-tls", *common, "0"), ()),
            ("tls", "https", (*common, "0", key, cert), ("--cacert", cert))):
        process = harness.start("nghttpd", *command, stdout=subprocess.DEVNULL)
        url = f"{scheme}://localhost:{listening_port(process)}"
        options = ("-4", *options)
        harness.case(f"nghttpd.get.{name}", lambda: get(harness, url, body, *options))
        harness.case(f"nghttpd.upload_comes_back.{name}", lambda: upload(harness, url, body, *options))
        harness.case(f"nghttpd.trailers.{name}", lambda: trailers(harness, url, *options))
        harness.case(f"nghttpd.not_found.{name}", lambda: not_found(harness, url, *options))
        harness.stop(process)
