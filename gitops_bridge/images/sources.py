"""Where a model's file comes from: an HTTP address, S3, Google Cloud Storage or a mounted path.

The command `fetch-model` makes a Source, `fetch.download` reads it. A Source opens the file at an
offset; it begins elsewhere only when the server cannot resume or holds another file by now.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urljoin

from gitops_bridge.errors import ImageError
from gitops_bridge.rest import Response, Rest, without_userinfo

CHUNK = 1 << 20
_PIECE = 1 << 17
"""Read from a connection at once: what a break loses, and how finely the deadline is kept."""
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True)
class Body:
    """A file from byte `start` on. `size` is the whole file's, None when nobody said.

    `validator` names this very content for a later resumption, None when there can be none.
    `sha256` is hex where the source states it. `chunks` raises BridgeError when the source breaks
    off, which for an `unbounded` body looks like its end; `close` lets go of the connection.
    """

    start: int
    size: int | None
    chunks: Iterator[bytes]
    close: Callable[[], None]
    validator: str | None = None
    sha256: str | None = None
    unbounded: bool = False


class Busy(ImageError):
    """The source asks to come back after `after` seconds."""

    def __init__(self, message: str, after: float | None) -> None:
        super().__init__(message, retry=True)
        self.after = after


class Source(Protocol):
    @property
    def name(self) -> str:
        """For messages, and to tell whether a part file is of this source: never a secret."""
        ...

    def open(self, start: int, validator: str | None) -> Body:
        """Raises BridgeError: `retry` when it may pass, `status` 401, 403 or 404 for what it is."""
        ...


@dataclass(frozen=True)
class HttpSource:
    """An address that the session can get. `retry_after` reads that header of an answer."""

    rest: Rest
    path: str
    params: Mapping[str, str]
    retry_after: Callable[[Response], float | None]

    @property
    def name(self) -> str:
        return without_userinfo(urljoin(self.rest.base_url, self.path))

    def open(self, start: int, validator: str | None) -> Body:
        headers = {"Accept-Encoding": "identity"}
        if start and validator:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        answer = self.rest.request(
            "GET", self.path, params=self.params, headers=headers, stream=True, redirects=True,
            expected=frozenset({200, 206, 416, 429, 500, 502, 503, 504}),
        )  # fmt: skip
        if (
            answer.url.startswith("http:")
            and urljoin(self.rest.base_url, self.path)[:6] == "https:"
        ):
            answer.close()
            raise ImageError(f"{self.name}: redirects to {without_userinfo(answer.url)}, no TLS")
        if answer.status_code == 200 or (answer.status_code == 206 and _begins_at(answer, start)):
            return self._body(answer, start)
        answer.close()
        if answer.status_code in (206, 416) and start:  # no range of this file: all of it, then
            return self.open(0, None)
        if answer.status_code == 206:
            raise ImageError(f"{self.name}: the server sends a part that nobody asked for")
        raise Busy(f"{self.name}: {answer.status_code}", self.retry_after(answer))

    def _body(self, answer: Response, asked: int) -> Body:
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            answer.close()
            raise ImageError(f"{self.name}: the server encodes the file as {encoding!r:.40}")
        length = answer.headers.get("Content-Length", "")
        start, size = 0, int(length) if length.isascii() and length.isdigit() else None
        if answer.status_code == 206:
            start, size = asked, _whole(answer)
        chunks = self.rest.chunks(answer, _PIECE)
        chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
        return Body(
            start, size, chunks, answer.close, _validator(answer), _digest(answer),
            unbounded=size is None and not chunked,
        )  # fmt: skip


def _begins_at(answer: Response, start: int) -> bool:
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == start


def _whole(answer: Response) -> int | None:
    """How long the whole file is that the answer is a part of."""
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return None if found is None or found[3] == "*" else int(found[3])


def _validator(answer: Response) -> str | None:
    """What `If-Range` may carry: a strong ETag, else the date of the last change; RFC 9110, 13.1.5.
    None when the server does not offer ranges."""
    if answer.status_code != 206 and answer.headers.get("Accept-Ranges", "").lower() != "bytes":
        return None
    tag = answer.headers.get("ETag")
    if tag is not None:
        return tag if tag.startswith('"') else None
    return answer.headers.get("Last-Modified")


def _digest(answer: Response) -> str | None:
    """The content's SHA-256 where the answer states one: `Repr-Digest` (RFC 9530), or what
    Artifactory and Nexus send as `X-Checksum-Sha256`."""
    found = re.search(r"sha-256=:([A-Za-z0-9+/]{43}=):", answer.headers.get("Repr-Digest", ""))
    if found:
        return base64.b64decode(found[1]).hex()
    plain = answer.headers.get("X-Checksum-Sha256", "").lower()
    return plain if re.fullmatch(r"[0-9a-f]{64}", plain) else None


@dataclass(frozen=True)
class FileSource:
    """A file on a mounted volume."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def open(self, start: int, validator: str | None) -> Body:
        try:
            if not self.path.is_file():
                raise FileNotFoundError(2, "no such file")
            file = self.path.open("rb")
            facts = os.fstat(file.fileno())
        except OSError as error:
            problem = ImageError(f"{self.path}: {error.strerror}", hint="is the volume mounted?")
            problem.status = 403 if isinstance(error, PermissionError) else 404
            raise problem from None
        now = f"{facts.st_dev}-{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}"
        begin = start if validator == now else 0
        file.seek(begin)

        return Body(begin, facts.st_size, _file_chunks(file, self.name), file.close, now)


def _file_chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        while chunk := file.read(CHUNK):
            yield chunk
    except OSError as error:
        raise ImageError(f"{name}: {error.strerror}", retry=True) from None
