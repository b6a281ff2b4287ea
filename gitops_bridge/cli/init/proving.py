"""A repository before and after, to the proof that nothing breaks and to what it does.

`init` calls it before it commits: every environment, and on an upgrade every deployment, is
rendered and verified as `gitops-bridge check` does it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge.bridge import checks
from gitops_bridge.bridge.sources import Reader
from gitops_bridge.desired import proof
from gitops_bridge.errors import BridgeError, RenderError
from gitops_bridge.kustomize import Kustomize, write_tree
from gitops_bridge.scaffold import probes

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
    names = probes.environments(after)
    for folder in probes.folders(names):
        kustomize.build(probes.tree(after, names), folder)
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
    before, after = (Reader(checks.Folder(root)) for root in (old, new))
    changed, restarts = [], []
    for chunk in checks.chunks(folders):
        was = checks.render(before, chunk, kustomize)
        becomes = checks.render(after, chunk, kustomize)
        for (folder, _, one), (_, _, other) in zip(was, becomes, strict=True):
            objects, others = _by_name(one), _by_name(other)
            if objects != others:
                changed.append(folder)
            if _pods(objects) != _pods(others):
                restarts.append(folder)
    return Effect(len(folders), tuple(changed), tuple(restarts))


def _by_name(found: list[proof.Manifest] | BridgeError) -> Mapping[str, proof.Manifest]:
    return {} if isinstance(found, BridgeError) else {proof.name(item): item for item in found}


def _pods(objects: Mapping[str, proof.Manifest]) -> Mapping[str, object]:
    return {name: (item.get("spec") or {}).get("template") for name, item in objects.items()}
