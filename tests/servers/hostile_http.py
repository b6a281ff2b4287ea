"""An HTTP server that never comes to an end, or sends more than anybody wants: one way per path."""

import socketserver
import threading
import time
import zlib
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\n"
DRIP = 0.05  # seconds between two bytes: well within any timeout for one of them


def drip(send, data):
    for byte in data:
        send(bytes([byte]))
        time.sleep(DRIP)


def gzip_bomb(send):
    """Zeros without end, a thousand to each byte on the way."""
    send(HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(16 << 20)
    while True:
        send(packer.compress(zeros) + packer.flush(zlib.Z_SYNC_FLUSH))


def endless(send, head=HEAD):
    send(head + b"Connection: close\r\n\r\n")
    while True:
        send(b"a" * 65536)


def endless_chunks(send):
    send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        send(b"10000\r\n" + b"a" * 65536 + b"\r\n")


def many_values(send):
    body = b"[" + b"[]," * 5_000_000 + b"[]]"
    send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def deep(send):
    body = b"[" * 1_000_000
    send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


WAYS = {
    "/gzip": gzip_bomb,
    "/endless": endless,
    "/chunks": endless_chunks,
    "/busy": lambda send: endless(send, b"HTTP/1.1 503 Busy\r\n"),
    "/moved": lambda send: endless(send, b"HTTP/1.1 302 Found\r\nLocation: /nowhere\r\n"),
    "/refused": lambda send: endless(send, b"HTTP/1.1 403 Forbidden\r\n"),
    "/values": many_values,
    "/deep": deep,
    "/slow-status": lambda send: drip(send, HEAD * 1000),
    "/slow-headers": lambda send: (send(HEAD), drip(send, b"X-Word: of many\r\n" * 99)),
    "/slow-body": lambda send: (
        send(HEAD + b"Content-Length: 9999\r\n\r\n"),
        drip(send, b"a" * 9999),
    ),
    "/slow-chunk": lambda send: (
        send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        drip(send, b"0" * 60_000),
    ),
    "/continue": lambda send: [
        (send(b"HTTP/1.1 100 Continue\r\n\r\n"), time.sleep(DRIP)) for _ in range(99_999)
    ],
}
SLOW = ["/slow-status", "/slow-headers", "/slow-body", "/slow-chunk", "/continue"]
LARGE = [path for path in WAYS if path not in SLOW]


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        words = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        if words:
            path = "/" + words[1].decode().partition("?")[0].rpartition("/")[2]
            try:
                self.server.ways.get(path, WAYS.get(self.server.always, deep))(
                    self.connection.sendall
                )
            except OSError:  # whoever asked has had enough
                pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


@contextmanager
def hostile_server(always=None):
    """The address of the server; with `always` every path is answered as that one."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.ways = {} if always else WAYS
        server.always = always
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
