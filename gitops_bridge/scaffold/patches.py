"""Settings to the text of a kustomization: JSON6902 patches, images, the file around them.

`environments` and `builder` say which setting goes where; here is how it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitops_bridge import documents
from gitops_bridge.desired.overlay import pointer_token

BASE = "../../../../base"
POD = "/spec/template/spec"
POD_ANNOTATIONS = "/spec/template/metadata/annotations"
DEFAULT_DATAROBOT_URL = "https://app.datarobot.com"

Patch = list[dict[str, Any]]


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def whole(settings: Mapping[str, Any], places: Mapping[str, str]) -> Patch:
    """Each setting that says something, in place of what base says there."""
    return [add(path, settings[key]) for key, path in places.items() if settings.get(key)]


def append(path: str, items: Iterable[Any]) -> Patch:
    return [add(f"{path}/-", item) for item in items]


def each(path: str, items: Mapping[str, Any]) -> Patch:
    return [add(f"{path}/{pointer_token(key)}", value) for key, value in items.items()]


def patches(kinds: Iterable[tuple[str, Patch]], name: str = "mlops") -> list[dict[str, Any]]:
    return [
        {"target": {"kind": kind, "name": name}, "patch": documents.dump(patch)}
        for kind, patch in kinds
        if patch
    ]


def images(chosen: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"name": name, **_reference(image)} for name, image in chosen.items() if image]


def _reference(image: str) -> dict[str, str]:
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    parts = {"newName": f"{head}{slash}{last}", "newTag": tag, "digest": digest}
    return {key: value for key, value in parts.items() if value}


def component(comment: str, data: Mapping[str, Any]) -> str:
    return _file(comment, "kustomize.config.k8s.io/v1alpha1", "Component", data)


def kustomization(comment: str, data: Mapping[str, Any]) -> str:
    return _file(comment, "kustomize.config.k8s.io/v1beta1", "Kustomization", data)


def _file(comment: str, version: str, kind: str, data: Mapping[str, Any]) -> str:
    said = {key: value for key, value in data.items() if value}
    return comment + documents.dump({"apiVersion": version, "kind": kind, **said})
