"""Archives from outside: is one whole, and its files into a folder without harm.

`context` calls `check` on what was downloaded and `unpack` on a custom model's parts. Refused:
names that leave the folder or hide something, links that lead out of it, devices and pipes, one
name twice, and archives that grow beyond `Limits`. Nothing in an archive is ever run.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from gitops_bridge.errors import ImageError
from gitops_bridge.images import zip_directory
from gitops_bridge.images.tar_headers import Member

CHUNK = 1 << 20
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")
_USUAL = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError,
    ValueError, LookupError, OverflowError, NotImplementedError, RuntimeError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """How much an archive may become. The ratio counts from 64 MiB on: small files of zeros are
    common, and harmless."""

    entries: int = 200_000
    total: int = 64 << 30
    ratio: int = 200
    directory: int = 128 << 20
    """Bytes of a zip's central directory, which has to be held in memory."""

    def most(self, size: int) -> int:
        """Bytes that an archive of `size` may become."""
        return min(self.total, max(64 << 20, size * self.ratio))


DEFAULT = Limits()


@dataclass(frozen=True)
class _Entry:
    """One member; `open` gives its bytes, `link` is where a link leads."""

    name: str
    kind: str  # file, folder, symlink, hardlink or what else it is
    executable: bool = False
    link: str = ""
    open: Callable[[], IO[bytes]] | None = None


def kind(path: Path) -> str | None:
    """`zip`, `gzip` or `tar` by the first bytes; None for anything else."""
    with path.open("rb") as file:
        start = file.read(512)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if start[:2] == b"\x1f\x8b":
        return "gzip"
    return "tar" if start[257:262] == b"ustar" else None


def check(path: Path, limits: Limits = DEFAULT) -> None:
    """Raise ImageError unless the file is an archive that is there to its end: a zip by its
    directory, which is written last, and each file's checksum; a gzip by its own; a tar by walking
    it."""
    found = kind(path)
    with _naming(path):
        if found == "zip":
            zip_directory.check(path, limits.entries, limits.directory)
            _drain(_readable(path), path, limits)
        elif found == "gzip":
            _drain(_unzipped(path), path, limits)
        elif found == "tar":
            _walk_tar(path)
        else:
            raise ImageError(
                f"{path.name} is no archive: it begins with {start(path)!r}",
                hint="is the source the package itself, or a web page about it?",
            )


def unpack(path: Path, into: Path, limits: Limits = DEFAULT) -> None:
    """All files of the archive at `path` into the folder `into`, world-readable.

    Files keep whether they can be executed, nothing else of their modes and owners. Raises
    ImageError; what was written until then stays for the caller to remove.
    """
    tree = _Tree(into, limits, path.stat().st_size)
    with _naming(path), _entries(path, limits) as entries:
        for entry in entries:
            tree.add(entry)
        tree.link()


def read(path: Path, name: str, most: int) -> bytes | None:
    """One file of a zip, by its exact name, up to `most` bytes; None when it is not there."""
    with _naming(path), zipfile.ZipFile(path) as archive:
        if name not in archive.NameToInfo:
            return None
        with archive.open(name) as file:
            content = file.read(most + 1)
    if len(content) > most:
        raise ImageError(f"{path.name}: {name} is larger than {most} bytes")
    return content


def holds(path: Path, name: str) -> bool:
    """Whether it is a zip with a file of that exact name."""
    if kind(path) != "zip":
        return False
    with _naming(path), zipfile.ZipFile(path) as archive:
        return name in archive.NameToInfo


def looks_like_text(path: Path) -> bool:
    """Whether it begins like a web page or an error message rather than like data."""
    return all(byte >= 0x20 or byte in b"\t\r\n" for byte in start(path))


def extract(path: Path, name: str, to: Path, limits: Limits = DEFAULT) -> None:
    """One file of a zip, by its exact name, to the file `to`. Its own content is not looked at."""
    tree = _Tree(to.parent, limits, path.stat().st_size)
    with _naming(path), zipfile.ZipFile(path) as archive:
        if name not in archive.NameToInfo:
            raise ImageError(f"lacks {name!r:.200}")
        tree.copy(lambda: archive.open(name), to, name)


