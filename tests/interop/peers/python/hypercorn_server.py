"""Hypercorn, with an ASGI application: hypercorn_server.py CERT KEY"""
import asyncio
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config


def tell(path, outcome, received):
    print(path, outcome, received, flush=True)


async def pieces(receive):
    """Of the request's body; at last None if there will be no more of it."""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            yield None
            return
        if event.get("body"):
            yield event["body"]
        if not event.get("more_body"):
            return


async def start(send, **more):
    await send({"type": "http.response.start", "status": 200, "headers": [], **more})


async def body(send, content, more_body=True):
    await send({"type": "http.response.body", "body": content, "more_body": more_body})


async def count(receive, path):
    received = 0
    async for piece in pieces(receive):
        if piece is None:
            return tell(path, "reset", received)
        received += len(piece)
    tell(path, "end", received)
    return received


async def echo(path, receive, send):
    await start(send, trailers=True)
    received = 0
    async for piece in pieces(receive):
        if piece is None:
            tell(path, "reset", received)
            return
        received += len(piece)
        await body(send, piece)
    tell(path, "end", received)
    await body(send, b"", more_body=False)
    await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")], "more_trailers": False})


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    what = path.split("/")[1]
    if what == "echo":
        await echo(path, receive, send)
    elif what == "sink":
        received = await count(receive, path)
        await start(send)
        await body(send, b"%d\n" % received, more_body=False)
    elif what == "source":
        await start(send)
        await body(send, b"abcde", more_body=False)
        tell(path, "end", 0)
    else:
        await start(send)
        await body(send, b"abcde")
        raise RuntimeError("the answer is not whole")


listener = socket.create_server(("127.0.0.1", 0))
config = Config()
config.certfile, config.keyfile = sys.argv[1:3]
config.bind = [f"fd://{listener.fileno()}"]
config.errorlog = None
print(listener.getsockname()[1], flush=True)
asyncio.run(serve(app, config))
