"""The objects of one deployment to the references among them that lead nowhere.

kustomize adds the deployment's id to every name, and to the references it knows. Custom resources
have others, and those of this table would go on naming what the files call it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_bridge.desired.overlay import at

Manifest = Mapping[str, Any]

_WORKLOADS = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "Rollout", "DaemonSet"})
_TARGETS = frozenset({"scaleTargetRef", "targetRef", "workloadRef"})
_BY_KEY = {
    "secretKeyRef": "Secret", "secretRef": "Secret", "imagePullSecrets": "Secret",
    "secretTargetRef": "Secret", "secret": "Secret",
    "configMapKeyRef": "ConfigMap", "configMapRef": "ConfigMap", "configMap": "ConfigMap",
    "authenticationRef": "TriggerAuthentication", "backendRefs": "Service", "service": "Service",
}  # fmt: skip
"""A mapping, or a list of them, whose `name` names an object of that kind."""
_BY_TEXT = {
    "secretName": "Secret", "serviceAccountName": "ServiceAccount",
    "claimName": "PersistentVolumeClaim",
}  # fmt: skip
_HOSTS = frozenset({"VirtualService", "DestinationRule"})


@dataclass(frozen=True)
class Reference:
    pointer: str
    kind: str
    name: str


def dangling(objects: list[dict[str, Any]], deployment: str) -> list[str]:
    """Each reference that names an object as the files do and not as it is rendered, and each to a
    workload that is not there."""
    made = _made(objects)
    problems = []
    for item in objects:
        where = f"{item.get('kind')} {at(item, 'metadata', 'name')}"
        for reference in dict.fromkeys(_references(item)):
            there = made.get(reference.kind, set())
            if reference.name in there:
                continue
            called = sorted(name for name in there if _suffixed(name, reference.name, deployment))
            told = f"{where}: {reference.pointer} names the {reference.kind} {reference.name!r}, "
            if called:
                problems.append(
                    f"{told}but it is called {called[0]!r} here: add the field to a nameReference "
                    "in configurations, as base/name-references.yaml does"
                )
            elif reference.kind in _WORKLOADS and item.get("kind") != "HorizontalPodAutoscaler":
                problems.append(f"{told}and there is no object named so in this overlay")
    return problems


def _suffixed(name: str, written: str, deployment: str) -> bool:
    return name == f"{written}-{deployment}" or name.startswith(f"{written}-{deployment}-")


def _made(objects: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The names of what will be there, by kind; operators make Secrets of some."""
    made: dict[str, set[str]] = {}
    for item in objects:
        name = str(at(item, "metadata", "name"))
        made.setdefault(str(item.get("kind")), set()).add(name)
        if item.get("kind") == "SealedSecret":
            made.setdefault("Secret", set()).add(name)
        if item.get("kind") == "ExternalSecret":
            target = at(item, "spec", "target", "name")
            made.setdefault("Secret", set()).add(str(target or name))
    return made


def _references(item: Manifest) -> Iterator[Reference]:
    kind = str(item.get("kind"))
    if kind == "SealedSecret":
        name = at(item, "spec", "template", "metadata", "name")
        if name:
            yield Reference("spec.template.metadata.name", kind, str(name))
    if kind in _HOSTS:
        yield from _hosts(item.get("spec"), "spec")
    elif kind not in {"CustomResourceDefinition", "ConfigMap", "Secret"}:
        yield from _walked(item.get("spec"), "spec", "spec")


def _walked(node: object, key: str, pointer: str) -> Iterator[Reference]:
    if isinstance(node, list):
        for position, element in enumerate(node):
            yield from _walked(element, key, f"{pointer}[{position}]")
    elif isinstance(node, Mapping):
        yield from _of_mapping(node, key, pointer)
        for inner, value in node.items():
            path = f"{pointer}.{inner}"
            if inner in _BY_TEXT and isinstance(value, str):
                yield Reference(path, _BY_TEXT[inner], value)
            else:
                yield from _walked(value, str(inner), path)


def _of_mapping(node: Manifest, key: str, pointer: str) -> Iterator[Reference]:
    name, kind = node.get("name"), node.get("kind")
    if not isinstance(name, str) or node.get("namespace"):
        return
    if key in _TARGETS:
        yield Reference(f"{pointer}.name", str(kind or "Deployment"), name)
    elif isinstance(kind, str):
        yield Reference(f"{pointer}.name", kind, name)
    elif key in _BY_KEY:
        yield Reference(f"{pointer}.name", _BY_KEY[key], name)


def _hosts(node: object, pointer: str) -> Iterator[Reference]:
    """Istio's `host` is a Service, by its name or with its domain."""
    if isinstance(node, list):
        for position, element in enumerate(node):
            yield from _hosts(element, f"{pointer}[{position}]")
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key == "host" and isinstance(value, str):
                yield Reference(f"{pointer}.host", "Service", value.split(".")[0])
            else:
                yield from _hosts(value, f"{pointer}.{key}")
