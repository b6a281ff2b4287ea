"""The loop between the pure packages and the outside systems: Requests to Outcomes.

`handle` is what both entry points call with an action's Request.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, suppress

from gitops_bridge.actions import ABOUT_ONE_DEPLOYMENT, Action, Outcome, Request, Status
from gitops_bridge.controller.context import Context, open_context
from gitops_bridge.errors import RequestError

__all__ = ["Context", "handle", "maintain", "open_context"]

_UNSUPPORTED = frozenset({Action.ENDPOINT_UPDATE, Action.ENDPOINT_STATUS})
_COLLECTED_EVERY = 600.0  # seconds
_ROLLOUTS = ABOUT_ONE_DEPLOYMENT - {Action.DEPLOYMENT_STATUS}


def handle(ctx: Context, request: Request, *, dry_run: bool = False) -> Outcome:
    """Do what the action asks. Raises BridgeError for whatever keeps it from being done."""
    if request.action in _UNSUPPORTED:
        raise RequestError(
            f"{request.action.value} is not supported yet",
            hint="endpoints over several deployments are not served by gitops-bridge",
        )
    with _within_the_budget(ctx):
        return _handled(ctx, request, dry_run=dry_run)


def _within_the_budget(ctx: Context) -> AbstractContextManager[None]:
    until = ctx.monotonic() + ctx.config.actions.budget
    return ctx.repository.limited(lambda: until - ctx.monotonic())


def _handled(ctx: Context, request: Request, *, dry_run: bool) -> Outcome:
    environment = ctx.config.environment(request.environment_id)
    if request.action is Action.PLUGIN_STOP:
        return Outcome(Status.PASSING, message="nothing to stop: the state is in Git")
    if request.action in _ROLLOUTS:
        from gitops_bridge.controller import acting  # late: each action loads what it needs

        return acting.act(ctx, request, environment, dry_run=dry_run)
    from gitops_bridge.controller import reporting

    return reporting.report(ctx, request, environment)


def maintain(ctx: Context) -> None:
    """Upkeep, for after the answer is given: of the mirror and, now and then, of the branch
    `builds`, so that nothing grows for ever where nobody runs `reconcile`. It changes no answer,
    and takes no longer than an action may."""
    with suppress(Exception), _within_the_budget(ctx):
        if _is_due(ctx) and _is_crowded(ctx):
            from gitops_bridge.controller import collecting

            collecting.collect(ctx)
        ctx.repository.maintain()


def _is_crowded(ctx: Context) -> bool:
    """Whether `builds`, as last seen, has more Jobs of an environment than are kept anyhow."""
    builds = ctx.repository.reader_of_last_seen(ctx.config.repository.builds_branch)
    names = [environment.name for environment in ctx.config.environments]
    return builds is not None and any(
        len(builds.files(name)) > ctx.config.build.keep for name in names
    )


def _is_due(ctx: Context) -> bool:
    """Whether this host has not looked for Jobs to remove for a while; it counts as looked."""
    stamp = ctx.cache / "collected"
    now = ctx.clock()
    try:
        is_due = now - stamp.stat().st_mtime > _COLLECTED_EVERY
    except FileNotFoundError:
        is_due = True
    if is_due:
        stamp.touch(mode=0o600)
        os.utime(stamp, (now, now))
    return is_due
