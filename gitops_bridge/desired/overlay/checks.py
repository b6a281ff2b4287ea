"""What a rendered overlay lacks before it may be committed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_bridge.desired.overlay.names import (
    AGENT_IMAGE,
    DEPLOYMENT_LABEL,
    ID_WORD,
    MODEL_IMAGE,
    SPOOLER_ANNOTATION,
    at,
    containers,
    mapping_at,
    mappings_at,
    name_of,
    pod_template,
    texts,
)
from gitops_bridge.desired.overlay.routes import WITHOUT_ROUTES, holds_word


def unresolved(objects: list[dict[str, Any]]) -> list[str]:
    """What a rendered overlay still lacks: placeholders left over, settings nobody gave."""
    problems = []
    for item in objects:
        where = f"{item['kind']} {name_of(item)}"
        deployment = str(at(item, "metadata", "labels", DEPLOYMENT_LABEL))
        routed = str(item["kind"]) not in WITHOUT_ROUTES
        problems += [
            f"{where}: {pointer} still holds {ID_WORD}"
            for pointer, text in texts(item)
            if routed and holds_word(text) and deployment not in text
        ]
        for container in containers(item):
            who = f"{where}: container {container.get('name')}"
            if container.get("image") == MODEL_IMAGE:
                problems.append(f"{who} has the placeholder image {MODEL_IMAGE}")
    return [*problems, *unset_monitoring(objects)]


def unset_monitoring(objects: list[dict[str, Any]]) -> list[str]:
    """What environment/monitoring leaves open, and every monitored deployment needs."""
    problems = []
    for item in objects:
        annotations = mapping_at(pod_template(item), "metadata", "annotations")
        for container in containers(item):
            who = f"{item['kind']} {name_of(item)}: container {container.get('name')}"
            if container.get("image") == AGENT_IMAGE:
                problems.append(
                    f"{who} has the placeholder image {AGENT_IMAGE}: name the tracking agent's "
                    "under images in environment/monitoring"
                )
            if _reads_spooler(container) and not annotations.get(SPOOLER_ANNOTATION):
                problems.append(f"{who} is monitored, but environment/monitoring sets no spooler")
    return problems


def _reads_spooler(container: Mapping[str, Any]) -> bool:
    wanted = f"metadata.annotations['{SPOOLER_ANNOTATION}']"
    return any(
        at(variable, "valueFrom", "fieldRef", "fieldPath") == wanted
        for variable in mappings_at(container, "env")
    )


def autoscaling_problems(objects: list[dict[str, Any]]) -> list[str]:
    """Why an autoscaler in a rendered overlay could not work.

    It computes utilization from the CPU requests of all containers of a Pod, and does nothing when
    one has none: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
    """
    servers = {name_of(item): item for item in objects if item["kind"] == "Deployment"}
    problems = []
    for item in objects:
        if item["kind"] != "HorizontalPodAutoscaler":
            continue
        target = str(at(item, "spec", "scaleTargetRef", "name"))
        if target not in servers:
            problems.append(f"HorizontalPodAutoscaler {name_of(item)}: no Deployment {target}")
            continue
        problems += [
            f"Deployment {target}: container {container.get('name')} requests no cpu, which "
            f"autoscaling needs; set resources.requests.cpu in environment/{_home(container)}"
            for container in containers(servers[target])
            if not _requests_cpu(container)
        ]
    return problems


def _home(container: Mapping[str, Any]) -> str:
    return "monitoring" if container.get("name") == AGENT_IMAGE else "serving"


def _requests_cpu(container: Mapping[str, Any]) -> bool:
    """A limit without a request is the request."""
    return any("cpu" in mapping_at(container, "resources", part) for part in ("requests", "limits"))
