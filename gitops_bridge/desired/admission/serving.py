"""The objects of a served model to what a reviewer would not expect to find there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitops_bridge.desired.admission import pod_security
from gitops_bridge.desired.overlay import MODEL_CONTAINER, at, mapping_at, mappings_at
from gitops_bridge.desired.overlay.names import AGENT_IMAGE

Manifest = Mapping[str, Any]

_OURS = frozenset({MODEL_CONTAINER, AGENT_IMAGE})
_ACCOUNTS = frozenset({"", "default"})
_SECRET_NAME = re.compile(
    r"(^|_)(TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)$", re.I
)
_POD_SPECS = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}


def unexpected(
    objects: list[dict[str, Any]],
    level: str,
    sidecars: Collection[str],
    accounts: Collection[str],
) -> Iterator[str]:
    """Privileges beyond `level` of the Pod Security Standards, containers beside ours and
    `sidecars`, service accounts beside `default` and `accounts`, and secrets in clear."""
    for item in objects:
        where = f"{item.get('kind')} {at(item, 'metadata', 'name')}"
        yield from _secrets(item, where)
        spec = pod_spec(item)
        if not spec:
            continue
        refused = pod_security.refused(level, spec)
        if refused:
            yield f"{where}: Pod Security {level} refuses {', '.join(refused)}"
        account = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "")
        if account not in {*_ACCOUNTS, *accounts}:
            yield (
                f"{where}: runs under the service account {account!r}, and with its rights; if "
                "that is meant, name it in trust.service_accounts of gitops-bridge.yaml"
            )
        yield from _strangers(spec, where, {*_OURS, *sidecars})


def pod_spec(item: Manifest) -> Manifest:
    """The spec of the Pods that an object leads to, empty where it leads to none."""
    path = _POD_SPECS.get(str(item.get("kind")), ("spec", "template", "spec"))
    spec = mapping_at(item, *path)
    return spec if mappings_at(spec, "containers") else {}


def containers(spec: Manifest) -> list[Manifest]:
    return [*mappings_at(spec, "initContainers"), *mappings_at(spec, "containers")]


def _strangers(spec: Manifest, where: str, known: Collection[str]) -> Iterator[str]:
    for container in containers(spec):
        name = container.get("name")
        if name not in known:
            yield (
                f"{where}: nobody has announced its container {name!r} (image "
                f"{container.get('image')!r}); if it is meant, name it in trust.sidecars of "
                "gitops-bridge.yaml"
            )


def _secrets(item: Manifest, where: str) -> Iterator[str]:
    filled = {**mapping_at(item, "data"), **mapping_at(item, "stringData")}
    if item.get("kind") == "Secret" and any(filled.values()):
        yield (
            f"{where}: is a Secret in clear, for everybody who reads the repository; commit an "
            "ExternalSecret or a SealedSecret, or create it in the cluster and name it only"
        )
    for container in containers(pod_spec(item)):
        for variable in mappings_at(container, "env"):
            name = str(variable.get("name"))
            if _SECRET_NAME.search(name) and variable.get("value"):
                yield (
                    f"{where}: the variable {name} of {container.get('name')} holds its value in "
                    "clear; take it from a Secret (valueFrom.secretKeyRef)"
                )
