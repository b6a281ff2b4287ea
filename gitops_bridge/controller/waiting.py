"""A commit, or a deployment, to whether it serves: looked at again until it does or cannot.

Never early: it serves once the Pods of its model alone answer, and Argo CD has compared a commit
that holds this `model/`. A later commit with the same `model/` counts as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from gitops_bridge.config import Environment
from gitops_bridge.controller import fleet, verbs
from gitops_bridge.controller.context import Context
from gitops_bridge.errors import ConfigError, RequestError
from gitops_bridge.git import Commit
from gitops_bridge.live.verdict import LiveState
from gitops_bridge.rollout import answer
from gitops_bridge.rollout.answer import View
from gitops_bridge.rollout.state import Phase


class Fate(str, Enum):
    """SERVES      the model of the commit alone answers; for a stop: nothing of it runs
    WAITS       it is on its way
    FAILS       it will not get there without somebody's doing
    SUPERSEDED  main holds something else by now
    """

    SERVES = "serves"
    WAITS = "waits"
    FAILS = "fails"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Awaited:
    """One deployment, with the id of the `model/` tree that shall serve (None: it shall be gone)
    and whether the image is another one than before."""

    environment: Environment
    deployment: str
    tree: str | None
    is_new_image: bool


@dataclass(frozen=True)
class Look:
    awaited: Awaited
    fate: Fate
    said: str


def awaited(ctx: Context, what: str, environment: str | None) -> list[Awaited]:
    """What is waited for: the deployments that a commit of main changed, or the one of that id.
    Raises RequestError when it is neither, ConfigError without a cluster."""
    if ctx.config.cluster is None:
        raise ConfigError(
            "no cluster is configured, so it cannot be seen whether anything serves",
            hint="set cluster: in gitops-bridge.yaml",
        )
    ctx.repository.fetch()
    main = ctx.repository.last_seen(ctx.config.repository.branch).commit
    commit = ctx.repository.resolve(what, main)
    if commit is None:
        target = verbs.target(ctx, what, environment)
        newest = ctx.repository.log(main, f"{target.home}/model", limit=1)
        if not newest:
            raise RequestError(f"{what} was never delivered", hint="gitops-bridge status")
        return [_awaited(ctx, newest[0], target.environment, target.deployment)]
    found = list(_changed(ctx, ctx.repository.commit_of(commit), environment))
    if not found:
        raise RequestError(
            f"{what} changes no deployment's model/", hint="a commit of gitops-bridge history"
        )
    return found


def _changed(ctx: Context, commit: Commit, named: str | None) -> Iterator[Awaited]:
    by_name = {item.name: item for item in verbs.environments(ctx, named)}
    paths = (path.split("/") for path in ctx.repository.changed(commit.id))
    homes = {tuple(parts[1:3]) for parts in paths if parts[0] == "overlays" and len(parts) > 3}
    for name, deployment in sorted(homes):
        if name in by_name and deployment != "environment":
            yield _awaited(ctx, commit, by_name[name], deployment)


def _awaited(ctx: Context, commit: Commit, where: Environment, deployment: str) -> Awaited:
    path = f"overlays/{where.name}/{deployment}/model"
    tree = ctx.repository.at(commit.id).id(path)
    after = _image(ctx, commit.id, path)
    before = _image(ctx, commit.parents[0], path) if commit.parents else None
    return Awaited(where, deployment, tree, after != before)


def _image(ctx: Context, commit: str, path: str) -> str | None:
    from gitops_bridge.desired import record as records

    text = ctx.repository.at(commit).read(f"{path}/record.yaml")
    return records.serving(text, path).image if text else None


def look(ctx: Context, item: Awaited, until: float) -> Look:
    """Where it stands now; nothing takes a step."""
    found = fleet.look_at(ctx, item.environment, [item.deployment], until=until, read_only=True)
    view = found.views[item.deployment]
    path = f"overlays/{item.environment.name}/{item.deployment}/model"
    if ctx.repository.at(found.commit).id(path) != item.tree:
        return Look(item, Fate.SUPERSEDED, "main holds another model/ of it by now")
    fate = _fate(item, view)
    return Look(item, fate, answer.status(view).message or fate.value)


def _fate(item: Awaited, view: View) -> Fate:
    verdict = view.verdict
    if verdict is None or view.is_unread:
        return Fate.WAITS
    if item.tree is None:
        gone = verdict.state in (LiveState.STOPPED, LiveState.NOTHING)
        return Fate.SERVES if gone else Fate.WAITS
    is_proven = verdict.synced or (verdict.synced is None and item.is_new_image)
    settled = view.state.phase not in (Phase.BUILDING, Phase.IN_REVIEW, Phase.BLOCKED)
    if verdict.state in (LiveState.READY, LiveState.SUPERSEDED) and is_proven and settled:
        return Fate.SERVES if 0 < verdict.wanted_pods <= verdict.ready_pods else Fate.WAITS
    return Fate.FAILS if verdict.state is LiveState.ERRORED else Fate.WAITS
