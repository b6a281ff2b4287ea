"""A relaunch to the number of restarts it counts up to, the same one until it was answered.

A relaunch counts on from main as it is, so one whose process was killed after its push landed would
count again when the agent sends it again. A note in the cache tells which number it was about.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitops_bridge.actions import Request
from gitops_bridge.rollout.state import identity


@contextmanager
def counted(cache: Path, name: str, request: Request, restarts: int) -> Iterator[int]:
    """The number for this relaunch on a main that has `restarts`: the next one, or the one that was
    begun and never answered. The note goes when the block ends well."""
    note = cache / "relaunches" / hashlib.sha256(name.encode()).hexdigest()[:32]
    asked = hashlib.sha256(repr(identity(request)).encode()).hexdigest()
    goal = _begun(note, asked, restarts) or restarts + 1
    with suppress(OSError):  # without a note a killed relaunch counts once more
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.write_text(json.dumps({"asked": asked, "goal": goal}), encoding="utf-8")
    yield goal
    with suppress(OSError):
        note.unlink()


def _begun(note: Path, asked: str, restarts: int) -> int | None:
    """The number of the same relaunch that was begun, if main has it or has yet to get it."""
    try:
        data = json.loads(note.read_text(encoding="utf-8"))
        goal = int(data["goal"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return goal if data["asked"] == asked and goal - restarts in (0, 1) else None