@dataclass
class _Tree:
    """What was unpacked so far. Every parent of an entry is a real folder made here, so no write
    ever goes through a link; links are made last."""

    into: Path
    limits: Limits
    size: int
    kinds: dict[str, str] = field(default_factory=lambda: {".": "folder"})
    links: list[tuple[str, str]] = field(default_factory=list)
    entries: int = 0
    written: int = 0

    def add(self, entry: _Entry) -> None:
        self.entries += 1
        if self.entries > self.limits.entries:
            raise ImageError(f"holds more than {self.limits.entries} entries")
        name = _safe(entry.name)
        if entry.kind == "folder":
            self._folder(name)
            return
        if name in self.kinds:
            raise ImageError(f"holds {name!r:.200} twice")
        self._folder(str(PurePosixPath(name).parent))
        if entry.kind == "file" and entry.open is not None:
            self.copy(entry.open, self.into / name, name)
            (self.into / name).chmod(0o755 if entry.executable else 0o644)
        elif entry.kind == "symlink":
            self.links.append((name, _leading_inside(name, entry.link)))
        elif entry.kind == "hardlink":
            self._hardlink(name, _safe(entry.link))
        else:
            raise ImageError(f"holds {name!r:.200}, a {entry.kind}, not a file")
        self.kinds[name] = entry.kind

    def link(self) -> None:
        for name, target in self.links:
            os.symlink(target, self.into / name)

    def _folder(self, name: str) -> None:
        if name == "." or self.kinds.get(name) == "folder":
            return
        if name in self.kinds:
            raise ImageError(f"holds {name!r:.200} both as a folder and as a {self.kinds[name]}")
        self._folder(str(PurePosixPath(name).parent))
        self.kinds[name] = "folder"
        (self.into / name).mkdir(mode=0o755)
        (self.into / name).chmod(0o755)

    def copy(self, source: Callable[[], IO[bytes]], target: Path, name: str) -> None:
        with source() as file, target.open("xb") as copy:
            while chunk := file.read(CHUNK):
                self._grow(len(chunk), name)
                copy.write(chunk)

    def _hardlink(self, name: str, original: str) -> None:
        if self.kinds.get(original) not in ("file", "hardlink"):
            raise ImageError(f"holds {name!r:.200}, a link to {original!r:.200}, no file before it")
        os.link(self.into / original, self.into / name, follow_symlinks=False)

    def _grow(self, count: int, name: str) -> None:
        self.written += count
        if self.written > self.limits.most(self.size):
            raise _bomb(self.limits, self.size, f" (at {name!r:.200})")


def _safe(name: str) -> str:
    """The name, normalised, when it stays inside and shows what it is."""
    path = PurePosixPath(name)
    if _HIDDEN.search(name) or not name:
        raise ImageError(f"holds a name with characters that hide: {name!r:.200}")
    if path.is_absolute() or ".." in path.parts:
        raise ImageError(f"holds {name!r:.200}, which leads out of the folder")
    if any(len(part.encode()) > 255 for part in path.parts) or len(name.encode()) > 4000:
        raise ImageError(f"holds a name that is too long: {name!r:.200}")
    return str(path)


