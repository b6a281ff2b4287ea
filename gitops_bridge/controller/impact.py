"""An edit of an environment's folder, or of base/, to what it does to the deployments there; `plan`
and `init` show it.

Everything an environment sets reaches all its deployments at once, so before it is merged people
want to know which of them restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge import blobs
from gitops_bridge.config import Environment
from gitops_bridge.controller import checks, environments, rehearsal
from gitops_bridge.controller.checkout import Folder
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.observing import folder
from gitops_bridge.controller.sources import Reader
from gitops_bridge.desired import admission, overlay, proof
from gitops_bridge.desired.targets import Targets
from gitops_bridge.errors import BridgeError, RequestError
from gitops_bridge.git import Snapshot
from gitops_bridge.kustomize import Kustomize


@dataclass(frozen=True)
class Impact:
    """One deployment: `restarts` when its pods' template changes, `changed` names the objects."""

    folder: str
    restarts: bool
    changed: tuple[str, ...]
    problem: str | None = None


class _Edited:
    """A snapshot with one folder as it stands in a checkout."""

    def __init__(self, snapshot: Snapshot, home: str, files: Mapping[str, bytes]) -> None:
        self._snapshot = snapshot
        self._home = home
        self._files = files

    def id(self, path: str) -> str | None:
        if path == self._home or path.startswith(f"{self._home}/"):
            return "edited" if self.files(path) else None
        return self._snapshot.id(path)

    def read(self, path: str) -> bytes | None:
        inside = path.removeprefix(f"{self._home}/")
        return self._snapshot.read(path) if inside == path else self._files.get(inside)

    def link(self, path: str) -> str | None:
        inside = path.removeprefix(f"{self._home}/")
        if inside == path:
            return self._snapshot.link(path)
        return blobs.link_target(self._files.get(inside))

    def files(self, path: str) -> Mapping[str, bytes]:
        if path == self._home:
            return self._files
        if not path.startswith(f"{self._home}/"):
            return self._snapshot.files(path)
        inside = path[len(self._home) + 1 :] + "/"
        return {
            name.removeprefix(inside): content
            for name, content in self._files.items()
            if name.startswith(inside)
        }


def environment_of(ctx: Context, edited: Path) -> Environment:
    """The environment whose folder `edited` is. Raises RequestError when it is none."""
    parts = edited.resolve().parts
    names = {item.name: item for item in ctx.config.environments}
    if len(parts) >= 3 and parts[-1] == "environment" and parts[-2] in names:
        return names[parts[-2]]
    raise RequestError(
        f"{edited} is no environment's folder",
        hint="overlays/<environment>/environment of a checkout, or an action file",
    )


def impacts(ctx: Context, environment: Environment, edited: Path) -> Iterator[Impact]:
    """What the edited folder does to each deployment of the environment that it changes; first of
    all whether the folder itself still holds, for no rollout passes one that does not."""
    snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=True)
    home = environments.folder(environment.name)
    after = ctx.reader(_Edited(snapshot, home, Folder(edited).files("")))
    before = ctx.reader(snapshot)
    problems = rehearsal.rehearsed(
        after, environment.name, ctx.kustomize, Targets(), admission.rules(admission.Platform())
    ).problems
    if problems:
        yield Impact(home, False, (), "; ".join(problems))
    found = snapshot.entries(f"overlays/{environment.name}")
    folders = [
        folder(environment.name, name)
        for name, (kind, _) in found.items()
        if kind == "tree" and name != "environment"
    ]
    yield from compared(before, after, folders, ctx.kustomize)


def compared(
    before: Reader, after: Reader, folders: Sequence[str], kustomize: Kustomize
) -> Iterator[Impact]:
    """Those of the folders that do not render to the same in both trees."""
    for chunk in checks.chunks(folders):
        old = checks.render(before, chunk, kustomize)
        new = checks.render(after, chunk, kustomize)
        for was, becomes in zip(old, new, strict=True):
            impact = _impact(becomes.folder, was.objects, becomes.objects)
            if impact.changed or impact.problem:
                yield impact


def _impact(
    path: str,
    was: list[proof.Manifest] | BridgeError,
    becomes: list[proof.Manifest] | BridgeError,
) -> Impact:
    if isinstance(becomes, BridgeError):
        return Impact(path, False, (), str(becomes))
    old = {} if isinstance(was, BridgeError) else {proof.name(item): item for item in was}
    new = {proof.name(item): item for item in becomes}
    changed = tuple(name for name in sorted(old | new) if old.get(name) != new.get(name))
    restarts = any(
        overlay.pod_template(old.get(name, {})) != overlay.pod_template(new.get(name, {}))
        for name in changed
    )
    return Impact(path, restarts, changed)
