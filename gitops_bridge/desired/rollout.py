"""A Request and what Git holds, to the files Git shall hold: the heart of the bridge.

`bridge` calls `decide` with a fresh look at the repository, and again whenever the branch moved.
The answer is a Rollout to commit, a Hold because a person decided otherwise, or nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from gitops_bridge.actions import Action, Request
from gitops_bridge.desired import kustomization
from gitops_bridge.desired import record as records
from gitops_bridge.desired.overlay import Image, seed
from gitops_bridge.desired.record import Record
from gitops_bridge.errors import RenderError, RequestError

PEOPLES = kustomization.NAMES
MODEL = "model/"
COMPONENT = "model/kustomization.yaml"
RECORD = "model/record.yaml"


class Change(str, Enum):
    """What a commit does to a deployment, in a word."""

    START = "start"
    REPLACE = "replace"
    SCALE = "scale"
    UPDATE = "update"
    RELAUNCH = "relaunch"
    STOP = "stop"
    ROLLBACK = "rollback"
    RELEASE = "release"


@dataclass(frozen=True)
class Touch:
    """A commit that changed `model/` of a deployment; `record` is what it left, None if nothing."""

    commit: str
    author: str
    record: Record | None


@dataclass(frozen=True)
class Known:
    """One deployment as Git knows it.

    files        its folder now, by path inside it; empty when there is none
    last         our last delivery there, a stop included
    moved        the newest commit by a person since then, None when `model/` is as we delivered it
    remembered   people's files as they stood before the folder went, for the next start
    rollouts     the highest number any rollout of it has had
    proposed     whether a rollout of it waits on a branch of its own
    answered     the last action since then that found Git holding what it asked for
    earlier      people's commits between `last` and `moved`, newest first
    """

    files: Mapping[str, bytes]
    last: Touch | None = None
    moved: Touch | None = None
    remembered: Mapping[str, bytes] | None = None
    rollouts: int = 0
    proposed: bool = False
    answered: Touch | None = None
    earlier: tuple[Touch, ...] = ()

    @property
    def last_word(self) -> Touch | None:
        """What DataRobot said last: our last delivery, unless since then a stop found nothing left
        to stop, or a start found served again what had been stopped."""
        if self.last and self.answered:
            turned = (self.last.record is None) != (self.answered.record is None)
            return self.answered if turned else self.last
        return self.last

    @property
    def heard(self) -> list[tuple[object, ...] | None]:
        """What the actions asked for that are replays when they come again; None: a stop."""
        touches = (self.last_word, self.answered)
        return [item.record.asked if item.record else None for item in touches if item]

    @property
    def present(self) -> bool:
        return bool(self.files)

    def rewritten(self, model: Mapping[str, bytes]) -> dict[str, bytes | None]:
        """The files to write so that `model/` holds just these, by their path in the deployment's
        folder. Where that had gone, people's files come back as they were before."""
        files: dict[str, bytes | None] = dict.fromkeys(
            path for path in self.files if f"{path}/".startswith(MODEL)
        )
        if not self.present:
            files |= self.remembered or {}
        return {**files, **model}

    def record(self) -> Record | None:
        """What `model/` says it is. A person's edit may have made it unreadable: then nothing."""
        content = self.files.get(RECORD)
        if content is None:
            return None
        try:
            return records.read(content, RECORD)
        except RenderError:
            return None


@dataclass(frozen=True)
class Rollout:
    """Files to write (None: remove) by path inside the deployment's folder, and why."""

    change: Change
    files: Mapping[str, bytes | None]
    before: Record | None
    after: Record | None
    replaces: Touch | None = None
    """The person's commit it goes over, to be named in the message."""
    also: tuple[Touch, ...] = ()
    """Those before that one, newest first."""

    @property
    def kinds(self) -> frozenset[Change]:
        """Everything it does that a policy may be about: a relaunch or a new model brings changed
        settings along. Putting back what a person undid is a rollback."""
        found = {Change.ROLLBACK if self.change is Change.RELEASE else self.change}
        before, after = self.before, self.after
        if before and after and Change.ROLLBACK not in found:
            if before.scale != after.scale:
                found.add(Change.SCALE)
            if before.monitoring != after.monitoring or (
                before.model.id == after.model.id and _runs(before) != _runs(after)
            ):
                found.add(Change.UPDATE)
        return frozenset(found)


def _runs(record: Record) -> tuple[object, ...]:
    return record.model.execution_type, record.model.format, record.image


@dataclass(frozen=True)
class Hold:
    """A person moved what this very action delivered, or what it waited to go over: theirs stands.

    `delivered` is, when `proposed`, the proposal that is still waiting for its image.
    """

    delivered: Touch
    by: Touch
    proposed: bool = False


Component = Callable[[int], str]
"""The text of `model/kustomization.yaml` for a number of restarts."""


def decide(
    request: Request, known: Known, image: Image | None, component: Component, restart_to: int
) -> Rollout | Hold | None:
    """What a start, stop, replacement or relaunch asks of Git; None when Git holds it already.

    `restart_to` is the number of restarts a relaunch shall reach, taken from the first look at the
    tree: so a replay on a tree where it arrived changes nothing. Raises RequestError for a
    replacement of what is not there.
    """
    if request.action is Action.DEPLOYMENT_STOP:
        return _stop(known)
    before = known.record()
    restarts = before.restarts if before else 0
    if request.action is Action.DEPLOYMENT_RELAUNCH:
        restarts = max(restarts, restart_to)
    after = records.of(request, rollout=known.rollouts + 1, restarts=restarts, image=str(image))
    text = component(restarts)
    if before and _same(before, after) and known.files.get(COMPONENT) == text.encode():
        return None
    held = _held(known, after.asked)
    if held:
        return held
    there = known.present or known.proposed
    if request.action is Action.DEPLOYMENT_REPLACE_MODEL and not there:
        raise _nothing_to_replace(request)
    files = known.rewritten({COMPONENT: text.encode(), RECORD: records.write(after).encode()})
    if not any(name in known.files or name in files for name in PEOPLES):
        files[PEOPLES[0]] = seed().encode()
    change = _change(request, before, after)
    return Rollout(change, files, before, after, known.moved, known.earlier)


def _stop(known: Known) -> Rollout | Hold | None:
    if not known.present:
        return None
    held = _held(known, None)
    if held:
        return held
    files: dict[str, bytes | None] = dict.fromkeys(known.files)
    return Rollout(Change.STOP, files, known.record(), None, known.moved, known.earlier)


def _held(known: Known, asked: tuple[object, ...] | None) -> Hold | None:
    """Whether a person has moved what an action that asked for the same was answered with."""
    if known.moved is None or known.last is None or asked not in known.heard:
        return None
    return Hold(known.last, known.moved)


def _same(before: Record, after: Record) -> bool:
    """Whether nothing but the wording of the request differs: no commit is worth that."""
    return (before.model.id, before.settings, before.restarts, before.image) == (
        after.model.id,
        after.settings,
        after.restarts,
        after.image,
    )


def _change(request: Request, before: Record | None, after: Record) -> Change:
    if before is None:
        return Change.START
    if before.model.id != after.model.id:
        return Change.REPLACE
    if request.action is Action.DEPLOYMENT_RELAUNCH:
        return Change.RELAUNCH
    return Change.SCALE if before.scale != after.scale else Change.UPDATE


def _nothing_to_replace(request: Request) -> RequestError:
    name = request.deployment.id if request.deployment else "the deployment"
    return RequestError(
        f"{name} is not in the repository, so there is no model to replace",
        hint="start or relaunch the deployment in DataRobot first",
    )
