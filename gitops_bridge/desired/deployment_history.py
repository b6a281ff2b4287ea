"""The commits that touched a deployment's `model/`, told apart: our deliveries and people's moves.

For telling people, and for making the branch `rollouts` anew when it is gone: nothing else is
decided by history. A commit is our delivery when the record it left has a higher rollout number
than any before it, whatever a squash merge made of its message: a revert or a cherry-pick brings an
old number back, an edit leaves it. A stop leaves no record: it says so in its trailers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitops_bridge.desired.messages import ACTION, DEPLOYMENT
from gitops_bridge.desired.record import Record


@dataclass(frozen=True)
class HistoryEntry:
    """A commit as history shows it; `record` is what `model/` held after it, None if nothing.
    `own`: the bridge committed it and nobody has picked or rebased it since."""

    commit: str
    author: str
    trailers: Mapping[str, str]
    record: Record | None
    own: bool = False

    @property
    def number(self) -> int:
        return self.record.rollout if self.record else 0


@dataclass(frozen=True)
class DeploymentHistory:
    """last: our newest delivery; moves: people's commits since, newest first; rollouts: the highest
    number."""

    last: HistoryEntry | None = None
    moves: tuple[HistoryEntry, ...] = ()
    rollouts: int = 0


def classify_commits(entries: Iterable[HistoryEntry], deployment: str) -> DeploymentHistory:
    """The history of a deployment from the commits that touched its `model/`, newest first.

    Reads no further than a delivery that shows by itself that it is ours.
    """
    read: list[HistoryEntry] = []
    for entry in entries:
        read.append(entry)
        if entry.record and entry.own and _is_signed(entry, deployment):
            break
    last: HistoryEntry | None = None
    moves: list[HistoryEntry] = []
    highest = 0
    for entry in reversed(read):
        if _is_ours(entry, deployment, highest):
            last, moves = entry, []
        else:
            moves.insert(0, entry)
        highest = max(highest, entry.number)
    return DeploymentHistory(last, tuple(moves), highest)


def _is_ours(entry: HistoryEntry, deployment: str, highest: int) -> bool:
    """Whether a commit, found with rollouts up to number `highest` before it, is our delivery. One
    that says so and brings an old number back was picked by a person, message and all."""
    if entry.number > highest:
        return True
    return entry.record is None and _is_signed(entry, deployment)


def _is_signed(entry: HistoryEntry, deployment: str) -> bool:
    return ACTION in entry.trailers and entry.trailers.get(DEPLOYMENT) == deployment
