"""One deployment's overlay as text: from a model, its scale and its image to `model/`.

What is written runs under plain `kustomize build`. Patches are JSON 6902 only: one strategic-merge
patch makes a build almost three times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gitops_bridge import documents
from gitops_bridge.actions import ExecutionType, Model, ModelFormat, Scale
from gitops_bridge.desired.overlay.names import (
    BASE_NAME,
    INSTANCE_LABEL,
    MODEL_IMAGE,
    MODEL_LABEL,
    NAME_ANNOTATION,
    RESTARTS_ANNOTATION,
    VERSION_LABEL,
    deployment_labels,
    pointer_token,
)
from gitops_bridge.desired.overlay.routes import Seams
from gitops_bridge.desired.overlay.scaling import running, scaled

_BASE = "../../../../base/components"
_ENVIRONMENT = "../../environment"
_SEED = """\
# Yours: kustomize patches here win over everything below. Target objects by the name mlops.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../../../base
components:
  - ../environment/serving
  - model
"""
_SELECTORS = [
    {"kind": "Service", "version": "v1", "path": "spec/selector"},
    {"kind": "Deployment", "group": "apps", "path": "spec/selector/matchLabels"},
    {"kind": "PodDisruptionBudget", "group": "policy", "path": "spec/selector/matchLabels"},
]
"""The selectors that are to find one deployment's Pods only. `includeSelectors` would reach those
of affinity, topology spread and network policies too, which people write for Pods of others as
well."""
_HEADER = (
    "# Rewritten by gitops-bridge at every rollout. Your own settings: ../kustomization.yaml\n"
)


@dataclass(frozen=True)
class Image:
    """A container image. With a digest the tag is for people; the digest decides what runs."""

    repository: str
    tag: str
    digest: str | None = None

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


def seed() -> str:
    """People's `overlays/<environment>/<deployment>/kustomization.yaml`, written once."""
    return _SEED


def component(
    *,
    deployment_id: str,
    environment_id: str,
    model: Model,
    scale: Scale,
    monitoring: bool,
    image: Image,
    seams: Seams,
    restarts: int,
    before: bytes | None = None,
    name: str = "",
) -> str:
    """`model/kustomization.yaml`. `restarts` counts the relaunches the deployment has seen,
    `before` is the file as it is, `name` DataRobot's name for the deployment.

    A new model changes the model label and the image only.
    """
    scale, count = scaled(scale, running(before), seams.leaves_replicas)
    content: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "components": _components(model, scale, monitoring),
        "nameSuffix": f"-{deployment_id}",
        "labels": [
            {
                "pairs": deployment_labels(deployment_id, environment_id),
                "includeTemplates": True,
                "fields": _SELECTORS,
            },
            {"pairs": {MODEL_LABEL: model.id}, "includeTemplates": True},
            {"pairs": {INSTANCE_LABEL: f"{BASE_NAME}-{deployment_id}", VERSION_LABEL: model.id}},
        ],
        "images": [_image(image)],
    }
    if count is not None:
        content["replicas"] = [{"name": BASE_NAME, "count": count}]
    content["patches"] = list(_patches(deployment_id, scale, seams, restarts, name))
    return _HEADER + documents.dump(content)


def _components(model: Model, scale: Scale, monitoring: bool) -> list[str]:
    kind = f"{_BASE}/{_model_component(model)}"
    chosen = [kind]
    if monitoring and not _reports_by_itself(model):
        chosen.append(f"{kind}/monitored")
    if monitoring:
        chosen.append(f"{_ENVIRONMENT}/monitoring")
    if scale.autoscaled:
        chosen.append(f"{_ENVIRONMENT}/autoscaling")
    if scale.at_least > 1:
        chosen.append(f"{_BASE}/disruption-budget")
    return chosen


def _model_component(model: Model) -> str:
    if model.execution_type is ExecutionType.CUSTOM:
        return "custom-model"
    if model.format is ModelFormat.SCORING_CODE:
        return "scoring-code-model"
    return "dedicated-model"


def _reports_by_itself(model: Model) -> bool:
    """DRUM monitors no unstructured model: it exits when told to. Such a model's own code reports.
    https://github.com/datarobot/datarobot-user-models (custom_model_runner, args_parser)"""
    target = model.package.target_type if model.package else None
    return (
        model.execution_type is ExecutionType.CUSTOM and (target or "").casefold() == "unstructured"
    )


def _image(image: Image) -> dict[str, str]:
    pinned = {"name": MODEL_IMAGE, "newName": image.repository, "newTag": image.tag}
    return pinned | ({"digest": image.digest} if image.digest else {})


def _patches(
    deployment_id: str, scale: Scale, seams: Seams, restarts: int, readable: str
) -> Iterator[dict[str, Any]]:
    for kind, name in dict.fromkeys((route.kind, route.name) for route in seams.routes):
        yield _patch(
            kind,
            name,
            *(
                _replace(route.path, route.filled(deployment_id))
                for route in seams.routes
                if (route.kind, route.name) == (kind, name)
            ),
        )
    if scale.autoscaled:
        yield _patch(
            "HorizontalPodAutoscaler",
            BASE_NAME,
            _replace("/spec/minReplicas", scale.minimum),
            _replace("/spec/maxReplicas", scale.maximum),
        )
    if readable:
        annotation = f"/metadata/annotations/{pointer_token(NAME_ANNOTATION)}"
        yield _patch("Deployment", BASE_NAME, {"op": "add", "path": annotation, "value": readable})
    if restarts:
        annotation = f"/spec/template/metadata/annotations/{pointer_token(RESTARTS_ANNOTATION)}"
        yield _patch(
            "Deployment",
            BASE_NAME,
            {"op": "add", "path": annotation, "value": str(restarts)},
        )


def _replace(path: str, value: object) -> dict[str, object]:
    return {"op": "replace", "path": path, "value": value}


def _patch(kind: str, name: str, *operations: dict[str, Any]) -> dict[str, Any]:
    return {
        "target": {"kind": kind, "name": name},
        "patch": documents.dump(list(operations)),
    }
