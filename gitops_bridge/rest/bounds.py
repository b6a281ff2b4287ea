"""An answer within bounds: how long it may take in all, how much of it is read.

The timeouts of `requests` hold for one `recv` each, and it reads a body to its end, decompressed.
So a server that sends a byte a second, or gigabytes, would have us for as long as it likes. Here
every read from the connection, header lines and chunk sizes included, is given what is left until
a `Deadline`, and a body is read in pieces up to a limit.
"""

from __future__ import annotations

import io
import math
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from gitops_bridge import documents

_PIECE = 64 * 1024
_WORDS_LIMIT = 64 * 1024


@dataclass
class Deadline:
    """Until when a request may go on, in seconds of `time.monotonic`; once it is sent, its answer
    may take `answer` seconds of that."""

    until: float
    answer: float

    def sent(self) -> None:
        self.until = min(self.until, time.monotonic() + self.answer)

    def left(self) -> float:
        """Seconds left. Raises TimeoutError when there are none."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the answer is over")
        return left


class TooLarge(Exception):
    """The body is larger than what is read of one."""


class Response:
    """An answer. `content` is its body, empty for an answer that is read by `chunks`."""

    def __init__(self, answer: requests.Response, deadline: Deadline) -> None:
        self.status_code = answer.status_code
        self.reason = answer.reason or ""
        self.headers = answer.headers
        self.url = answer.url
        self.content = b""
        self.deadline = deadline
        self._answer = answer
        self._taken = False

    def read(self, most: int) -> None:
        """Take in the body. Raises TooLarge when it has more than `most` bytes, decompressed,
        OSError or requests.RequestException when it does not come."""
        content, self._taken = bytearray(), True
        try:
            for piece in self.pieces(_PIECE):
                content += piece
                if len(content) > most:
                    raise TooLarge(f"more than {most >> 20} MiB")
        finally:
            self.close()
        self.content = bytes(content)

    def read_start(self) -> None:
        """Take in how the body starts, when that has not been done, and let go of the rest."""
        if self._taken:
            return
        self._taken = True
        try:
            self.content = next(self.pieces(_WORDS_LIMIT), b"")
        except (OSError, requests.RequestException):
            return
        finally:
            self.close()

    def pieces(self, size: int) -> Iterator[bytes]:
        """The body, decompressed, in pieces of at most `size` bytes."""
        pieces: Iterator[bytes] = self._answer.iter_content(size)
        return pieces

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as data, None when it is empty. Raises ValueError when it is not JSON."""
        return documents.load_json(self.content) if self.content else None

    def close(self) -> None:
        self._answer.close()


class BoundedAdapter(HTTPAdapter):
    """Connections on which the thread that uses one keeps the deadline it has set here."""

    def __init__(self) -> None:
        self._current = threading.local()
        super().__init__()

    def begin(self, deadline: Deadline) -> None:
        """What this thread sends next must be answered by then."""
        self._current.deadline = deadline

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        make, current = type(pool).ConnectionCls, self._current
        pool.ConnectionCls = lambda **settings: _bounded(make(**settings), current)
        return pool


def _bounded(connection: Any, current: threading.local) -> Any:
    """A connection whose writes and reads, those through a proxy's tunnel too, end in time.

    It knows of the deadline alone: urllib3 keeps connections for as long as their pool is in use,
    and one that led back to its pool would keep both open for ever.
    """
    send = connection.send

    def bounded_send(data: Any) -> None:
        deadline: Deadline = current.deadline
        if connection.sock is not None:
            connection.sock.settimeout(_shorter(connection.timeout, deadline.left()))
        send(data)

    def response(sock: socket.socket, *arguments: Any, **options: Any) -> HTTPResponse:
        current.deadline.sent()
        source: Any = _Source(sock, current.deadline)
        return HTTPResponse(source, *arguments, **options)

    connection.send = bounded_send
    connection.response_class = response
    return connection


class _Source(io.RawIOBase):
    """What a socket receives, as a file that is read until a deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline
        self._usual = sock.gettimeout()
        self._raw = sock.makefile("rb", buffering=0)

    def makefile(self, _: str) -> io.BufferedReader:
        """The one thing that HTTPResponse asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_shorter(self._usual, self._deadline.left()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _shorter(usual: float | None, left: float) -> float | None:
    if usual is None:
        return None if math.isinf(left) else left
    return min(usual, left)
