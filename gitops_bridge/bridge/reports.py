"""The answers that change nothing: what Git says of a deployment, an environment, all of them.

Without a cluster to look at these never call a deployment ready and never name a current model.
"""

from __future__ import annotations

from gitops_bridge.actions import Action, ExecutionType, Outcome, Request, State, Status
from gitops_bridge.bridge import environments
from gitops_bridge.bridge.known import folder
from gitops_bridge.bridge.sources import Reader
from gitops_bridge.bridge.workshop import Workshop
from gitops_bridge.config import Environment
from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import Snapshot

UNSEEN = "no cluster is configured, so whether it runs is not seen"


def unseen_state(request: Request) -> State:
    """The state an action leads to, as far as it may be claimed without seeing the cluster."""
    if request.action is Action.DEPLOYMENT_STOP:
        return State.STOPPED
    if request.action is Action.DEPLOYMENT_REPLACE_MODEL:
        return State.REPLACING_MODEL
    return State.LAUNCHING


def prediction_url(environment: Environment, request: Request) -> str | None:
    """Where predictions go: the Portable Prediction Server and DRUM take different paths.
    https://docs.datarobot.com/en/docs/predictions/port-pred/pps/portable-pps.html"""
    if request.deployment is None or request.model is None:
        return None
    custom = request.model.execution_type is ExecutionType.CUSTOM
    path = "predict/" if custom else "predictions"
    return f"{environment.prediction_url}/{request.deployment.id}/{path}"


def plugin_start(shop: Workshop) -> Outcome:
    """Whether the first rollout would find what it needs: repository, folders, renderer."""
    snapshot = shop.repository.snapshot(shop.config.repository.branch, fetch=True)
    reader = Reader(snapshot)
    for environment in shop.config.environments:
        environments.facts(reader, environment.name, shop.kustomize)
    names = ", ".join(item.name for item in shop.config.environments)
    return Outcome(
        Status.PASSING,
        message=f"{snapshot.branch} at {snapshot.commit[:12]}; environments: {names}",
        commit=snapshot.commit,
    )


def deployment_status(shop: Workshop, request: Request, environment: Environment) -> Outcome:
    snapshot = _recent(shop)
    identifier = request.deployment.id if request.deployment else ""
    return _desired(snapshot, environment, identifier)


def pe_status(shop: Workshop, request: Request, environment: Environment) -> Outcome:
    """The environment, and every deployment that DataRobot or Git knows in it."""
    snapshot = _recent(shop)
    listed = {
        identifier: _desired(snapshot, environment, identifier)
        for identifier in dict.fromkeys(request.known_deployments)
    }
    orphans = sorted(set(deployments(snapshot, environment)) - set(listed))
    said = f"Git at {snapshot.commit[:12]}; {UNSEEN}"
    if orphans and request.known_deployments:
        shown = ", ".join(orphans[:5]) + (", …" if len(orphans) > 5 else "")
        return Outcome(
            Status.WARNING,
            message=f"{said}; in Git but unknown to DataRobot: {shown}",
            commit=snapshot.commit,
            deployments=listed,
        )
    return Outcome(Status.PASSING, message=said, commit=snapshot.commit, deployments=listed)


def deployment_list(shop: Workshop, environment: Environment) -> Outcome:
    snapshot = _recent(shop)
    listed = {
        identifier: _desired(snapshot, environment, identifier)
        for identifier in deployments(snapshot, environment)
    }
    return Outcome(Status.PASSING, message=f"Git at {snapshot.commit[:12]}", deployments=listed)


def deployments(snapshot: Snapshot, environment: Environment) -> list[str]:
    """The ids of the deployments in an environment's folder."""
    found = snapshot.entries(f"overlays/{environment.name}")
    return [name for name, (kind, _) in found.items() if kind == "tree" and name != "environment"]


def _recent(shop: Workshop) -> Snapshot:
    return shop.repository.snapshot(
        shop.config.repository.branch, fetch=True, max_age=shop.config.actions.status_age
    )


def _desired(snapshot: Snapshot, environment: Environment, identifier: str) -> Outcome:
    path = f"{folder(environment.name, identifier)}/{RECORD}"
    content = snapshot.read(path)
    if content is None:
        return Outcome(
            Status.UNKNOWN,
            State.STOPPED,
            f"not in Git at {snapshot.commit[:12]}",
            commit=snapshot.commit,
        )
    try:
        model = records.model_of(content, path)
    except BridgeError as error:
        return Outcome(Status.WARNING, State.UNKNOWN, str(error), commit=snapshot.commit)
    return Outcome(
        Status.UNKNOWN,
        State.UNKNOWN,
        f"Git wants model {model}, as of {snapshot.commit[:12]}; {UNSEEN}",
        commit=snapshot.commit,
    )
