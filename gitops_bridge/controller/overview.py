"""Deployments as people ask about them: what is wanted, what runs, what waits, fails or is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitops_bridge.config import Environment
from gitops_bridge.controller import fleet
from gitops_bridge.controller.context import Context
from gitops_bridge.git import Commit
from gitops_bridge.rollout import answer
from gitops_bridge.rollout.answer import View
from gitops_bridge.rollout.state import Phase


@dataclass(frozen=True)
class Line:
    """One deployment.

    model, digest      what Git wants
    running, runs      the model and digest that answer, as far as the cluster shows
    state, status      as DataRobot is told
    phase, since       of its rollout; seconds since the epoch, 0 when nothing waits
    pull_request       its address
    commit, author     the newest commit of its folder on main, and whose it is; `time` its time
    hold               who holds it, or whose change is in the way
    said               what is to be told of it, in words
    """

    environment: str
    deployment: str
    name: str
    model: str | None
    digest: str | None
    running: str | None
    runs: str | None
    state: str
    status: str
    phase: str
    since: int
    pull_request: str | None
    commit: str | None
    author: str | None
    time: int | None
    hold: str | None
    said: str


def lines(
    ctx: Context,
    environments: Sequence[Environment],
    deployment: str | None = None,
    *,
    cluster: bool,
) -> Iterator[Line]:
    """The deployments of the environments, or the one. Nothing takes a step."""
    asked = None if deployment is None else [deployment]
    until = ctx.monotonic() + ctx.config.actions.budget
    for environment in environments:
        found = fleet.look_at(ctx, environment, asked, until=until, read_only=True, cluster=cluster)
        touches = ctx.repository.newest_touches(found.commit, f"overlays/{environment.name}")
        for name, view in sorted(found.views.items()):
            if deployment is None or _is_known(view):
                yield _line(environment, view, touches.get(name))


def _is_known(view: View) -> bool:
    state = view.state
    return bool(view.main or state.answered or state.wish or view.is_unread)


def _line(environment: Environment, view: View, touch: Commit | None) -> Line:
    told, verdict, serving = answer.status(view), view.verdict, view.serving
    state = view.state
    digest = serving.image.rpartition("@")[2] if serving and "@" in serving.image else None
    holder = state.hold or (state.by if state.phase is Phase.HELD else view.mover)
    return Line(
        environment=environment.name,
        deployment=view.deployment,
        name=_name(view),
        model=view.model.id if view.model else None,
        digest=digest,
        running=verdict.running_model if verdict else None,
        runs=verdict.running_digest if verdict else None,
        state=told.state.value if told.state else "",
        status=told.status.value,
        phase=state.phase.value,
        since=state.since,
        pull_request=state.review.url or None if state.review else None,
        commit=touch.id if touch else None,
        author=touch.author.name if touch else None,
        time=touch.time if touch else None,
        hold=holder.name if holder else None,
        said=_said(view),
    )


def _name(view: View) -> str:
    if view.serving and view.serving.name:
        return view.serving.name
    for wish in (view.state.wish, view.state.answered):
        if wish and wish.request and wish.request.deployment:
            return wish.request.deployment.name
    return ""


def _said(view: View) -> str:
    verdict = view.verdict
    seen = [verdict.reason or "", *(str(item) for item in verdict.unseen)] if verdict else []
    told = view.problem if view.is_unread else answer.describe(view)
    return "; ".join(part for part in (*seen, told) if part)
