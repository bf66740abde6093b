"""A relay between a client and a server in cleartext, which notes from the frames (RFC 9113, section 4.1) how each stream
ended."""
import socket
import threading

PREFACE = 24
HEAD = 9
DATA, HEADERS, RST_STREAM, GOAWAY = 0, 1, 3, 7
END_STREAM = 1
NO_ERROR = 0


class Connection:
    """What was seen of one: its streams, those that the server ended in full, and its last GOAWAY."""

    def __init__(self):
        self.opened = set()
        self.answered = set()
        self.reset = set()
        self.last_accepted = None

    def lost(self):
        """Streams that the server said it had taken, and did not answer in full."""
        last = self.last_accepted
        taken = {stream for stream in self.opened if last is None or stream <= last}
        return taken - self.answered | taken & self.reset

    def see_client(self, kind, flags, stream, payload):
        if kind == HEADERS:
            self.opened.add(stream)

    def see_server(self, kind, flags, stream, payload):
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.answered.add(stream)
        elif kind == RST_STREAM and int.from_bytes(payload, "big") != NO_ERROR:
            self.reset.add(stream)
        elif kind == GOAWAY:
            self.last_accepted = int.from_bytes(payload[:4], "big") & 0x7fffffff


class Relay:
    """Relays to `port` until `close`; `connections` is what was seen."""

    def __init__(self, port):
        self.connections = []
        self.threads = []
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._start(self._accept)

    def close(self):
        """Ends when every connection has ended."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()

    def _start(self, body, *arguments):
        self.threads.append(threading.Thread(target=body, args=arguments, daemon=True))
        self.threads[-1].start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            seen = Connection()
            self.connections.append(seen)
            self._start(self._copy, client, server, PREFACE, seen.see_client)
            self._start(self._copy, server, client, 0, seen.see_server)

    def _copy(self, source, sink, skip, see):
        kept = b""
        try:
            while some := source.recv(65536):
                kept += some
                at = skip if len(kept) >= skip else len(kept)
                skip -= at
                while len(kept) - at >= HEAD:
                    size = int.from_bytes(kept[at:at + 3], "big")
                    if len(kept) - at - HEAD < size:
                        break
                    stream = int.from_bytes(kept[at + 5:at + HEAD], "big") & 0x7fffffff
                    see(kept[at + 3], kept[at + 4], stream, kept[at + HEAD:at + HEAD + size])
                    at += HEAD + size
                kept = kept[at:]
                sink.sendall(some)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # the other direction has ended
            pass
