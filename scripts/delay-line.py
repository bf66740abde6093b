#!/usr/bin/env python3
"""A TCP relay on the loopback that holds back every byte for a while, both ways: a long path where the kernel has none.

usage: delay-line.py PORT MILLISECONDS        (one way; prints the port that it listens on)
"""

import asyncio
import collections
import sys


class Side(asyncio.Protocol):
    """One end of a relayed connection. What arrives leaves at the other end, later, in order."""

    def __init__(self, delay):
        self.delay = delay
        self.other = None
        self.transport = None
        self.late = collections.deque()
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.hold(data)

    def eof_received(self):
        self.hold(b"")
        return True

    def connection_lost(self, _):
        self.hold(None)

    def hold(self, what):
        self.late.append((self.loop.time() + self.delay, what))
        if len(self.late) == 1:
            self.loop.call_at(self.late[0][0], self.release)

    def release(self):
        out = self.other.transport
        while self.late and self.late[0][0] <= self.loop.time():
            what = self.late.popleft()[1]
            if what:
                out.write(what)
            elif what is None:
                out.close()
            elif out.can_write_eof() and not out.is_closing():
                out.write_eof()
        if self.late:
            self.loop.call_at(self.late[0][0], self.release)


async def main(port, delay):
    loop = asyncio.get_running_loop()

    class Near(Side):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()
            self.dialing = loop.create_task(self.dial())

        async def dial(self):
            _, self.other = await loop.create_connection(lambda: Side(delay), "127.0.0.1", port)
            self.other.other = self
            self.transport.resume_reading()

    server = await loop.create_server(lambda: Near(delay), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1000))
    except KeyboardInterrupt:
        pass
