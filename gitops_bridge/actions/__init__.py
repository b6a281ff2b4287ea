"""The vocabulary every room shares, and how an action file becomes a Request."""

from gitops_bridge.actions.parsing import is_id, parse, shown
from gitops_bridge.actions.vocabulary import (
    ABOUT_ONE_DEPLOYMENT,
    NEEDS_MODEL,
    Action,
    Deployment,
    DeploymentState,
    ExecutionType,
    Model,
    ModelFormat,
    Outcome,
    Package,
    Request,
    Scale,
    Status,
)

__all__ = [
    "ABOUT_ONE_DEPLOYMENT",
    "NEEDS_MODEL",
    "Action",
    "Deployment",
    "DeploymentState",
    "ExecutionType",
    "Model",
    "ModelFormat",
    "Outcome",
    "Package",
    "Request",
    "Scale",
    "Status",
    "is_id",
    "parse",
    "shown",
]
