"""Job files on the branch `builds` that nothing needs any more, removed in one commit.

Whoever delivers or looks calls it, so its work is bounded: where there is little to remove nothing
is read, and one call removes only so many.
"""

from __future__ import annotations

import re
from collections import Counter

from gitops_bridge.controller.context import Context
from gitops_bridge.desired import jobs, messages
from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import Edit, Snapshot

_TAG = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9._-]*-([0-9a-f]{10})(?![0-9A-Za-z])")
_AT_ONCE = 2_000  # files of one commit
_COMMITS = 500  # of `builds` that tell what is young


def collect(ctx: Context) -> str | None:
    """Remove what no overlay on main, no rollout that waits and nobody's patience needs: the
    commit, None when there was nothing to remove. As the mirror has last seen the branches.

    The last `build.keep` of each environment stay, and whatever is younger than `build.deadline`.
    """
    settings, build = ctx.config.repository, ctx.config.build
    snapshot = ctx.repository.last_seen(settings.builds_branch)
    files = _files(snapshot)
    counted = Counter(path.split("/")[0] for path in files)
    if all(count <= build.keep for count in counted.values()):
        return None
    touched = ctx.repository.recent(snapshot.commit, commits=_COMMITS)
    young = {path for path, time in touched if time >= ctx.clock() - build.deadline}
    gone = jobs.garbage(files, _wanted(ctx), young, [path for path, _ in touched], build.keep)
    gone = gone[:_AT_ONCE]
    if not gone:
        return None
    edit = Edit(
        changes=dict.fromkeys(gone),
        guards={path: snapshot.id(path) for path in gone},
        message=ctx.message(messages.collected(gone), ctx.author),
        author=ctx.author,
        base=snapshot.commit,
    )
    try:
        delivered = ctx.repository.submit(settings.builds_branch, edit)
    except RepositoryError:
        return None  # the next look tries again
    return delivered.commit.id if delivered and delivered.commit else None


def _names(ctx: Context) -> list[str]:
    return [environment.name for environment in ctx.config.environments]


def _files(snapshot: Snapshot) -> list[str]:
    """The paths of all files one folder deep."""
    folders = [name for name, (kind, _) in snapshot.entries("").items() if kind == "tree"]
    return [
        f"{folder}/{name}"
        for folder in folders
        for name, (kind, _) in snapshot.entries(folder).items()
        if kind == "blob"
    ]


def _wanted(ctx: Context) -> frozenset[str]:
    """The keys in every tag of ours that an overlay on main or a rollout's state names anywhere,
    also where a person wrote it: too many only keep a file longer."""
    repository, settings = ctx.repository, ctx.config.repository
    main = repository.last_seen(settings.branch)
    rollouts = repository.last_seen(settings.rollouts_branch)
    sources = [(main, f"overlays/{name}") for name in _names(ctx)]
    sources += [(rollouts, name) for name in _names(ctx)]
    return frozenset(
        key.decode()
        for snapshot, folder in sources
        for content in snapshot.files(folder).values()
        for key in _TAG.findall(content)
    )
