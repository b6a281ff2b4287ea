"""What is particular about writing gigabytes: a disk that fills up, said so that it can be cured.

`fetch` and `context` write through this.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitops_bridge.errors import ImageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
HINT = "give the build more disk: the volume's size limit and the ephemeral-storage request"


class DiskFull(ImageError):
    """Another node may have room, so a retry of the whole may help; one here does not."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=HINT, retry=True)


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


def check_room(folder: Path, needed: int) -> None:
    """Raise DiskFull when `needed` bytes do not fit, before they were fetched for nothing."""
    free = os.statvfs(folder)
    available = free.f_bavail * free.f_frsize
    if needed > available:
        raise DiskFull(f"{folder}: {needed} bytes are needed, {available} are free")
