"""h2load, in each case: it counts requests and bytes, and shows neither."""
import re

from program import expect, file, main, run, ten_megabytes, url


def post(path, body, outcome, size):
    said = run("h2load", "-n", "1", "-c", "1", "-H", ":method: POST", "-d", file(body), url + path).stdout.decode()
    expect("the outcome", re.search(r"1 done, (.*?), . errored", said)[1], outcome)
    expect("the bytes that came", re.search(r"\((\d+)\) data", said)[1], str(size))


def unary():
    post("/echo", b"hello", "1 succeeded, 0 failed", 5)


def ten_megabytes_both_ways():
    post("/echo", ten_megabytes, "1 succeeded, 0 failed", len(ten_megabytes))


def half_close_ours_first():
    post("/sink", b"some bytes", "1 succeeded, 0 failed", 3)


def half_close_theirs_first():
    """The body is larger than any window, and nobody reads it."""
    post("/source?bytes=5", ten_megabytes, "1 succeeded, 0 failed", 5)


def reset_by_server():
    post("/reset/CANCEL?after=5", b"hello", "0 succeeded, 1 failed", 5)


main({"unary": unary, "ten_megabytes": ten_megabytes_both_ways, "half_close_ours_first": half_close_ours_first,
      "half_close_theirs_first": half_close_theirs_first, "reset_by_server": reset_by_server})
