"""A repository before and after, to the proof that nothing breaks and to what it does.

`init` calls it before it commits: every environment, and on an upgrade every deployment, is
rendered and verified as `gitops-bridge check` does it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge.controller import checks, impact
from gitops_bridge.controller.checkout import Folder
from gitops_bridge.controller.sources import Reader
from gitops_bridge.errors import RenderError
from gitops_bridge.kustomize import Kustomize, write_tree

_NAMED = 5  # problems worth telling at once


@dataclass(frozen=True)
class Effect:
    """Folders of deployments: all there are, those that render differently, those that restart."""

    deployments: int
    changed: tuple[str, ...]
    restarts: tuple[str, ...]


def prove(before: Mapping[str, bytes], after: Mapping[str, bytes], kustomize: Kustomize) -> Effect:
    """What the change of files does to the deployments among them.

    Raises RenderError naming each folder that has problems it did not have before.
    """
    with tempfile.TemporaryDirectory(prefix="gitops-bridge-") as root:
        old, new = Path(root) / "before", Path(root) / "after"
        write_tree(old, before)
        write_tree(new, after)
        _refuse_problems(old, new, kustomize)
        return _effect(old, new, kustomize)


def _refuse_problems(old: Path, new: Path, kustomize: Kustomize) -> None:
    found = {item.folder: item.problems for item in checks.check(new, kustomize) if item.problems}
    if not found:
        return
    known = {item.folder: item.problems for item in checks.check(old, kustomize)}
    worse = [folder for folder, problems in found.items() if known.get(folder) != problems]
    if worse:
        told = "; ".join(f"{folder}: {found[folder][0]}" for folder in worse[:_NAMED])
        more = f"; and {len(worse) - _NAMED} more" if len(worse) > _NAMED else ""
        raise RenderError(
            f"{told}{more}", hint="what is refused is not committed; --dry-run shows the files"
        )


def _effect(old: Path, new: Path, kustomize: Kustomize) -> Effect:
    folders = checks.overlays(new)
    before, after = (Reader(Folder(root)) for root in (old, new))
    found = [item for item in impact.compared(before, after, folders, kustomize) if item.changed]
    return Effect(
        len(folders),
        tuple(item.folder for item in found),
        tuple(item.folder for item in found if item.restarts),
    )
