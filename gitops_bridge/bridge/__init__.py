"""Orders the effects: `handle` takes an action's Request to the Outcome that its door reports."""

from __future__ import annotations

from gitops_bridge.actions import Action, Outcome, Request, State, Status
from gitops_bridge.bridge import reports
from gitops_bridge.bridge.rollouts import Planned, planner
from gitops_bridge.bridge.workshop import Workshop, open_workshop
from gitops_bridge.config import Environment
from gitops_bridge.desired import messages
from gitops_bridge.desired.rollout import Hold
from gitops_bridge.errors import RequestError
from gitops_bridge.git import Commit, Edit, Snapshot

__all__ = ["Workshop", "handle", "open_workshop"]

_NOT_YET = frozenset({Action.ENDPOINT_UPDATE, Action.ENDPOINT_STATUS})


def handle(shop: Workshop, request: Request, *, dry_run: bool = False) -> Outcome:
    """Do what the action asks. Raises BridgeError for whatever keeps it from being done."""
    if request.action in _NOT_YET:
        raise RequestError(
            f"{request.action.value} is not supported yet",
            hint="endpoints over several deployments are not served by gitops-bridge",
        )
    environment = shop.config.environment(request.environment_id)
    if request.action is Action.PLUGIN_STOP:
        return Outcome(Status.PASSING, message="nothing to stop: the state is in Git")
    if request.action is Action.PLUGIN_START:
        return reports.plugin_start(shop)
    if request.action is Action.DEPLOYMENT_LIST:
        return reports.deployment_list(shop, environment)
    if request.action is Action.PE_STATUS:
        return reports.pe_status(shop, request, environment)
    if request.action is Action.DEPLOYMENT_STATUS:
        return reports.deployment_status(shop, request, environment)
    return _roll_out(shop, request, environment, dry_run=dry_run)


def _roll_out(
    shop: Workshop, request: Request, environment: Environment, *, dry_run: bool
) -> Outcome:
    plan = planner(shop, request, environment)

    def edit(snapshot: Snapshot) -> Edit | Hold | _Unchanged:
        planned = plan(snapshot)
        if planned is None:
            return _Unchanged(snapshot.commit)
        return planned.edit if isinstance(planned, Planned) else planned

    branch = shop.config.repository.branch
    if dry_run:
        return _outcome(request, environment, edit(shop.repository.snapshot(branch, fetch=True)))
    return _outcome(request, environment, shop.repository.deliver(branch, edit))


class _Unchanged:
    """Git holds already what was asked for, as of a commit."""

    def __init__(self, commit: str) -> None:
        self.commit = commit


def _outcome(
    request: Request, environment: Environment, result: Commit | Edit | Hold | _Unchanged | None
) -> Outcome:
    deployment = request.deployment.id if request.deployment else ""
    url = reports.prediction_url(environment, request)
    if isinstance(result, Hold):
        happened, cure = messages.held(result, deployment)
        record = result.by.record
        return Outcome(
            Status.WARNING,
            State.STOPPED if record is None else State.UNKNOWN,
            f"{happened} ({cure})",
            prediction_url=url,
            old_model_in_use=True if request.previous_model_id and record else None,
        )
    if isinstance(result, Edit):
        subject = result.message.split("\n", 1)[0]
        return Outcome(
            Status.PASSING, reports.unseen_state(request), f"dry run, would commit: {subject}"
        )
    if result is None:  # the edit left the tree as it was
        result = _Unchanged("the latest commit")
    if isinstance(result, Commit):
        said = f"committed {result.id[:12]}: {result.message.split(chr(10), 1)[0]}"
    else:
        said = f"nothing to do: Git holds this already, as of {result.commit[:12]}"
    return Outcome(
        Status.PASSING,
        reports.unseen_state(request),
        said if request.action is Action.DEPLOYMENT_STOP else f"{said}; {reports.UNSEEN}",
        prediction_url=url,
        commit=result.commit if isinstance(result, _Unchanged) else result.id,
    )
