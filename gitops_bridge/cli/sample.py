"""Action files as the management agent of datarobot-bosun 11.2 writes them, for people to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_bridge import documents
from gitops_bridge.actions import ABOUT_ONE_DEPLOYMENT, NEEDS_MODEL, Action

ENVIRONMENT = "65a000000000000000000001"
DEPLOYMENT = "65a000000000000000000010"
MODEL, NEW_MODEL = "65a000000000000000000020", "65a000000000000000000021"
PACKAGE = "65a000000000000000000030"
_HEADER = "# An action file for {action}. Change it, then: gitops-bridge run --action {action} …\n"
_DETAILS = f"""\
# modelPackageDetails is the path of a file with DataRobot's model package, at least its id:
#   {{"id": "{PACKAGE}"}}
"""


def action_file(action: Action, changes: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The document for an action, with `changes` to its deploymentInfo."""
    document: dict[str, Any] = {
        "pluginConfig": {
            "MLOPS_BOSUN_PRED_ENV_TYPE": "ExternalCommand",
            "MLOPS_BOSUN_PRED_ENV_PLATFORM": "os",
            "MLOPS_BOSUN_PRED_ENV_ID": ENVIRONMENT,
            "MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING": False,
        },
        "peInfo": {"id": ENVIRONMENT, "name": "prod", "deployments": [DEPLOYMENT]},
    }
    if action in ABOUT_ONE_DEPLOYMENT:
        document["deploymentInfo"] = {**_deployment(action), **(changes or {})}
    return document


def text(action: Action) -> str:
    """The same as the text of a file."""
    details = _DETAILS if action in NEEDS_MODEL else ""
    return _HEADER.format(action=action.value) + details + documents.dump(action_file(action))


def _deployment(action: Action) -> dict[str, Any]:
    info: dict[str, Any] = {"id": DEPLOYMENT, "name": "churn", "modelId": MODEL}
    if action in NEEDS_MODEL:
        info |= {
            "modelExecutionType": "dedicated",
            "modelFormat": "datarobot",
            "modelArtifact": f"/tmp/model_{MODEL}.mlpkg",  # noqa: S108 - where the agent puts it
            "modelPackageDetails": "package.json",
            "keyValueConfig": {"replicas": "1"},
        }
    if action is Action.DEPLOYMENT_REPLACE_MODEL:
        info["newModelId"] = NEW_MODEL
    return info
