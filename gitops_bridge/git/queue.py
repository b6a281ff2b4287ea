"""Intents beside the mirror: how waiting actions hand their edits to whoever leads.

    queue/<time>-<process>-<thread>.intent     line 1: the edit, written by its owner; then one line
                                               for each push: the commits that it was to bring
    queue/<same>.reply                         the same file, renamed; last line: what became of it

An owner keeps its file locked (flock) for as long as it lives, so a file nobody holds is debris:
its owner died, and whoever called it will plan again. One rename acknowledges; before it the intent
is still waiting, after it the owner has its answer. A leader that takes over from one that was
killed sees from the other lines which commits had been under way.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

from gitops_bridge import blobs
from gitops_bridge.cache import private
from gitops_bridge.errors import BridgeError, PushRejected, RepositoryError, StaleBase
from gitops_bridge.git.commits import Edit, Signature, Update

_ABANDONED = 3600
"""Seconds after which a file that never became an intent is swept away."""
_CLASSES: dict[str, type[BridgeError]] = {
    kind.__name__: kind for kind in (PushRejected, StaleBase, RepositoryError)
}


@dataclass(frozen=True)
class Intent:
    branch: str
    edit: Edit


@dataclass(frozen=True)
class Reply:
    """The ids of the commits by branch, none when nothing had to change; or `stale`, to be planned
    again; or a problem."""

    commits: Mapping[str, str] = field(default_factory=dict)
    stale: bool = False
    problem: BridgeError | None = None


class Ticket:
    """The owner's side of one intent."""

    def __init__(self, waiting: Path, descriptor: int) -> None:
        self._answered = os.fspath(waiting.with_suffix(".reply"))
        self._descriptor = descriptor

    def answered(self) -> bool:
        return os.path.exists(self._answered)

    def reply(self) -> Reply:
        """What the leader answered, once it has."""
        size = os.fstat(self._descriptor).st_size
        return _reply_from(json.loads(os.pread(self._descriptor, size, 0).splitlines()[-1]))


@contextmanager
def submitted(folder: Path, intent: Intent) -> Iterator[Ticket]:
    """Put `intent` into the queue for the length of the block."""
    private(folder)
    name = f"{time.monotonic_ns():020}-{os.getpid()}-{threading.get_ident()}"
    draft = folder / f"{name}.draft"
    path = folder / f"{name}.intent"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        flock(descriptor, LOCK_EX)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(json.dumps(_plain(intent)).encode() + b"\n")
        draft.rename(path)
        yield Ticket(path, descriptor)
    finally:
        for leftover in (draft, path, path.with_suffix(".reply")):
            leftover.unlink(missing_ok=True)
        os.close(descriptor)


class Waiting:
    """The leader's side of one intent; `attempts` holds the commits, by branch, of each push that
    was begun for it."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError when its owner has gone."""
        self._path = path
        line, *others = path.read_bytes().split(b"\n")[:-1]  # the last one is empty, or torn
        self.intent = _intent(json.loads(line))
        self.attempts: list[dict[str, str]] = [json.loads(other) for other in others]
        self.answered = False

    def attempt(self, commits: Mapping[str, str]) -> None:
        """Write down what is about to be pushed, before it is."""
        self.attempts.append(dict(commits))
        self._write(dict(commits))

    def answer(self, reply: Reply) -> None:
        """Acknowledge; an owner that has gone meanwhile does not mind."""
        self._write(_reply(reply))
        with suppress(FileNotFoundError):
            self._path.rename(self._path.with_suffix(".reply"))
        self.answered = True

    def _write(self, line: dict[str, Any]) -> None:
        with suppress(FileNotFoundError), open(self._path, "r+b") as file:
            whole = file.read().rpartition(b"\n")[0] + b"\n"
            file.truncate(len(whole))  # without what a leader left that died while writing
            file.seek(len(whole))
            file.write(json.dumps(line).encode() + b"\n")


def waiting(folder: Path) -> list[Waiting]:
    """The intents whose owners live, oldest first; the debris of the others is removed."""
    found = []
    for path in sorted(folder.iterdir()):
        with suppress(FileNotFoundError):
            if path.suffix == ".draft":  # not locked from its very first moment on
                old = time.time() - path.stat().st_mtime > _ABANDONED
                if old and not _owned(path):
                    path.unlink()
            elif not _owned(path):
                path.unlink()
            elif path.suffix == ".intent":
                found.append(Waiting(path))
    return found


def _owned(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _plain(intent: Intent) -> dict[str, Any]:
    return {"branch": intent.branch, "edit": _plain_edit(intent.edit)}


def _plain_edit(edit: Edit) -> dict[str, Any]:
    return {
        "changes": {
            path: None if content is None else _plain_content(content)
            for path, content in edit.changes.items()
        },
        "guards": dict(edit.guards),
        "message": edit.message,
        "author": asdict(edit.author),
        "base": edit.base,
        "ref_updates": [asdict(update) for update in edit.ref_updates],
        "prerequisites": {branch: _plain_edit(part) for branch, part in edit.prerequisites.items()},
    }


def _plain_content(content: bytes) -> tuple[int, str]:
    return blobs.mode_of(content), base64.b64encode(content).decode()


def _content(plain: tuple[int, str]) -> bytes:
    mode, content = plain
    return blobs.of(base64.b64decode(content), mode)


def _intent(plain: dict[str, Any]) -> Intent:
    return Intent(plain["branch"], _edit(plain["edit"]))


def _edit(plain: dict[str, Any]) -> Edit:
    return Edit(
        changes={
            path: None if content is None else _content(content)
            for path, content in plain["changes"].items()
        },
        guards=plain["guards"],
        message=plain["message"],
        author=Signature(**plain["author"]),
        base=plain["base"],
        ref_updates=tuple(Update(**update) for update in plain["ref_updates"]),
        prerequisites={branch: _edit(part) for branch, part in plain["prerequisites"].items()},
    )


def _reply(reply: Reply) -> dict[str, Any]:
    problem = reply.problem
    return {
        "commits": dict(reply.commits),
        "stale": reply.stale,
        "problem": problem
        and {
            "kind": type(problem).__name__,
            "message": problem.message,
            "hint": problem.hint,
            "retry": problem.retry,
        },
    }


def _reply_from(plain: dict[str, Any]) -> Reply:
    problem = plain["problem"]
    if problem is None:
        return Reply(plain["commits"], plain["stale"])
    kind = _CLASSES.get(problem["kind"], RepositoryError)
    return Reply(problem=kind(problem["message"], hint=problem["hint"], retry=problem["retry"]))
