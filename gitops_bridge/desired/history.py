"""The commits that touched a deployment's `model/`, told apart: our deliveries and people's moves.

`bridge` feeds them newest first and stops when the story is clear. A commit is our delivery when it
says so in its trailers, or, because squash merges drop trailers, when the record it left has a
higher rollout number than any before it: a revert brings an old number back, an edit leaves it. A
squashed stop leaves no record: for that one the proposal vouches which it brought there.
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
    `vouched`: a proposal of ours says that this is how it got there. `before`: the rollout number
    it found, 0 if none."""

    commit: str
    author: str
    trailers: Mapping[str, str]
    record: Record | None
    vouched: bool = False
    before: int = 0

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

    Reads no further than the delivery with the highest rollout number so far.
    """
    newer: list[Seen] = []
    last: Touch | None = None
    older = 0
    for commit in seen:
        signed = _signed(commit, deployment)
        last = last or (commit.touch() if signed else None)
        if last is None:
            newer.append(commit)
        elif commit.record:
            older = max(older, commit.record.rollout)
        if signed and commit.record:
            break
    squashed = _squashed(newer, older)
    moves = newer[: newer.index(squashed)] if squashed else newer
    return Story(
        last=squashed.touch() if squashed else last,
        moves=tuple(item.touch() for item in moves),
        rollouts=max([older, *(item.record.rollout for item in newer if item.record)]),
    )


def _signed(commit: Seen, deployment: str) -> bool:
    trailers = commit.trailers
    if commit.vouched:
        return True
    if ACTION not in trailers or trailers.get(DEPLOYMENT) != deployment:
        return False
    return RELEASED in trailers or not _picked(commit)


def _picked(commit: Seen) -> bool:
    """Whether a person brought an old delivery back with its message, as git cherry-pick does: each
    of ours counts on from what it found."""
    return commit.record is not None and commit.record.rollout <= commit.before


def _squashed(newer: list[Seen], older: int) -> Seen | None:
    """A delivery without trailers: the first commit with a number above all `older` ones."""
    numbers = [item.record.rollout for item in newer if item.record]
    highest = max(numbers, default=0)
    if highest <= older:
        return None
    bringers = [item for item in newer if item.record and item.record.rollout == highest]
    return bringers[-1]
