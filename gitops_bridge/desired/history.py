"""The commits that touched a deployment's `model/`, told apart: our deliveries and people's moves.

`bridge` feeds them newest first and stops when the story is clear. A commit is our delivery when
the record it left has a higher rollout number than any before it, whatever a squash merge made of
its message: a revert or a cherry-pick brings an old number back, an edit leaves it. A stop leaves
no record: that one says so in its trailers or, squashed, the proposal vouches that it brought it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitops_bridge.desired.messages import ACTION, DEPLOYMENT, RELEASED
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import Touch


@dataclass(frozen=True)
class Seen:
    """A commit as history shows it; `record` is what `model/` held after it, None if nothing.
    `vouched`: a proposal of ours says that this is how it got there. `own`: the bridge committed it
    and nobody has picked or rebased it since."""

    commit: str
    author: str
    trailers: Mapping[str, str]
    record: Record | None
    vouched: bool = False
    own: bool = False

    @property
    def number(self) -> int:
        return self.record.rollout if self.record else 0

    def touch(self) -> Touch:
        return Touch(self.commit, self.author, self.record)


@dataclass(frozen=True)
class Story:
    """last: our newest delivery; moves: people's commits since, newest first; rollouts: the highest
    number."""

    last: Touch | None = None
    moves: tuple[Touch, ...] = ()
    rollouts: int = 0

    @property
    def moved(self) -> Touch | None:
        return next(iter(self.moves), None)


def told(seen: Iterable[Seen], deployment: str) -> Story:
    """The story of a deployment from the commits that touched its `model/`, newest first.

    Reads no further than a delivery that shows by itself that it is ours.
    """
    read: list[Seen] = []
    for commit in seen:
        read.append(commit)
        if commit.record and (commit.vouched or (commit.own and _is_signed(commit, deployment))):
            break
    last: Touch | None = None
    moves: list[Touch] = []
    highest = 0
    for commit in reversed(read):
        if _is_ours(commit, deployment, highest):
            last, moves = commit.touch(), []
        else:
            moves.insert(0, commit.touch())
        highest = max(highest, commit.number)
    return Story(last, tuple(moves), highest)


def _is_ours(commit: Seen, deployment: str, highest: int) -> bool:
    """Whether a commit, found with rollouts up to number `highest` before it, is our delivery. One
    that says so and brings an old number back was picked by a person, message and all."""
    if commit.vouched or commit.number > highest:
        return True
    return _is_signed(commit, deployment) and (commit.record is None or RELEASED in commit.trailers)


def _is_signed(commit: Seen, deployment: str) -> bool:
    return ACTION in commit.trailers and commit.trailers.get(DEPLOYMENT) == deployment
