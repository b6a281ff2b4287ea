"""Objects of many deployments to those that two Applications would both own.

Argo CD refuses to sync the second (FailOnSharedResource), and without that option the two would
overwrite each other for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitops_bridge.desired.admission.platform import Application
from gitops_bridge.desired.overlay import at


class SharedNames:
    """Remembers who named an object first."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str, str, str], str] = {}

    def add(self, application: Application, objects: list[dict[str, Any]]) -> Iterator[str]:
        for item in objects:
            kind, name = str(item.get("kind")), str(at(item, "metadata", "name"))
            namespace = str(at(item, "metadata", "namespace") or application.namespace)
            owner = self._owners.setdefault(
                (application.server, namespace, kind, name), application.path
            )
            if owner != application.path:
                yield f"{kind} {name} is in {owner} too, for the same namespace {namespace}"
