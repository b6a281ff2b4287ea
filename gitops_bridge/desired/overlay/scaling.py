"""What DataRobot asks for, and what an overlay holds, to the number of replicas that goes into Git.

A field that leaves Git under server-side apply gets its default, for `replicas` 1: a deployment
that goes from 4 replicas to autoscaling would serve with one Pod until the autoscaler has raised
it. So `replicas` stays in Git beside an autoscaler, where Argo CD leaves the field to the
autoscaler once it has moved it (ignoreDifferences by managedFieldsManagers, together with
RespectIgnoreDifferences). By the same rule a fixed number could not be put over what the autoscaler
has set; after autoscaling it is therefore an autoscaler of exactly that number.
https://argo-cd.readthedocs.io/en/stable/user-guide/diffing/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitops_bridge import documents
from gitops_bridge.actions import Scale
from gitops_bridge.desired.overlay.names import BASE_NAME, at, mappings_at


@dataclass(frozen=True)
class Running:
    """What an overlay asks for: replicas in Git, None where there are none, and an autoscaler."""

    replicas: int | None = None
    autoscaled: bool = False


def running(component: bytes | None) -> Running:
    """What `model/kustomization.yaml` asks for; nothing where it is missing or cannot be read."""
    try:
        data = documents.first(component or b"")
    except documents.InvalidYaml:
        return Running()
    counts = [
        entry.get("count")
        for entry in mappings_at(data, "replicas")
        if entry.get("name") == BASE_NAME
    ]
    autoscaled = any(
        at(patch, "target", "kind") == "HorizontalPodAutoscaler"
        for patch in mappings_at(data if isinstance(data, Mapping) else {}, "patches")
    )
    count = next((item for item in counts if isinstance(item, int)), None)
    return Running(count, autoscaled)


def scaled(scale: Scale, before: Running, leaves_replicas: bool) -> tuple[Scale, int | None]:
    """The scale to render and the number of replicas in Git, None for none. `leaves_replicas`:
    whether Argo CD leaves the field to an autoscaler."""
    if not leaves_replicas:
        return scale, None if scale.autoscaled else scale.replicas
    if scale.autoscaled:
        count = scale.replicas if before.replicas is None else before.replicas
        return scale, min(max(count, scale.minimum), scale.maximum)
    if before.autoscaled and scale.replicas:
        count = scale.replicas
        return Scale(count, minimum=count, maximum=count), count
    return scale, scale.replicas