def _leading_inside(name: str, target: str) -> str:
    """A symbolic link's target: relative, and `..` only at its front. The link's own folder is a
    real one, so counting those steps is exact; `..` behind a name might step out of a link."""
    parts = PurePosixPath(target).parts
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    depth = len(PurePosixPath(name).parts) - 1
    outside = PurePosixPath(target).is_absolute() or ups > depth or ".." in parts[ups:]
    if not parts or outside or _HIDDEN.search(target):
        raise ImageError(f"holds {name!r:.200}, a link to {target!r:.200}, out of the folder")
    return target


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors with the archive's name; the libraries' own become ours."""
    try:
        yield
    except ImageError as error:
        if error.message.startswith(path.name):
            raise
        problem = ImageError(f"{path.name} {error.message}", hint=error.hint, retry=error.retry)
        problem.status = error.status
        raise problem from None
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # those are offsets out of reach
            raise
        raise _broken(path, error) from None
    except _BROKEN as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: Exception) -> ImageError:
    return ImageError(
        f"{path.name} is broken: {error or type(error).__name__!s:.200}",
        hint="it is cut off or was changed on its way; build or upload it anew",
    )


@contextmanager
def _entries(path: Path, limits: Limits) -> Iterator[Iterator[_Entry]]:
    if kind(path) == "zip":
        zip_directory.check(path, limits.entries, limits.directory)
        with zipfile.ZipFile(path) as archive:
            yield (_of_zip(archive, info) for info in archive.infolist())
    elif kind(path) in ("gzip", "tar"):
        with tarfile.open(path, "r:*", errorlevel=2, tarinfo=Member) as tar:
            yield _of_tar(tar)
    else:
        raise ImageError(f"is no zip and no tar: it begins with {start(path)!r}")


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    name = info.orig_filename
    if info.flag_bits & 1:
        raise ImageError(f"holds {name!r:.200}, which is encrypted")
    mode = info.external_attr >> 16
    if info.compress_type not in _USUAL:
        raise ImageError(f"holds {name!r:.200}, compressed in an unusual way")
    if name.endswith("/"):
        return _Entry(name, "folder")
    if stat.S_ISLNK(mode):
        with archive.open(info) as file:
            return _Entry(name, "symlink", link=file.read(4096).decode(errors="replace"))
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return _Entry(name, "special file")
    return _Entry(name, "file", bool(mode & 0o111), open=lambda: archive.open(info))


def _of_tar(tar: tarfile.TarFile) -> Iterator[_Entry]:
    while (member := tar.next()) is not None:
        # The library keeps every member for later look-ups, which a bomb of headers would fill.
        tar.members = []  # type: ignore[attr-defined]
        if member.isdir():
            yield _Entry(member.name, "folder")
        elif member.isreg():
            yield _Entry(member.name, "file", bool(member.mode & 0o111), open=_opener(tar, member))
        elif member.issym():
            yield _Entry(member.name, "symlink", link=member.linkname)
        elif member.islnk():
            yield _Entry(member.name, "hardlink", link=member.linkname)
        else:
            yield _Entry(member.name, "special file")


def _opener(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    return lambda: tar.extractfile(member) or io.BytesIO()


def _bomb(limits: Limits, size: int, where: str = "") -> ImageError:
    return ImageError(
        f"unpacks to more than {limits.most(size)} bytes{where} from {size}",
        hint="this looks like a decompression bomb",
    )


def _readable(path: Path) -> Iterator[IO[bytes]]:
    """The files of a zip, but for those that are encrypted or compressed in an unusual way."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.flag_bits & 1 and info.compress_type in _USUAL:
                yield archive.open(info)


def _unzipped(path: Path) -> Iterator[gzip.GzipFile]:
    with gzip.open(path, "rb") as file:
        yield file


def _drain(files: Iterable[IO[bytes] | gzip.GzipFile], path: Path, limits: Limits) -> None:
    """Read all to their ends, where the library compares their checksums."""
    size, unpacked = path.stat().st_size, 0
    for each in files:
        with each as file:
            while chunk := file.read(CHUNK):
                unpacked += len(chunk)
                if unpacked > limits.most(size):
                    raise _bomb(limits, size)


def _walk_tar(path: Path) -> None:
    with tarfile.open(path, "r:", errorlevel=2, tarinfo=Member) as tar:
        size = path.stat().st_size
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]
            if member.offset_data + (member.size if member.isreg() else 0) > size:
                raise tarfile.ReadError(f"it ends within {member.name!r:.200}")
        with path.open("rb") as file:
            file.seek(tar.offset)
            if file.read(512) != bytes(512):
                raise tarfile.ReadError("the empty block at its end is missing")


def start(path: Path) -> bytes:
    """The first bytes, for a message."""
    with path.open("rb") as file:
        return file.read(40)
