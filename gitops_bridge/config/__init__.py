"""`gitops-bridge.yaml` as data to a checked Config.

It holds endpoints, the whereabouts of credentials and policies. Everything about Kubernetes is
Kustomize in the team's repository instead. Every problem is reported at once, by dotted key, an
unknown key with the nearest known one.
"""

from gitops_bridge.config.load import load
from gitops_bridge.config.model import (
    Actions,
    App,
    Build,
    Cluster,
    ClusterAccess,
    Config,
    Controller,
    DataRobot,
    Delivery,
    Environment,
    Gate,
    Limits,
    Mode,
    Person,
    PullRequests,
    Registry,
    Render,
    Repository,
    Secret,
    Signing,
    SigningFormat,
    Trust,
)

__all__ = [
    "Actions",
    "App",
    "Build",
    "Cluster",
    "ClusterAccess",
    "Config",
    "Controller",
    "DataRobot",
    "Delivery",
    "Environment",
    "Gate",
    "Limits",
    "Mode",
    "Person",
    "PullRequests",
    "Registry",
    "Render",
    "Repository",
    "Secret",
    "Signing",
    "SigningFormat",
    "Trust",
    "load",
]
