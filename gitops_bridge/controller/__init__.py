"""The loop between the pure packages and the outside systems: Requests to Outcomes.

`handle` is what both entry points call with an action's Request.
"""

from __future__ import annotations

from contextlib import suppress

from gitops_bridge.actions import ABOUT_ONE_DEPLOYMENT, Action, Outcome, Request, Status
from gitops_bridge.controller.context import Context, open_context
from gitops_bridge.errors import RequestError

__all__ = ["Context", "handle", "maintain", "open_context"]

_UNSUPPORTED = frozenset({Action.ENDPOINT_UPDATE, Action.ENDPOINT_STATUS})
_ROLLOUTS = ABOUT_ONE_DEPLOYMENT - {Action.DEPLOYMENT_STATUS}


def handle(ctx: Context, request: Request, *, dry_run: bool = False) -> Outcome:
    """Do what the action asks. Raises BridgeError for whatever keeps it from being done."""
    if request.action in _UNSUPPORTED:
        raise RequestError(
            f"{request.action.value} is not supported yet",
            hint="endpoints over several deployments are not served by gitops-bridge",
        )
    until = ctx.monotonic() + ctx.config.actions.budget
    with ctx.repository.limited(lambda: until - ctx.monotonic()):
        return _handled(ctx, request, dry_run=dry_run)


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
    """Upkeep of the mirror, for after the answer is given. It changes no answer."""
    with suppress(Exception):
        ctx.repository.maintain()
