"""What one look sees, as plain facts: the input of `step` beside the State."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gitops_bridge.rollout.state import Who, Wish


class Cause(Enum):
    """Why a look is taken: an action or a rollback asks, a person releases or holds, or nobody."""

    LOOK = "look"
    ASKED = "asked"
    RELEASE = "release"
    HOLD = "hold"


class Head(Enum):
    """Where the proposal's branch is: at what we wrote (or that, brought up to date by the forge),
    at a commit of somebody else, or gone."""

    OURS = "ours"
    FOREIGN = "foreign"
    GONE = "gone"


@dataclass(frozen=True)
class Prospect:
    """What carrying out a wish would do to main as it is.

    fulfilled  main holds it already
    content    what `model/` would mean afterwards; None when it is removed
    tree       the id of that folder's tree
    base       the id of the deployment's folder that it was planned on
    image      the image by tag, None when it needs none
    built      whether nothing is missing for it to be delivered
    reviewed   whether the policy wants people to review it
    applies    whether the change under review is still this very change to main as it is
    """

    fulfilled: bool = False
    content: str | None = None
    tree: str = ""
    base: str | None = None
    image: str | None = None
    built: bool = True
    reviewed: bool = False
    applies: bool = True


@dataclass(frozen=True)
class PullState:
    """The pull request as the forge shows it: open, merged or closed.

    current  whether its head is the change under review, or where the branch is now
    at_head  whether its head is where the branch is now
    written  whether its title and text are about the change under review
    draft    whether it is a draft that waits for an image
    by       who merged or closed it, and `because` why
    by_us    whether the bridge closed it itself, so that it is nobody's rejection
    """

    state: str
    number: int
    url: str
    current: bool = True
    at_head: bool = True
    written: bool = True
    draft: bool = False
    by_us: bool = False
    by: Who | None = None
    because: str = ""


@dataclass(frozen=True)
class Observed:
    """One look.

    main          what `model/` on main means; None when there is none
    main_tree     the id of that folder's tree
    asked         what an action or a rollback asks for now
    prospect      what carrying out `asked`, else what waits, would do
    build_failed  why the build will not end well, once that is known
    head          where the proposal's branch is, and `head_commit` its commit
    pull          its pull request; None when there is none, or nobody asked for it
    asked_forge   whether the forge was asked, so that `pull` None means that there is none
    person        who moved main away from what was delivered, or who holds or releases
    pusher        who pushed the commit at the head of the proposal's branch, if it is not ours
    reason        why a person calls a hold
    now           seconds since the epoch
    atomic        whether the server moves several branches in one transaction
    """

    main: str | None = None
    cause: Cause = Cause.LOOK
    asked: Wish | None = None
    prospect: Prospect | None = None
    build_failed: str = ""
    head: Head = Head.GONE
    head_commit: str = ""
    pull: PullState | None = None
    asked_forge: bool = False
    person: Who | None = None
    reason: str = ""
    now: int = 0
    atomic: bool = True
    main_tree: str = ""
    pusher: Who | None = None

    @property
    def keeps_branch(self) -> bool:
        """Whether the proposal's branch is at somebody else's commit, and no pull request with it
        was ended by people: then it is never overwritten nor deleted."""
        pull = self.pull
        is_ended = pull is not None and pull.state != "open" and pull.at_head and not pull.by_us
        return self.head is Head.FOREIGN and not is_ended
