"""The DataRobot REST API: model packages and their files, what is known of models, the deployments
of a prediction environment, their event log, their champion."""

from gitops_bridge.datarobot.answers import retry_after
from gitops_bridge.datarobot.api import (
    DataRobot,
    Download,
    Facts,
    PackageDetails,
    session,
)
from gitops_bridge.datarobot.champion import Validation, set_model, validate
from gitops_bridge.datarobot.deployments import ListedDeployment, in_environment, is_gone
from gitops_bridge.datarobot.differences import Difference, differences, request
from gitops_bridge.datarobot.events import RemoteEvent, RemoteEventKind, send

__all__ = [
    "DataRobot",
    "Difference",
    "Download",
    "Facts",
    "ListedDeployment",
    "PackageDetails",
    "RemoteEvent",
    "RemoteEventKind",
    "Validation",
    "differences",
    "in_environment",
    "is_gone",
    "request",
    "retry_after",
    "send",
    "session",
    "set_model",
    "validate",
]
