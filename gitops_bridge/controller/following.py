"""One delivery and what the cluster shows of it, to what is told beside its commit.

Argo CD is asked to look until it has compared a commit that holds the delivery; the commit's status
at the forge says pending, success or failure, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gitops_bridge.config import Environment
from gitops_bridge.controller.announcing import Announcer
from gitops_bridge.controller.context import Context
from gitops_bridge.errors import BridgeError
from gitops_bridge.live.verdict import LiveState, Verdict
from gitops_bridge.rollout.answer import View
from gitops_bridge.serving import LookResult, Span

if TYPE_CHECKING:
    from gitops_bridge.cluster import Writer
    from gitops_bridge.cluster.listing import Patience

_SECONDS = 20.0  # of one request to Argo CD's objects
_APPLICATION_SET = "mlops-serving"


@dataclass
class Flight:
    """A delivery on its way: the commit of main that made it, and when; when it was applied; how it
    ended, as far as DataRobot was told."""

    deployment: str
    commit: str
    at: float
    synced_at: float | None = None
    told: LiveState | None = None


def follow(
    ctx: Context, environment: Environment, flight: Flight, view: View, announcer: Announcer
) -> tuple[LookResult, bool]:
    """What this look found, and whether the delivery needs to be followed no further."""
    verdict, now = view.verdict, ctx.clock()
    where = environment.name, flight.deployment
    if verdict is None:
        return LookResult(*where, "unseen", waiting=True), False
    spans: dict[Span, float] = {}
    if verdict.synced and flight.synced_at is None:
        flight.synced_at = now
        spans["commit_to_synced"] = now - flight.at
        announcer.synced(environment, flight.deployment, view)
    is_there = _is_there(verdict)
    if is_there and flight.synced_at is not None:
        spans["synced_to_ready"] = now - flight.synced_at
    problem = _hurry(ctx, verdict) if not verdict.synced and not is_there else None
    problem = _report(ctx, environment, flight, view, verdict) or problem
    failed = verdict.state is LiveState.ERRORED
    if (is_there or failed) and flight.told is not verdict.state:
        flight.told = verdict.state
        announcer.ended(environment, flight.deployment, view, failed=failed)
    said = verdict.reason or verdict.state.value
    return LookResult(
        *where, verdict.state.value, said, problem=said if failed else problem,
        waiting=not is_there, spans=spans,
    ), is_there  # fmt: skip


def _is_there(verdict: Verdict) -> bool:
    """Whether the delivery has arrived: its model alone serves, or nothing of it runs any more."""
    if verdict.state in (LiveState.STOPPED, LiveState.NOTHING):
        return True
    return verdict.state in (LiveState.READY, LiveState.SUPERSEDED) and verdict.synced is not False


def _hurry(ctx: Context, verdict: Verdict) -> str | None:
    """Ask Argo CD to look; why that could not be done."""
    if not ctx.config.controller.argocd_refresh:
        return None
    name = verdict.application.rpartition("/")[2] if verdict.application else None

    def ask(writer: Writer, patience: Patience) -> None:
        if name:
            writer.refresh(name, patience)
        else:
            writer.refresh_set(_APPLICATION_SET, patience)

    return _written(ctx, ask)


def show_hold(ctx: Context, environment: Environment, deployment: str, text: str) -> str | None:
    """Show on the Application why a rollout is held, or no longer ("" as text); why not."""
    from gitops_bridge.cluster import Notice

    notice = Notice(text) if text else None
    name = f"{environment.name}-{deployment}"  # as the shipped ApplicationSet calls it
    return _written(ctx, lambda writer, patience: writer.notice(name, notice, patience))


def _written(ctx: Context, write: Callable[[Writer, Patience], object]) -> str | None:
    settings, reader = ctx.config.cluster, ctx.cluster()
    if settings is None or reader is None:
        return None
    from gitops_bridge.cluster import Writer
    from gitops_bridge.cluster.listing import Patience

    until = ctx.monotonic() + _SECONDS
    patience = Patience(lambda: until - ctx.monotonic(), ctx.sleep)
    connection = reader.connection(settings.access(settings.argocd_context))
    try:
        write(Writer(connection, settings.argocd_namespace), patience)
    except BridgeError as error:
        return f"Argo CD's object could not be changed: {error}"
    return None


def _report(
    ctx: Context, environment: Environment, flight: Flight, view: View, verdict: Verdict
) -> str | None:
    """The commit's status at the forge; why it could not be reported."""
    if not ctx.config.controller.commit_status:
        return None
    from gitops_bridge.forge import CommitStatus

    state: Literal["pending", "success", "failure"] = "pending"
    if verdict.state is LiveState.ERRORED:
        state = "failure"
    elif _is_there(verdict):
        state = "success"
    status = CommitStatus(
        state,
        verdict.reason or verdict.state.value,
        f"gitops-bridge/{environment.name}/{flight.deployment}",
        view.dashboard_url,
    )
    try:
        ctx.forge().report(flight.commit, status)
    except BridgeError as error:
        return f"the commit's status could not be reported: {error}"
    return None
