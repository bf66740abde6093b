"""Our client in networks that are broken: an IPv6 that swallows everything, lost packets, hosts that cannot be
reached, a link that goes down. Each case has a network namespace of its own, so that nothing outside changes."""
import os
import subprocess
import sys
import time

from from_strangers import serve
from harness import STEP, expect

CANNOT_CONNECT, TIMED_OUT, LOST = 7, 28, 56
KINDS = (("--user", "--map-root-user"), ())  # what anybody may have, where that is allowed, or root


def allowed():
    """How namespaces are made here, or why they cannot be."""
    for kind in KINDS:
        done = subprocess.run(["unshare", *kind, "--net", "--mount", "ip", "link", "set", "lo", "up"],
                              capture_output=True, timeout=STEP, check=False)
        if done.returncode == 0:
            return kind, ""
    return None, done.stderr.decode().strip()


class Network:
    """A namespace, as `setup` makes it, and what runs inside."""

    def __init__(self, harness, kind, setup):
        self.harness = harness
        script = "set -e; ip link set lo up; " + setup + "; echo ready; exec sleep infinity"
        self.process = harness.start("unshare", *kind, "--net", "--mount", "sh", "-c", script,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.problem = "" if self.process.stdout.readline() == "ready\n" else self.process.stderr.read().strip()
        user = ("--user", "--preserve-credentials") if kind else ()
        self.inside = ("nsenter", f"--target={self.process.pid}", *user, "--net", "--mount", "--")

    def serve(self, address="127.0.0.1"):
        return serve(self.harness, "--http", address=address, inside=self.inside)[1]

    def open(self, *words, **options):
        """What the client did, and how long that took."""
        start = time.monotonic()
        done = self.harness.run(*self.inside, self.harness.duplex, "open", *words, **options)
        return done, time.monotonic() - start

    def shell(self, script):
        self.harness.run(*self.inside, "sh", "-c", script)


# Where packets go to vanish: addresses that are nobody's, behind a link that brings everything back.
HOLE = "ip route add 198.51.100.0/24 dev lo; ip address add 2001:db8::1/128 dev lo nodad; ip route add 2001:db8::/64 dev lo"

NEAR, FAR = "10.77.0.1", "10.77.0.2"  # of the link that loses packets: FAR is NEAR, seen from the other end


def lossy_link(every):
    """A link of our own, without help of the kernel's: a packet to FAR comes back as one from FAR, and one in `every` is
    lost. Runs inside the namespace until it is ended."""
    import fcntl
    import random
    import struct

    link = os.open("/dev/net/tun", os.O_RDWR)
    tun, no_extra_bytes, set_interface = 0x1, 0x1000, 0x400454CA
    fcntl.ioctl(link, set_interface, struct.pack("16sH", b"lossy", tun | no_extra_bytes))
    subprocess.run(f"ip address add {NEAR}/24 dev lossy; ip link set lossy up", shell=True, check=True)
    print("ready", flush=True)
    chance = random.Random(20261129)
    lost = 0
    while True:
        packet = os.read(link, 65536)
        if packet[0] >> 4 != 4:
            continue
        if chance.randrange(every) == 0:
            lost += 1
            print(lost, flush=True)
            continue
        # Source and destination change places; sums do not mind the order.
        os.write(link, packet[:12] + packet[16:20] + packet[12:16] + packet[20:])


def broken_ipv6(network):
    url = network.serve()
    hosts = network.harness.scratch / "hosts"
    hosts.write_text("2001:db8::2 both.example\n127.0.0.1 both.example\n")
    network.shell(f"mount --bind {hosts} /etc/hosts && getent ahosts both.example | head -n 1 | grep -q ^2001:")
    done, _ = network.open("--json", "-X", "GET", url.replace("localhost", "both.example") + "/headers")
    events = done.stdout.decode()
    expect("the address that answers", '"peer":"127.0.0.1:' in events, events)
    took = float(events.split('"t":', 1)[1].split("}", 1)[0].split(",", 1)[0])
    expect("the other family has its head start, and not more", 0.2 < took < 1.5, took)
    print(f"     connected after {took * 1000:.0f} ms", flush=True)


def lost_packets(network):
    log = network.harness.scratch / "lost"
    with open(log, "w") as out:
        link = network.harness.start(*network.inside, sys.executable, "-B", __file__, "30", stdout=out)
    deadline = time.monotonic() + STEP
    while not log.read_text().startswith("ready") and link.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    expect("the link is there", log.read_text().startswith("ready"))
    url = network.serve("0.0.0.0").replace("0.0.0.0", FAR)
    body = os.urandom(300_000)
    done, took = network.open("-s", "--input", "raw", url + "/echo", stdin=body)
    expect("the body comes back", done.stdout == body, f"{len(done.stdout)} of {len(body)} bytes")
    lost = len(log.read_text().splitlines()) - 1
    expect("some packets were lost", lost > 0)
    print(f"     {lost} packets lost, {took:.1f} s", flush=True)
    network.harness.end(link)


def unreachable(network):
    network.shell("ip route add unreachable 203.0.113.0/24")
    done, took = network.open("http://203.0.113.1/", expect=CANNOT_CONNECT)
    expect("the reason", "No route to host" in done.stderr.decode(), done.stderr)
    expect("at once", took < 2, took)
    done, took = network.open("http://192.0.2.1/", expect=CANNOT_CONNECT)  # there is no route at all
    expect("the reason", "Network is unreachable" in done.stderr.decode(), done.stderr)
    expect("at once", took < 2, took)


def silent(network):
    done, took = network.open("--connect-timeout", "500ms", "http://198.51.100.2/", expect=TIMED_OUT)
    expect("who was tried", "198.51.100.2" in done.stderr.decode(), done.stderr)
    expect("not longer than it may", 0.4 < took < 3, took)


def link_down(network):
    url = network.serve()
    client = network.harness.start(*network.inside, network.harness.duplex, "open", "--keepalive-time", "200ms",
                                   "--keepalive-timeout", "500ms", url + "/echo", stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    client.stdin.write(b"hello\n")
    client.stdin.flush()
    expect("the echo", client.stdout.readline() == b"hello\n")
    network.shell("ip link set lo down")
    expect("the status", client.wait(STEP) == LOST)
    said = client.stderr.read()
    expect("the reason", b"PING" in said, said)


def run(harness):
    cases = (("broken_ipv6", broken_ipv6, HOLE), ("lost_packets", lost_packets, "true <>/dev/net/tun"),
             ("unreachable_host", unreachable, "true"), ("silent_host", silent, HOLE), ("link_down", link_down, "true"))
    kind, why = allowed()
    for name, body, setup in cases:
        if kind is None:
            harness.impossible(f"networks.{name}", why)
            continue
        network = Network(harness, kind, setup)
        if network.problem:
            harness.impossible(f"networks.{name}", network.problem)
        else:
            harness.case(f"networks.{name}", lambda body=body, network=network: body(network))
        harness.end(network.process)


if __name__ == "__main__":
    lossy_link(int(sys.argv[1]))
