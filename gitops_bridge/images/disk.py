"""What is particular about a folder for gigabytes: a disk that fills up, said so that it can be
cured, and a second run in the same folder.

`fetch` and `context` write through this.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from gitops_bridge.errors import ImageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFull(ImageError):
    """Another node may have room, so a retry of the whole may help; one here does not."""

    def __init__(self, message: str) -> None:
        volume = "the volume's size limit and the ephemeral-storage request"
        super().__init__(message, hint=f"give the build more disk: {volume}", retry=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's errors on writing into `folder` into ImageError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"{folder}: the disk is full") from None
        raise ImageError(
            f"{error.filename or folder}: {error.strerror or error}",
            hint="is the folder writable for this user?",
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Raise ImageError when somebody else works in the folder already: what one of two clears away
    is what the other has finished. Held until the end, also that of a kill."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _is_taken(descriptor):
            raise ImageError(
                f"{folder}: another run works in this folder",
                hint="wait for its end, or give each a folder of its own",
                retry=True,
            )
        yield
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system that locks no folders, such as NFS, does without
        pass
    return False


def check_room(folder: Path, needed: int) -> None:
    """Raise DiskFull when `needed` bytes do not fit, before they were fetched for nothing."""
    free = os.statvfs(folder)
    available = free.f_bavail * free.f_frsize
    if needed > available:
        raise DiskFull(f"{folder}: {needed} bytes are needed, {available} are free")
