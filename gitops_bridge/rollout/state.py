"""Where the rollout of one deployment stands: the state that the branch `rollouts` keeps.

`content` turns the files of `model/` into one short text that says what they mean, so that whose
work main holds is told by comparing, not by reading history.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gitops_bridge import documents
from gitops_bridge.actions import Action, Request

MODEL = "model/"


class Phase(str, Enum):
    """SETTLED    nothing waits: the answered request was delivered, found fulfilled, or never came
    BUILDING   a request waits for its image, or to be carried out by the next look
    IN_REVIEW  a pull request waits for people
    BLOCKED    somebody else pushed to the branch of the pull request
    FAILED     the build of the image failed
    REJECTED   people closed the pull request without merging it
    HELD       a person's change or an explicit hold stands in the way
    """

    SETTLED = "settled"
    BUILDING = "building"
    IN_REVIEW = "in review"
    BLOCKED = "blocked"
    FAILED = "failed"
    REJECTED = "rejected"
    HELD = "held"


@dataclass(frozen=True)
class Who:
    """A person or a program that did something, and where people can read about it."""

    name: str
    email: str = ""
    where: str = ""
    """A commit or the address of a pull request."""


@dataclass(frozen=True)
class Wish:
    """What shall be carried out: a request of DataRobot, or a person's rollback to a commit.

    `restarts` is the number of restarts a relaunch counts up to; `over` tells that a person has
    released it, so that it may go over what people changed.
    """

    request: Request | None = None
    rollback_to: str = ""
    by: Who | None = None
    restarts: int | None = None
    over: bool = False

    @property
    def model_id(self) -> str | None:
        return self.request.model.id if self.request and self.request.model else None

    @property
    def stops(self) -> bool:
        return self.request is not None and self.request.action is Action.DEPLOYMENT_STOP

    def same(self, other: Wish | None) -> bool:
        """Whether both are the same request of DataRobot; a rollback is always a new decision."""
        if other is None or self.request is None or other.request is None:
            return False
        return identity(self.request) == identity(other.request)


def identity(request: Request) -> tuple[object, ...]:
    """What a request asks for: deployment, kind, previous model, new model and settings."""
    deployment, model = request.deployment, request.model
    kind = (deployment and deployment.id, request.action)
    if request.action is Action.DEPLOYMENT_STOP or model is None:
        return kind
    settings = (request.scale, request.monitoring, model.execution_type, model.format)
    return (*kind, request.previous_model_id, model.id, *settings)


@dataclass(frozen=True)
class Review:
    """A change on its branch: what it means (`content`), the commit we wrote there (`head`), what
    it carries out, the folder it was planned on (`base`, a tree id) and its pull request; `earlier`
    is what stood on the branch before, as far as somebody may still merge it; `ended` is the number
    of a pull request whose end is known already: people released the change after it; `suspended`
    tells that we made it a draft while a newer request waits for its image."""

    wish: Wish
    content: str | None
    head: str
    base: str | None = None
    number: int | None = None
    url: str = ""
    earlier: tuple[str | None, ...] = ()
    tree: str = ""
    ended: int | None = None
    suspended: bool = False


@dataclass(frozen=True)
class State:
    """One deployment.

    answered   the request that was answered last: delivered, or found fulfilled
    delivered  what `model/` meant then; None when there was none
    tree       the id of that folder's tree, which tells faster that nobody touched it; "" unknown
    rollouts   how many rollouts were delivered
    wish       what waits, failed, was rejected or is held
    base       what `model/` on main meant when the wish came
    image      the image it waits for, by tag; `since`: seconds since the epoch
    review     the change on the proposal's branch, as long as that has to be looked after
    reason     why it failed, was rejected or is held; `by`: who did it, and where
    hold       who called `gitops-bridge hold`
    told       what people have been told on the pull request: a commit or a reason
    """

    phase: Phase = Phase.SETTLED
    answered: Wish | None = None
    delivered: str | None = None
    tree: str = ""
    rollouts: int = 0
    wish: Wish | None = None
    base: str | None = None
    image: str | None = None
    since: int = 0
    review: Review | None = None
    reason: str = ""
    by: Who | None = None
    hold: Who | None = None
    told: str = ""

    @property
    def is_replay(self) -> bool:
        """Whether what is held was answered before, and nobody has released it since."""
        return self.wish is not None and self.wish.same(self.answered) and not self.wish.over

    @property
    def is_behind(self) -> bool:
        """Whether what is under review is older than what waits."""
        if self.review is None or self.wish is None:
            return False
        return not (self.wish.same(self.review.wish) or self.wish == self.review.wish)


def content(files: Mapping[str, bytes]) -> str | None:
    """What the files of `model/` mean, by paths in the deployment's folder; None without any.

    Formatting, comments and line ends do not count: YAML is compared as data.
    """
    meant = {path: _meaning(text) for path, text in files.items() if path.startswith(MODEL)}
    if not meant:
        return None
    canonical = json.dumps(meant, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:40]


def tree_id(files: Mapping[str, bytes]) -> str:
    """The id git gives to the folder `model/` with these files; "" without any."""
    inside = {
        path.removeprefix(MODEL): text for path, text in files.items() if path.startswith(MODEL)
    }
    return _tree(inside) if inside else ""


def _tree(files: Mapping[str, bytes]) -> str:
    entries: dict[bytes, bytes] = {}
    for name in {path.split("/", 1)[0] for path in files}:
        below = {
            path.split("/", 1)[1]: text
            for path, text in files.items()
            if path.startswith(f"{name}/")
        }
        mode, found = (b"40000", _tree(below)) if below else (b"100644", _id("blob", files[name]))
        key = name.encode() + (b"/" if below else b"")  # git sorts a folder as if it ended so
        entries[key] = mode + b" " + name.encode() + b"\0" + bytes.fromhex(found)
    return _id("tree", b"".join(entries[key] for key in sorted(entries)))


def _id(kind: str, data: bytes) -> str:
    header = f"{kind} {len(data)}\0".encode()
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()


def _meaning(text: bytes) -> object:
    try:
        return documents.load(text)
    except documents.InvalidYaml:
        return text.decode("utf-8", "backslashreplace").replace("\r\n", "\n").strip()
