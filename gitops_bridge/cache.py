"""A folder that nobody else can write, and notes in it that are given back only when they hold.

    <folder>/<name>     `gitops-bridge <SHA-256>`, a line feed, the text

What stands in the cache decides: which image the next Job builds, what a render said. So a folder
that somebody else owns, or may write, is refused. The SHA-256 is of the note's name, of what its
text was made from and of the text. A note that is cut short, altered, of another version or made
from something else is thrown away, and whoever asked does the work anew.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

from gitops_bridge.errors import ConfigError

_MARK = b"gitops-bridge "
_LARGEST = 64 << 20  # bytes of a note
_KEPT = 4096  # notes in a folder
_ABANDONED = 3600  # seconds after which a file that never became a note is swept away


def private(folder: Path) -> None:
    """Make the folder, for us alone, where it is not there.

    Raises ConfigError when it is somebody else's or others may write it, OSError when it cannot be
    made.
    """
    if not os.path.lexists(folder):
        _make(folder)
    link, found = os.lstat(folder), os.stat(folder)
    if {link.st_uid, found.st_uid} != {os.geteuid()}:
        raise _refused(folder, f"belongs to user {link.st_uid}, not to user {os.geteuid()}")
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if found.st_mode & 0o022:
        raise _refused(folder, f"may be written by others (mode {found.st_mode & 0o7777:04o})")
    if found.st_mode & 0o777 != 0o700:
        os.chmod(folder, 0o700)


def _make(folder: Path) -> None:
    missing = [folder]
    while not os.path.lexists(missing[-1].parent):
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        with suppress(FileExistsError):  # somebody was faster: whose it is, is looked at next
            os.mkdir(path, 0o700)
            os.chmod(path, 0o700)  # whatever the umask


def _refused(folder: Path, why: str) -> ConfigError:
    return ConfigError(
        f"cache folder {folder} {why}: what it holds cannot be trusted",
        hint="set repository.cache to a folder that does not exist yet, or remove this one",
    )


class Cache:
    """Notes in `folder`, which is made with the first one. Reading and writing raise ConfigError
    for a folder that is not private, and nothing else: a full disk must not fail an action for the
    sake of a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._checked = False

    def read(self, name: str, made_from: str = "") -> str | None:
        """The text of the note `name`; None when there is none that was made from `made_from`."""
        if not os.path.lexists(self.folder) or not self._ready():
            return None
        path = self.folder / name
        content = _content(path)
        if content is None:
            return None
        head, _, text = content.partition(b"\n")
        with suppress(UnicodeDecodeError):
            if head == _MARK + _checksum(name, made_from, text):
                return text.decode("utf-8")
        with suppress(OSError):
            path.unlink()
        return None

    def write(self, name: str, text: str, made_from: str = "") -> None:
        """Put the note in place, whole or not at all."""
        content = text.encode("utf-8", "surrogatepass")
        if not self._ready():
            return
        temporary = self.folder / f".{name}.{os.getpid()}.{threading.get_ident()}"
        with suppress(OSError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with open(descriptor, "wb") as file:
                    file.write(_MARK + _checksum(name, made_from, content) + b"\n" + content)
                os.chmod(temporary, 0o600)
                temporary.replace(self.folder / name)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            if name.startswith("00"):
                _forget_oldest(self.folder)

    def forget(self, name: str) -> None:
        with suppress(OSError):
            (self.folder / name).unlink(missing_ok=True)

    def _ready(self) -> bool:
        if not self._checked:
            try:
                private(self.folder)
            except OSError:
                return False
            self._checked = True
        return True


def _checksum(name: str, made_from: str, content: bytes) -> bytes:
    digest = hashlib.sha256(f"{name}\0{made_from}\0".encode("utf-8", "surrogatepass"))
    digest.update(content)
    return digest.hexdigest().encode()


def _content(path: Path) -> bytes | None:
    """The bytes of a file of ours, none where it is too large to be a note; None where there is no
    such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read() if facts.st_size <= _LARGEST else b""
    except OSError:  # a disk that can no longer be read
        return b""
    finally:
        os.close(descriptor)


def _forget_oldest(folder: Path) -> None:
    """Keep the notes that were written last; what a killed process left half written goes too."""
    entries = [(entry.stat().st_mtime, entry.path) for entry in os.scandir(folder)]
    found = sorted(entries, reverse=True)
    old = {path for _, path in found[_KEPT:]}
    old |= {
        path
        for at, path in found
        if os.path.basename(path)[0] == "." and at < time.time() - _ABANDONED
    }
    for path in old:
        with suppress(OSError):
            os.unlink(path)
