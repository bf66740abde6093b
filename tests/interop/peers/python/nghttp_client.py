"""nghttp, in each case. Its log of the frames tells what was not body."""
from program import expect, file, main, run, ten_megabytes, url


def post(path, body, *options):
    return run("nghttp", "-t", "20", "-H", ":method: POST", "-d", file(body), *options, url + path).stdout


def has(log, words):
    expect("the log", words if words in log.decode() else log.decode()[-400:], words)


def unary():
    expect("what came back", post("/echo", b"hello"), b"hello")


def ten_megabytes_both_ways():
    expect("what came back", post("/echo", ten_megabytes), ten_megabytes)


def trailers():
    has(post("/echo", b"checked", "-nv", "--trailer", "x-sum: 42"), "grpc-status: 0")


def half_close_ours_first():
    expect("the count", post("/sink", b"some bytes"), b"10\n")


def half_close_theirs_first():
    """The body is larger than any window, and nobody reads it."""
    log = post("/source?bytes=5", ten_megabytes, "-nv")
    has(log, "recv DATA frame <length=5,")
    has(log, "error_code=NO_ERROR(0x00)")
    expect("what came back", post("/source?bytes=5", ten_megabytes), b"abcde")


def reset_by_server():
    has(post("/reset/CANCEL?after=5", b"hello", "-nv"), "error_code=CANCEL(0x08)")


main({"unary": unary, "ten_megabytes": ten_megabytes_both_ways, "trailers": trailers,
      "half_close_ours_first": half_close_ours_first, "half_close_theirs_first": half_close_theirs_first,
      "reset_by_server": reset_by_server})
