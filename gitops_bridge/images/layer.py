"""A model file as one image layer, the same bytes each time; `append` pushes it.

The layer is a tar of one entry inside a gzip stream of *stored* blocks: model packages are zips
already, so compressing costs minutes and gains nothing, while every registry and runtime takes a
gzip layer. Stored blocks have a fixed layout (https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4),
so that size and bytes depend on the file alone, not on the version of a compressor.
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge.desired.dockerfile import MODEL_FOLDER
from gitops_bridge.errors import ImageError

_BLOCK = 65_535  # the most a stored block holds
_PIECE = 8 * _BLOCK
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, no system
_TAR_UNIT = 512


@dataclass(frozen=True)
class Layer:
    """What is known of the layer after one pass over the file."""

    file: Path
    name: str
    file_size: int
    sha256: str
    """Of the file, in hex."""
    size: int
    """Bytes of the gzip stream."""
    digest: str
    """sha256 of the gzip stream: the blob."""
    diff_id: str
    """sha256 of the tar: what the image's configuration lists."""
    checksum: int
    """CRC-32 of the tar, which closes the gzip stream."""

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        """The blob in pieces, read anew. Raises ImageError when the file has changed its size."""
        yield _GZIP_HEADER
        left = _tar_size(self.name, self.file_size)
        for piece in _pieces(_tar(self.file, self.name, self.file_size)):
            left -= len(piece)
            yield _stored(piece, last=not left)
        yield _trailer(self.checksum, _tar_size(self.name, self.file_size))

    def tell(self) -> int:
        return 0

    def seek(self, position: int) -> None:
        """Each iteration starts over; nothing seeks anywhere else than to the start."""


def describe(file: Path, name: str) -> Layer:
    """Go through `file` once, to be `/opt/ml/model/<name>` in the image; memory stays flat.

    Raises ImageError when it cannot be read, is empty, or `name` is no plain file name.
    """
    if not name or "/" in name or name in {".", ".."} or not name.isprintable():
        raise ImageError(f"{name!r} cannot be the model's file name in the image")
    try:
        size = file.stat().st_size
    except OSError as error:
        raise ImageError(f"the model {file} cannot be read: {error.strerror}") from None
    if not size:
        raise ImageError(f"the model {file} is empty", hint="fetch it again")
    tar_size = _tar_size(name, size)
    blob, tar, checksum, left = hashlib.sha256(_GZIP_HEADER), hashlib.sha256(), 0, tar_size
    plain = hashlib.sha256()
    for piece in _pieces(_tar(file, name, size, plain)):
        left -= len(piece)
        tar.update(piece)
        checksum = zlib.crc32(piece, checksum)
        blob.update(_stored(piece, last=not left))
    blob.update(_trailer(checksum, tar_size))
    blocks = -(-tar_size // _BLOCK)
    return Layer(
        file=file,
        name=name,
        file_size=size,
        sha256=plain.hexdigest(),
        size=len(_GZIP_HEADER) + 5 * blocks + tar_size + 8,
        digest=f"sha256:{blob.hexdigest()}",
        diff_id=f"sha256:{tar.hexdigest()}",
        checksum=checksum,
    )


def _tar(file: Path, name: str, size: int, hasher: hashlib._Hash | None = None) -> Iterator[bytes]:
    """A tar of one entry: root's, world-readable, without a time. The folders above it are the
    base image's business: an entry for them would change their owner and mode."""
    head, left = _tar_header(name, size), size
    try:
        with file.open("rb") as source:
            while chunk := source.read(min(_PIECE - len(head), left)):
                if hasher:
                    hasher.update(chunk)
                left -= len(chunk)
                yield head + chunk
                head = b""  # so that each chunk is a piece already, and none is copied again
            grown = bool(source.read(1))
    except OSError as error:
        raise ImageError(f"the model {file} cannot be read: {error.strerror}") from None
    if left or grown:
        raise ImageError(f"the model {file} changed while it was read", hint="fetch it again")
    yield bytes(_tail(size))


def _tar_header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(MODEL_FOLDER.lstrip("/") + name)
    entry.size, entry.mode = size, 0o644
    return entry.tobuf(tarfile.PAX_FORMAT)


def _tail(size: int) -> int:
    """Zeros that fill the file's last unit, and the two empty units that end a tar."""
    return -size % _TAR_UNIT + 2 * _TAR_UNIT


def _tar_size(name: str, size: int) -> int:
    return len(_tar_header(name, size)) + size + _tail(size)


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of `_PIECE`, the last one shorter."""
    waiting = b""
    for chunk in chunks:
        waiting = waiting + chunk if waiting else chunk
        while len(waiting) >= _PIECE:
            yield waiting[:_PIECE]
            waiting = waiting[_PIECE:]
    if waiting:
        yield waiting


def _stored(piece: bytes, *, last: bool) -> bytes:
    """`piece` as deflate blocks without compression, the final one marked when it is the `last`."""
    parts: list[bytes | memoryview] = []
    whole = memoryview(piece)
    for start in range(0, len(piece), _BLOCK):
        block = whole[start : start + _BLOCK]
        final = last and start + _BLOCK >= len(piece)
        parts += [struct.pack("<BHH", final, len(block), len(block) ^ 0xFFFF), block]
    return b"".join(parts)


def _trailer(checksum: int, tar_size: int) -> bytes:
    return struct.pack("<II", checksum, tar_size & 0xFFFFFFFF)
