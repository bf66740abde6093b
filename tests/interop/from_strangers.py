"""nghttp, h2load and curl against our server."""
import os
import subprocess

from harness import STEP, Wrong, expect


def serve(harness, *options, address="127.0.0.1", inside=()):
    """Starts the server, perhaps `inside` a namespace, and returns (process, URL)."""
    process = harness.start(*inside, harness.duplex, "serve", "--listen", f"{address}:0", *options,
                            stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    prefix = "listening on "
    if not line.startswith(prefix):
        raise Wrong(f"the server said {line!r}")
    return process, line[len(prefix):].strip().replace("127.0.0.1", "localhost")


def nghttp(harness, url):
    body = os.urandom(200_000)
    upload = harness.scratch / "upload"
    upload.write_bytes(body)

    def echo():
        got = harness.run("nghttp", "-t", STEP, "-d", upload, url + "/echo").stdout
        expect("the body comes back", got == body, f"{len(got)} of {len(body)} bytes")

    def echo_trailers():
        log = harness.run("nghttp", "-nv", "-t", STEP, "-d", upload, url + "/echo").stdout.decode()
        expect("status 200", ":status: 200" in log, log[-400:])
        expect("the trailer", "grpc-status: 0" in log, log[-400:])

    def status():
        log = harness.run("nghttp", "-nv", "-t", STEP, url + "/status/404").stdout.decode()
        expect("status 404", ":status: 404" in log, log[-400:])

    def source():
        got = harness.run("nghttp", "-t", STEP, url + "/source?bytes=1000000&chunk=10000").stdout
        expect("a million bytes", len(got) == 1_000_000, len(got))

    return {"echo": echo, "echo_trailers": echo_trailers, "status": status, "source": source}


def curl(harness, url, *options):
    body = os.urandom(200_000)
    upload = harness.scratch / "upload"

    def request(path, *more):
        """What came: the head with the trailers, the body, and what curl says of it."""
        head = harness.scratch / "head"
        got = harness.scratch / "got"
        said = harness.run("curl", "-sS", "-4", "-m", STEP, *options, "-D", head, "-o", got,
                           "-w", "%{http_version} %{response_code}", *more, url + path).stdout.decode()
        return head.read_text().lower(), got.read_bytes(), said

    def echo():
        upload.write_bytes(body)  # not before: the other programs use the same file
        head, got, said = request("/echo", "--data-binary", f"@{upload}")
        expect("HTTP/2 and 200", said == "2 200", said)
        expect("the body comes back", got == body, f"{len(got)} of {len(body)} bytes")
        expect("the trailer", "grpc-status: 0" in head, head)

    def status():
        expect("404", request("/status/404")[2] == "2 404")

    def source():
        got = request("/source?bytes=1000000&chunk=10000")[1]
        expect("a million bytes", len(got) == 1_000_000, len(got))

    def head():
        expect("200", request("/echo", "--head")[2] == "2 200")

    return {"echo_with_trailers": echo, "status": status, "source": source, "head": head}


def h2load(harness, url):
    def many_streams():
        said = harness.run("h2load", "-n", "500", "-c", "4", "-m", "20", url + "/source?bytes=2000&chunk=500")
        expect("every request succeeds", b"500 succeeded, 0 failed" in said.stdout, said.stdout.decode()[-700:])

    return {"many_streams": many_streams}


def run(harness):
    written = harness.scratch / "served.pem"
    for name, options in (("cleartext", ("--http",)), ("tls", ("--write-cert", written))):
        process, url = serve(harness, *options)
        if name == "tls":
            curls = {"curl": curl(harness, url, "--http2", "--cacert", written),
                     "curl_k": curl(harness, url, "--http2", "-k")}
        else:
            curls = {"curl": curl(harness, url, "--http2-prior-knowledge")}
        for program, cases in {"nghttp": nghttp(harness, url), **curls, "h2load": h2load(harness, url)}.items():
            for what, body in cases.items():
                harness.case(f"{program}.{what}.{name}", body)

        def stops():
            status = harness.stop(process)
            expect("the exit status after SIGTERM", status == 0, status)

        harness.case(f"serve.stops_in_order.{name}", stops)
