"""What DataRobot wants and nobody has asked for yet: its deployments and the requests that Git
remembers become the actions that a management agent would have called.

What a person holds stays held: the model of the newest request is compared, not the one that main
holds since their revert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_bridge.actions import Action, Request, parse
from gitops_bridge.datarobot.answers import checked, part, text
from gitops_bridge.datarobot.api import DataRobot
from gitops_bridge.datarobot.deployments import ListedDeployment
from gitops_bridge.errors import DataRobotError

_SERVING = frozenset({"active", "launching", "errored"})
_STOPPED = frozenset({"inactive", "stopping", "archived"})


@dataclass(frozen=True)
class Difference:
    """`action` shall be taken for `deployment`; `listed` is None where DataRobot has it no more:
    then look it up by itself (`is_gone`) before anything is stopped. `requested` is the model of
    the newest request."""

    action: Action
    deployment: str
    listed: ListedDeployment | None
    requested: str | None = None


def differences(
    listed: Iterable[ListedDeployment], requested: Mapping[str, str]
) -> list[Difference]:
    """In the order of the deployments' ids.

    `requested` maps the deployments that Git knows and has not stopped to the model of their newest
    request. While DataRobot replaces a model its list still names the old one, so such a deployment
    is left for the next look.
    """
    seen = {deployment.id: deployment for deployment in listed}
    found = []
    for identifier in sorted({*seen, *requested}):
        deployment, model = seen.get(identifier), requested.get(identifier)
        action = _action(deployment, model)
        if action is not None:
            found.append(Difference(action, identifier, deployment, model))
    return found


def _action(deployment: ListedDeployment | None, requested: str | None) -> Action | None:
    if deployment is None:
        return Action.DEPLOYMENT_STOP
    if deployment.status in _STOPPED:
        return Action.DEPLOYMENT_STOP if requested else None
    if deployment.status not in _SERVING or deployment.model in {None, requested}:
        return None
    return Action.DEPLOYMENT_REPLACE_MODEL if requested else Action.DEPLOYMENT_START


def request(
    api: DataRobot,
    environment: str,
    difference: Difference,
    *,
    key_values: Mapping[str, str],
    monitoring: bool,
) -> Request:
    """The Request that the action file of a management agent would have held.

    `key_values` is what the newest request said of replicas: DataRobot's API does not tell it.
    Asks for the model package. Raises DataRobotError, or RequestError where DataRobot runs what
    this tool cannot.
    """
    info: dict[str, Any] = {"id": difference.deployment, "keyValueConfig": dict(key_values)}
    attachments: dict[str, object] = {}
    listed = difference.listed
    if listed is not None:
        info["name"] = listed.name
    if listed is not None and difference.action is not Action.DEPLOYMENT_STOP:
        package = _package(api, listed)
        replaces = difference.action is Action.DEPLOYMENT_REPLACE_MODEL
        info["modelId"] = difference.requested if replaces else listed.model
        info["newModelId"] = listed.model
        info["modelName"] = text(part(package, "modelDescription"), "modelName")
        info["modelExecutionType"] = text(package, "modelExecutionType")
        if info["modelExecutionType"] == "dedicated":
            info["modelFormat"] = _format(listed.formats)
        attachments["modelPackageDetails"] = package
    document = {
        "pluginConfig": {"MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING": monitoring},
        "peInfo": {"id": environment},
        "deploymentInfo": info,
    }
    return parse(difference.action.value, document, attachments)


def _format(taken: tuple[str, ...]) -> str:
    """A prediction environment takes model packages unless it takes scoring code alone."""
    code = "datarobotScoringCode"
    return code if code in taken and "datarobot" not in taken else "datarobot"


def _package(api: DataRobot, listed: ListedDeployment) -> Mapping[str, Any]:
    if listed.package is None:
        raise DataRobotError(
            f"deployment {listed.id}: DataRobot names no model package",
            hint="its model is not from the model registry: register it, then deploy that version",
        )
    return api.mapping(f"modelPackages/{checked(listed.package)}/")
