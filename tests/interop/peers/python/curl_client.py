"""curl, in each case."""
from program import LIMIT, cert, expect, file, main, run, ten_megabytes, url

CURL = ("curl", "-sS", "-4", "-N", "--http2", "--cacert", cert, "-m", str(LIMIT), "-X", "POST", "-H", "content-type: a/b")


def post(path, body, *options, status=0):
    done = run(*CURL, "--data-binary", "@" + file(body), "-w", "%{stderr}%{http_version} %{response_code}", *options,
               url + path, status=status)
    expect("the version and the status", done.stderr.decode().splitlines()[-1], "2 200")
    return done.stdout


def unary():
    expect("what came back", post("/echo", b"hello"), b"hello")


def ten_megabytes_both_ways():
    expect("what came back", post("/echo", ten_megabytes), ten_megabytes)


def trailers():
    head = file(b"")
    expect("what came back", post("/echo", b"checked", "-D", head), b"checked")
    expect("the last field", open(head).read().split()[-2:], ["grpc-status:", "0"])


def half_close_ours_first():
    expect("the count", post("/sink", b"some bytes"), b"10\n")


def reset_by_server():
    done = run(*CURL, "-d", "hello", url + "/reset/CANCEL?after=5", status=92)
    expect("what came before", done.stdout, b"abcde")
    expect("the code", "CANCEL" if b"CANCEL" in done.stderr else done.stderr.decode(), "CANCEL")


main({"unary": unary, "ten_megabytes": ten_megabytes_both_ways, "trailers": trailers,
      "half_close_ours_first": half_close_ours_first, "reset_by_server": reset_by_server})
