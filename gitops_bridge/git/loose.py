"""Loose objects to their content and back, here instead of in libgit2.

libgit2 1.9 inflates a loose object that is cut short for ever, in C, where no signal arrives: what
a power cut leaves would hang every later start. So this is asked before libgit2's own reader of
loose objects, and raises on what is not one whole zlib stream. Packs need no such care: libgit2
compares them with their index.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from contextlib import suppress
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

_NAMES = {
    int(ObjectType.COMMIT): b"commit",
    int(ObjectType.TREE): b"tree",
    int(ObjectType.BLOB): b"blob",
    int(ObjectType.TAG): b"tag",
}
_KINDS = {name: kind for kind, name in _NAMES.items()}
_HEADER = re.compile(rb"(commit|tree|blob|tag) (0|[1-9]\d*)\0")
_BEFORE_PACKS = 3
"""libgit2 asks the backend of the highest priority first; packs have 2, its loose objects 1."""


def guard(repository: pygit2.Repository) -> None:
    """Have every loose object of `repository` read by this module."""
    repository.odb.add_backend(_Loose(f"{repository.path}objects"), _BEFORE_PACKS)


class _Loose(pygit2.OdbBackend):
    """Raises KeyError for what is not here, so that the next backend is asked, and GitError for
    what is damaged, so that it is not."""

    def __init__(self, objects: str) -> None:
        super().__init__()
        self._objects = objects

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        return self._read(str(oid))

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        kind, content = self._read(str(oid))
        return kind, len(content)

    def read_prefix_cb(self, prefix: str) -> None:
        """Look at what the prefix may mean, and leave the answer to libgit2."""
        name = str(prefix)
        for path in Path(self._objects, name[:2]).glob(f"{name[2:]}*"):
            self._read(name[:2] + path.name)
        raise KeyError(name)

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        name = str(oid)
        return os.path.exists(f"{self._objects}/{name[:2]}/{name[2:]}")

    def exists_prefix_cb(self, prefix: str) -> None:
        raise KeyError(str(prefix))

    def write_cb(self, oid: pygit2.Oid, content: bytes, kind: int) -> None:
        """libgit2 writes to the first backend that it reads from."""
        name = str(oid)
        folder = f"{self._objects}/{name[:2]}"
        temporary = f"{folder}/tmp_obj_{os.getpid()}_{threading.get_ident()}"  # noqa: S108
        packed = zlib.compress(b"%s %d\0%b" % (_NAMES[kind], len(content), content), 1)
        with suppress(FileExistsError):
            os.mkdir(folder)
        with suppress(FileNotFoundError):  # else a killed process of this number left it
            os.unlink(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                while packed := packed[file.write(packed) :]:
                    continue
            os.rename(temporary, f"{folder}/{name[2:]}")
        except BaseException:
            os.unlink(temporary)
            raise

    def refresh_cb(self) -> None:
        """Nothing is kept that could be out of date."""

    def _read(self, name: str) -> tuple[int, bytes]:
        try:
            with open(f"{self._objects}/{name[:2]}/{name[2:]}", "rb", buffering=0) as file:
                packed = file.read()
        except OSError:
            raise KeyError(name) from None
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(packed)
        except zlib.error as error:
            raise pygit2.GitError(f"loose object {name} is corrupt: {error}") from None
        header = _HEADER.match(content)
        if not inflater.eof or not header or int(header[2]) != len(content) - header.end():
            raise pygit2.GitError(f"loose object {name} is corrupt: it is cut short")
        return _KINDS[header[1]], content[header.end() :]
