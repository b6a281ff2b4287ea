"""The overlays on the main branch to the deployments in them, found by id or by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gitops_bridge.actions import is_id, shown
from gitops_bridge.controller.context import Context
from gitops_bridge.desired import record as records
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.errors import RenderError, RequestError
from gitops_bridge.git import TreeReader

_OBJECT_ID = re.compile("[0-9a-f]{24}")  # as DataRobot makes them; known without asking Git


@dataclass(frozen=True)
class Deployment:
    """One overlay: the name of its environment, its id in DataRobot and its record; None when the
    record is missing or cannot be read."""

    environment: str
    id: str
    record: Record | None

    @property
    def name(self) -> str:
        return self.record.name if self.record else ""


def deployments(ctx: Context, *, fetch: bool) -> list[Deployment]:
    """Every deployment of the configured environments, by environment and id. Without `fetch` as
    last seen, and none when nothing was ever seen. Raises RepositoryError."""
    branch = ctx.config.repository.branch
    if not fetch and ctx.repository.branch(branch) is None:
        return []
    reader = ctx.repository.tree_reader(branch, fetch=fetch)
    names = [environment.name for environment in ctx.config.environments]
    return [item for name in names for item in _in(reader, name)]


def _in(reader: TreeReader, environment: str) -> Iterable[Deployment]:
    home = f"overlays/{environment}"
    folders = {name: key for name, key in reader.folders(home).items() if is_id(name)}
    contents = reader.read(folders.values(), RECORD)
    for identifier, key in sorted(folders.items()):
        content = contents.get(key)
        record = _record(content, f"{home}/{identifier}/{RECORD}") if content else None
        yield Deployment(environment, identifier, record)


def _record(content: bytes, path: str) -> Record | None:
    try:
        return records.read(content, path)
    except RenderError:
        return None


def identify(ctx: Context, text: str, environment: str | None) -> str:
    """The id of the deployment that `text` names: an id as it is, or a deployment's name.

    Raises RequestError when no deployment has the name, or several have it.
    """
    if _OBJECT_ID.fullmatch(text):
        return text
    there = deployments(ctx, fetch=True)
    if any(item.id == text for item in there):
        return text
    found = [
        item for item in there if item.name == text and environment in (None, item.environment)
    ]
    ids = sorted({item.id for item in found})
    if len(ids) == 1:
        return ids[0]
    if ids:
        places = ", ".join(f"{item.id} in {item.environment}" for item in found[:5])
        raise RequestError(f"several deployments are called {text!r}", hint=f"use an id: {places}")
    raise RequestError(f"Git knows no deployment {shown(text)}", hint=_nearest(text, there))


def _nearest(text: str, there: list[Deployment]) -> str:
    import difflib

    near = difflib.get_close_matches(text, {item.name for item in there}, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "a name or an id as in DataRobot; one that was stopped is found by its id alone"
