"""The names an overlay is made of, and how to find things in rendered Kubernetes objects.

Labels and object names are those of DataRobot's built-in Kubernetes plugin, so that dashboards and
scripts keep working; only `managed-by`, which base sets, tells whose objects they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

DEPLOYMENT_LABEL = "bosun.datarobot.com/deployment"
ENVIRONMENT_LABEL = "bosun.datarobot.com/env"
MODEL_LABEL = "bosun.datarobot.com/model"
INSTANCE_LABEL = "app.kubernetes.io/instance"
VERSION_LABEL = "app.kubernetes.io/version"
NAME_ANNOTATION = "bosun.datarobot.com/name"
RESTARTS_ANNOTATION = "gitops-bridge.io/restarts"
SPOOLER_ANNOTATION = "gitops-bridge.io/spooler-settings"

BASE_NAME = "mlops"
MODEL_CONTAINER = "model-package"
MODEL_IMAGE = "model-image"
AGENT_IMAGE = "tracking-agent"
ID_WORD = "deployment-id"
"""Stands for the deployment's id in the routes of base and environment/serving."""


def deployment_labels(deployment_id: str, environment_id: str) -> dict[str, str]:
    """The labels that tell one deployment's objects from all others; they never change."""
    return {DEPLOYMENT_LABEL: deployment_id, ENVIRONMENT_LABEL: environment_id}


def name_of(item: Mapping[str, Any]) -> str:
    return str(at(item, "metadata", "name"))


def at(node: object, *path: str) -> Any:
    """What stands at `path` in a document; None where something on the way is no mapping: a patch
    makes anything of anything."""
    for step in path:
        node = node.get(step) if isinstance(node, Mapping) else None
    return node


def mapping_at(node: object, *path: str) -> Mapping[str, Any]:
    """As `at`; nothing where it is no mapping."""
    found = at(node, *path)
    return found if isinstance(found, Mapping) else {}


def mappings_at(node: object, *path: str) -> list[Mapping[str, Any]]:
    """The mappings of the list at `path`."""
    found = at(node, *path)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def pod_template(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The Pod template of a workload; of anything else nothing."""
    return mapping_at(item, "spec", "template")


def containers(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return mappings_at(pod_template(item), "spec", "containers")


def texts(node: object, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a document with its JSON pointer."""
    if isinstance(node, str):
        yield pointer, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from texts(value, f"{pointer}/{pointer_token(str(key))}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from texts(value, f"{pointer}/{index}")


def pointer_token(key: str) -> str:
    """A key as one step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
