"""What a transition does to the world, as values; each is found done when it is done already.

Effects on the pull request that stand before the Push are carried out before it: what they tell
people is true then already, and where the forge cannot be asked the transition is not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Branch(Enum):
    """What becomes of the proposal's branch, if it is still where it was seen: it is left as it is,
    moved to the change, or deleted."""

    KEEP = "keep"
    PUT = "put"
    DELETE = "delete"


@dataclass(frozen=True)
class Push:
    """One push of several branches, all or nothing: the state on `rollouts`; with `deliver` the
    change on main; with `order` a Job on `builds` when none stands for the image.

    A server without transactions gets them in this order, each only after the one before it: the
    Job, a deletion of the proposal's branch, main, the state, the proposal's branch moved. Whatever
    of that is cut off is found and completed by the next look.
    """

    deliver: bool = False
    order: bool = False
    branch: Branch = Branch.KEEP


@dataclass(frozen=True)
class WritePullRequest:
    """Open the pull request of the change under review, or bring title, text and draft up to it.
    One that people have closed meanwhile, at this change, is left for the next look."""


@dataclass(frozen=True)
class SetDraft:
    """See that nobody merges it: a draft or, where the forge has none, closed for now."""


@dataclass(frozen=True)
class ClosePullRequest:
    """Close it, if it is open, after telling that main holds the change or a newer one."""


@dataclass(frozen=True)
class Comment:
    """Tell on the pull request what keeps it from going on."""


Effect = Push | WritePullRequest | SetDraft | ClosePullRequest | Comment
