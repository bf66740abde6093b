"""A server that says any bytes, step by step, over TCP or TLS with ALPN, and hears frames (RFC 9113, section 4.1).

A step is bytes to send, `Until` a frame of the client's, or a function of the connection."""
import os
import socket
import ssl
import struct
import subprocess

from support import (DATA, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, STEP, Peer, frame)

PRIORITY, PUSH_PROMISE, PING, WINDOW_UPDATE, CONTINUATION = 2, 5, 6, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
CODES = ("NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
         "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM").split()


# Frames

def number(value):
    return struct.pack(">I", value)


def settings(**entries):
    ids = {"header_table_size": 1, "max_concurrent_streams": 3, "initial_window_size": 4, "max_frame_size": 5}
    return frame(SETTINGS, body=b"".join(struct.pack(">HI", ids[name], value) for name, value in entries.items()))


def text(value):
    """A string without Huffman code (RFC 7541, section 5.2)."""
    value = value.encode() if isinstance(value, str) else value
    size = len(value)
    if size < 127:
        return bytes([size]) + value
    size -= 127
    prefix = b"\x7f"
    while size >= 128:
        prefix += bytes([size % 128 + 128])
        size //= 128
    return prefix + bytes([size]) + value


def block(fields):
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def headers(fields, flags=0, stream=1):
    return frame(HEADERS, END_HEADERS | flags, stream, block(fields))


def response(*more, status="200", flags=0):
    return headers([(":status", status), *more], flags)


def data(body, flags=0):
    return frame(DATA, flags, 1, body)


def reset(code):
    return frame(RST_STREAM, 0, 1, number(CODES.index(code)))


def goaway(last, code, debug=b""):
    return frame(GOAWAY, body=number(last) + number(CODES.index(code)) + debug)


# Steps

class Until:
    """Waits for a frame of this kind that has these flags."""

    def __init__(self, kind, flags=0):
        self.kind, self.flags = kind, flags


REQUEST = Until(HEADERS)


def end(connection):
    """The end of file; over TLS without close_notify."""
    socket.socket.shutdown(connection, socket.SHUT_WR)


def abort(connection):
    """A TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close_notify(connection):
    connection.unwrap()


def by_single_bytes(said):
    def step(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(said)):
            connection.sendall(said[i:i + 1])

    return step


class RawServer(Peer):
    """Plays `steps` to the first client. `greeting`: what goes before them. `heard` has the client's frames."""

    def __init__(self, *steps, greeting=settings() + frame(SETTINGS, ACK), context=None):
        self.steps = (greeting, REQUEST, *steps) if greeting else steps
        self.bytes = b""
        super().__init__(self._play, context)

    def url(self):
        return f"{'https' if self.context else 'http'}://localhost:{self.port}/"

    def _play(self, connection):
        for step in self.steps:
            if isinstance(step, bytes):
                connection.sendall(step)
            elif isinstance(step, Until):
                while not any(kind == step.kind and flags & step.flags == step.flags
                              for kind, flags, *_ in self.frames()):
                    if not self._read(connection):
                        return
            else:
                step(connection)
        while connection.fileno() != -1 and self._read(connection):
            pass

    def _read(self, connection):
        more = connection.recv(65536)
        self.bytes += more
        return bool(more)

    def frames(self):
        """The whole frames so far, as (kind, flags, stream, payload)."""
        at = len(PREFACE)
        while len(self.bytes) >= at + 9:
            size = int.from_bytes(self.bytes[at:at + 3], "big")
            if len(self.bytes) < at + 9 + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self.bytes[at + 3:at + 9])
            yield kind, flags, stream, self.bytes[at + 9:at + 9 + size]
            at += 9 + size

    def heard(self):
        """RST_STREAM and GOAWAY of the client with their codes; call it when the server has ended."""
        said = []
        for kind, _, _, payload in self.frames():
            if kind == RST_STREAM:
                said.append("RST_STREAM " + CODES[int.from_bytes(payload, "big")])
            elif kind == GOAWAY:
                said.append("GOAWAY " + CODES[int.from_bytes(payload[4:8], "big")])
        return said


def fresh_certificate(folder):
    """For localhost, in a file; its key is in the file with .key behind. Our own server keeps its key to itself."""
    pem = os.path.join(folder, "peer.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", pem + ".key", "-out", pem, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True, timeout=STEP)
    return pem


def server_context(folder, *protocols):
    """TLS with a fresh certificate."""
    pem = fresh_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, pem + ".key")
    context.set_alpn_protocols(list(protocols))
    return context
