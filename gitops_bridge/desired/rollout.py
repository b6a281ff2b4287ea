"""A Request and the folder Git holds, to the Rollout that Git shall hold, or nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from gitops_bridge import documents
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


@dataclass(frozen=True)
class Touch:
    """A person's commit that changed `model/` of a deployment."""

    commit: str
    author: str


@dataclass(frozen=True)
class OverlayFiles:
    """One deployment's folder on main.

    files       what it holds, by path inside it; empty when there is none
    remembered  people's files as they stood before the folder went, for the next start
    rollouts    how many rollouts there have been
    proposed    whether a rollout of it waits
    overridden  people's commits that a newer rollout goes over, newest first
    """

    files: Mapping[str, bytes]
    remembered: Mapping[str, bytes] | None = None
    rollouts: int = 0
    proposed: bool = False
    overridden: tuple[Touch, ...] = ()

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
    overrides: tuple[Touch, ...] = ()
    """People's commits it goes over, newest first, to be named in the message."""

    @property
    def kinds(self) -> frozenset[Change]:
        """Everything it does that a policy may be about: a relaunch or a new model brings changed
        settings along."""
        found = {self.change}
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


Component = Callable[[int], str]
"""The text of `model/kustomization.yaml` for a number of restarts."""


def decide(
    request: Request,
    folder: OverlayFiles,
    image: Image | None,
    component: Component,
    restart_to: int,
) -> Rollout | None:
    """What a start, stop, replacement or relaunch asks of Git; None when Git holds it already.

    `restart_to` is the number of restarts a relaunch shall reach, so that a replay on a tree where
    it arrived changes nothing. Raises RequestError for a replacement of what is not there.
    """
    if request.action is Action.DEPLOYMENT_STOP:
        return _stop(folder)
    before = folder.record()
    restarts = before.restarts if before else 0
    if request.action is Action.DEPLOYMENT_RELAUNCH:
        restarts = max(restarts, restart_to)
    after = records.of(request, rollout=folder.rollouts + 1, restarts=restarts, image=str(image))
    text = component(restarts)
    if before and _same(before, after) and _unchanged(folder.files.get(COMPONENT), text):
        return None
    there = folder.present or folder.proposed
    if request.action is Action.DEPLOYMENT_REPLACE_MODEL and not there:
        raise _nothing_to_replace(request)
    files = folder.rewritten({COMPONENT: text.encode(), RECORD: records.write(after).encode()})
    if not any(name in folder.files or name in files for name in PEOPLES):
        files[PEOPLES[0]] = seed().encode()
    change = _change(request, before, after)
    return Rollout(change, files, before, after, folder.overridden)


def _stop(folder: OverlayFiles) -> Rollout | None:
    if not folder.present:
        return None
    files: dict[str, bytes | None] = dict.fromkeys(folder.files)
    return Rollout(Change.STOP, files, folder.record(), None, folder.overridden)


def _unchanged(content: bytes | None, text: str) -> bool:
    """Whether a file means what `text` does: a formatter's work is no difference."""
    if content is None or content == text.encode():
        return content is not None
    try:
        return bool(documents.load(content) == documents.load(text))
    except documents.InvalidYaml:
        return False


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
