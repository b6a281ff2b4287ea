"""One file from a Source to its place: streamed, resumed, hashed, measured.

`context.prepare` calls `download`. The bytes go into a part file beside the target and are renamed
once they are all there and their SHA-256 is right. Memory stays at a few chunks whatever the size.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge.errors import BridgeError, ImageError
from gitops_bridge.images import disk
from gitops_bridge.images.sources import CHUNK, Body, Busy, Source

_ATTEMPTS = 6
"""In a row without one new byte."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_REPORT_EVERY = 5.0


@dataclass(frozen=True)
class Pace:
    """Time: `clock` in monotonic seconds, at `deadline` of it all ends; `log` takes a line for
    people."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    deadline: float
    log: Callable[[str], None]

    def left(self) -> float:
        return self.deadline - self.clock()

    def wait(self, seconds: float, because: BridgeError) -> None:
        if self.clock() + seconds >= self.deadline:
            raise because
        self.sleep(seconds)


@dataclass(frozen=True)
class Fetched:
    """`doubtful` when nothing has told that these are all the bytes there are."""

    path: Path
    sha256: str
    size: int
    doubtful: bool = False


def download(
    source: Source, target: Path, *, parts: Path, pace: Pace, sha256: str | None = None
) -> Fetched:
    """The source's file at `target`, world-readable; `sha256` in hex is what it must have.

    `parts` is a folder on the same file system for what is not finished; a later call goes on
    from there when the source still has that very content. Raises BridgeError; then no part is
    left, unless a later call could use it.
    """
    part = _Part.found(parts, source.name)
    try:
        body = _receive(source, part, pace)
        for wanted, whose in ((sha256, "asked for"), (body.sha256, "stated by the source")):
            if wanted is not None and wanted.lower() != part.hash.hexdigest():
                raise ImageError(
                    f"{source.name}: SHA-256 is {part.hash.hexdigest()}, {wanted} is {whose}",
                    hint="the file was changed or replaced; do not use it before you know why",
                )
        with disk.writing(target.parent):
            part.finish(target)
    except BridgeError as error:
        if isinstance(error, disk.DiskFull) or not (error.retry and part.validator):
            part.discard()
        raise
    doubtful = body.unbounded and sha256 is None and body.sha256 is None
    return Fetched(target, part.hash.hexdigest(), part.size, doubtful)


def _receive(source: Source, part: _Part, pace: Pace) -> Body:
    """All bytes into the part, over as many connections as it takes. The last body, read."""
    pause, attempts, best = _FIRST_PAUSE, 0, part.size
    while True:
        try:
            with closing(source.open(part.size, part.validator)) as body:
                _copy(source.name, body, part, pace)
            return body
        except BridgeError as error:
            if not error.retry or isinstance(error, disk.DiskFull):
                raise
            if part.size > best:
                best, attempts, pause = part.size, 0, _FIRST_PAUSE
            attempts += 1
            if attempts >= _ATTEMPTS or pace.clock() >= pace.deadline:
                raise
            asked = error.after if isinstance(error, Busy) else None
            again = f"goes on at {part.size}" if part.validator else "begins anew"
            pace.log(f"{error.message}; {again}")
            pace.wait(pause if asked is None else max(asked, _FIRST_PAUSE), error)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _copy(name: str, body: Body, part: _Part, pace: Pace) -> None:
    with disk.writing(part.path.parent):
        part.begin(body)
        if body.size is not None:
            disk.check_room(part.path.parent, body.size - part.size)
    progress = _Progress(name, body.size, part.size, pace)
    with disk.writing(part.path.parent), part.path.open("ab", buffering=0) as file:
        for chunk in body.chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
            part.take(chunk)
            progress.tell(part.size)
    if body.size is not None and part.size != body.size:
        raise ImageError(
            f"{name}: {part.size} bytes came, {body.size} were stated",
            retry=part.size < body.size,
        )
    progress.done(part.size)


class _Part:
    """The bytes so far, their hash, and beside them a note which content they are of."""

    def __init__(self, folder: Path, source: str) -> None:
        self.path = folder / "part"
        self._note = folder / "part.json"
        self._source = source
        self.validator: str | None = None
        self.size = 0
        self.hash = hashlib.sha256()

    @classmethod
    def found(cls, folder: Path, source: str) -> _Part:
        """What an earlier, broken-off run left, if it was of this source and can be resumed."""
        part = cls(folder, source)
        with disk.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                note = json.loads(part._note.read_bytes())
                file = part.path.open("rb")
            except (FileNotFoundError, ValueError):
                return part
            if not isinstance(note, dict) or note.get("source") != source:
                file.close()
                return part
            part.validator = note.get("validator")
            with file:
                while chunk := file.read(CHUNK):
                    part.take(chunk)
        return part

    def begin(self, body: Body) -> None:
        """Get ready for a body: from where it begins, which is here or at the first byte."""
        if body.start == 0:  # also when a part lies here that nobody knows the content of
            self.path.write_bytes(b"")
            self.size, self.hash = 0, hashlib.sha256()
        elif body.start != self.size:
            raise ImageError(f"{self._source}: begins at {body.start}, not at {self.size}")
        self.validator = body.validator
        if body.validator is None:
            self._note.unlink(missing_ok=True)
        else:
            note = {"source": self._source, "validator": body.validator}
            self._note.write_text(json.dumps(note))

    def take(self, chunk: bytes) -> None:
        self.hash.update(chunk)
        self.size += len(chunk)

    def finish(self, target: Path) -> None:
        self.path.chmod(0o644)
        os.replace(self.path, target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _Progress:
    """A line every few seconds: how much, how fast. Also where the deadline is kept."""

    def __init__(self, name: str, whole: int | None, at: int, pace: Pace) -> None:
        self._name = name
        self._whole = whole
        self._pace = pace
        self._began = self._told = pace.clock()
        self._from = at

    def tell(self, at: int) -> None:
        now = self._pace.clock()
        if now >= self._pace.deadline:
            raise ImageError(
                f"{self._name}: out of time at {at} bytes", hint="allow more time", retry=True
            )
        if now - self._told >= _REPORT_EVERY:
            self._told = now
            self._pace.log(self._line(at, now))

    def done(self, at: int) -> None:
        self._pace.log(self._line(at, self._pace.clock()))

    def _line(self, at: int, now: float) -> str:
        rate = (at - self._from) / max(now - self._began, 1e-3)
        of = f" of {self._whole / 1e6:.1f}" if self._whole is not None else ""
        return f"{self._name}: {at / 1e6:.1f}{of} MB, {rate / 1e6:.1f} MB/s"
