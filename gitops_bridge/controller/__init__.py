"""Orders the effects: `handle` takes an action's Request to the Outcome that its door reports."""

from __future__ import annotations

from contextlib import suppress

from gitops_bridge.actions import ABOUT_ONE_DEPLOYMENT, Action, Outcome, Request, Status
from gitops_bridge.controller.context import Context, open_context
from gitops_bridge.errors import RepositoryError, RequestError

__all__ = ["Context", "handle", "open_context"]

_NOT_YET = frozenset({Action.ENDPOINT_UPDATE, Action.ENDPOINT_STATUS})
_ROLLOUTS = ABOUT_ONE_DEPLOYMENT - {Action.DEPLOYMENT_STATUS}


def handle(ctx: Context, request: Request, *, dry_run: bool = False) -> Outcome:
    """Do what the action asks. Raises BridgeError for whatever keeps it from being done."""
    if request.action in _NOT_YET:
        raise RequestError(
            f"{request.action.value} is not supported yet",
            hint="endpoints over several deployments are not served by gitops-bridge",
        )
    environment = ctx.config.environment(request.environment_id)
    if request.action is Action.PLUGIN_STOP:
        return Outcome(Status.PASSING, message="nothing to stop: the state is in Git")
    if request.action in _ROLLOUTS:
        from gitops_bridge.controller import stages

        return stages.roll_out(ctx, request, environment, dry_run=dry_run)
    from gitops_bridge.controller import reports  # late, as above: each action loads what it needs

    outcome = reports.answer(ctx, request, environment)
    with suppress(RepositoryError):  # upkeep while nobody waits; it is no part of the answer
        ctx.repository.maintain()
    return outcome
