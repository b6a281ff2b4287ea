"""How far a change reaches: it may not leave its folder nor remove many deployments at once.

Argo CD prunes what leaves Git, so a commit that empties `overlays/` by mistake would take every
model down. Every edit passes here before it is committed, and `check` applies the same to a branch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitops_bridge.desired import kustomization
from gitops_bridge.errors import RenderError


def removed_overlays(paths: Iterable[str]) -> set[str]:
    """The deployments' folders that go when `paths` (files or folders) are removed."""
    gone = set()
    for path in paths:
        parts = path.split("/")
        if parts[0] == "overlays" and (len(parts) <= 3 or parts[3] in kustomization.NAMES):
            gone.add("/".join(parts[:3]))
    return {path for path in gone if not path.endswith("/environment")}


def refuse_reach(changes: Mapping[str, bytes | None], within: str, limit: int) -> None:
    """Raises RenderError when a change leaves `within` or removes more than `limit` overlays."""
    outside = [path for path in changes if path != within and not path.startswith(f"{within}/")]
    if outside:
        raise RenderError(
            f"the change would reach outside {within}: {', '.join(sorted(outside)[:5])}",
            hint="commit that by hand; the bridge keeps to the deployment's own folder",
        )
    gone = removed_overlays(path for path, content in changes.items() if content is None)
    if len(gone) > limit:
        raise RenderError(too_many(gone, limit), hint="raise limits.removals if this is meant")


def too_many(gone: set[str], limit: int) -> str:
    listed = ", ".join(sorted(gone)[:5]) + (", …" if len(gone) > 5 else "")
    return f"{len(gone)} deployments would go at once (limit {limit}): {listed}"
