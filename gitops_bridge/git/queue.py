"""Intents beside the mirror: how waiting actions hand their edits to whoever leads.

    queue/<time>-<process>-<thread>.intent     line 1: the edit, written by its owner
    queue/<same>.reply                         the same file, renamed; line 2: what became of it

An owner keeps its file locked (flock) for as long as it lives, so a file nobody holds is debris:
its owner died, and whoever called it will plan again. One rename acknowledges; before it the intent
is still waiting, after it the owner has its answer. `delivery` uses both sides.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
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
    """An edit of `branch`, planned on the commit `base` ("" for a branch not there yet)."""

    branch: str
    base: str
    edit: Edit
    create: bool = False


@dataclass(frozen=True)
class Reply:
    """A commit; or `stale`, to be planned again; or a problem; or none of them: no change."""

    commit: str | None = None
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
        _, line, *_ = os.pread(self._descriptor, size, 0).split(b"\n")
        return _reply_from(json.loads(line))


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
    """The leader's side of one intent."""

    def __init__(self, path: Path, intent: Intent) -> None:
        self._path = path
        self.intent = intent
        self.answered = False

    def answer(self, reply: Reply) -> None:
        """Acknowledge; an owner that has gone meanwhile does not mind."""
        with suppress(FileNotFoundError), open(self._path, "r+b") as file:
            file.readline()
            file.truncate(file.tell())  # what a leader left that died before its rename
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(_reply(reply)).encode() + b"\n")
            file.flush()
            self._path.rename(self._path.with_suffix(".reply"))
        self.answered = True


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
                line = path.read_bytes().split(b"\n", 1)[0]
                found.append(Waiting(path, _intent(json.loads(line))))
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
    return {
        "branch": intent.branch, "base": intent.base, "create": intent.create,
        "edit": _plain_edit(intent.edit),
    }  # fmt: skip


def _plain_edit(edit: Edit) -> dict[str, Any]:
    return {
        "changes": {
            path: None if content is None else _plain_content(content)
            for path, content in edit.changes.items()
        },
        "guards": dict(edit.guards),
        "message": edit.message,
        "author": asdict(edit.author),
        "before": {branch: _plain_edit(part) for branch, part in edit.before.items()},
        "along": [asdict(update) for update in edit.along],
    }


def _plain_content(content: bytes) -> tuple[int, str]:
    return blobs.mode_of(content), base64.b64encode(content).decode()


def _content(plain: tuple[int, str]) -> bytes:
    mode, content = plain
    return blobs.of(base64.b64decode(content), mode)


def _intent(plain: dict[str, Any]) -> Intent:
    return Intent(plain["branch"], plain["base"], _edit(plain["edit"]), plain["create"])


def _edit(plain: dict[str, Any]) -> Edit:
    return Edit(
        changes={
            path: None if content is None else _content(content)
            for path, content in plain["changes"].items()
        },
        guards=plain["guards"],
        message=plain["message"],
        author=Signature(**plain["author"]),
        before={branch: _edit(part) for branch, part in plain["before"].items()},
        along=tuple(Update(**update) for update in plain["along"]),
    )


def _reply(reply: Reply) -> dict[str, Any]:
    problem = reply.problem
    return {
        "commit": reply.commit,
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
        return Reply(plain["commit"], plain["stale"])
    kind = _CLASSES.get(problem["kind"], RepositoryError)
    return Reply(problem=kind(problem["message"], hint=problem["hint"], retry=problem["retry"]))
