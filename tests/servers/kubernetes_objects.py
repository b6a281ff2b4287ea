"""The objects of a Kubernetes API server: versions, pages of one snapshot, changes, selectors and
merge patches, as https://kubernetes.io/docs/reference/using-api/api-concepts/ describes them.
"""

from __future__ import annotations

import copy
import itertools
import re
import threading
from collections import defaultdict
from dataclasses import dataclass

GROUPS = {
    "pods": "api/v1",
    "events": "api/v1",
    "deployments": "apis/apps/v1",
    "replicasets": "apis/apps/v1",
    "jobs": "apis/batch/v1",
    "applications": "apis/argoproj.io/v1alpha1",
    "applicationsets": "apis/argoproj.io/v1alpha1",
    "leases": "apis/coordination.k8s.io/v1",
}


@dataclass(frozen=True)
class Change:
    version: int
    path: str
    before: dict | None
    after: dict | None


class Objects:
    """All objects by the path of their list, and every change since the last compaction."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.changes: list[Change] = []
        self.oldest = 0
        self.page_expiries = 0
        """So many of the next continue tokens have outlived their snapshot."""
        self._objects: dict[str, dict[str, dict]] = defaultdict(dict)
        self._version = itertools.count(1000)
        self._snapshots: dict[str, tuple[int, list[dict]]] = {}

    def path(self, resource: str, namespace: str) -> str:
        return f"/{GROUPS[resource]}/namespaces/{namespace}/{resource}"

    def put(self, resource: str, namespace: str, item: dict) -> dict:
        """Creates or replaces an object."""
        return self.store(self.path(resource, namespace), copy.deepcopy(item))

    def delete(self, resource: str, namespace: str, name: str) -> None:
        self.remove(self.path(resource, namespace), name)

    def replace_all(self, resource: str, namespace: str, items: list[dict]) -> None:
        """Makes the cluster hold just these, as the next moment of a recording."""
        names = {item["metadata"]["name"] for item in items}
        for name in set(self._objects[self.path(resource, namespace)]) - names:
            self.delete(resource, namespace, name)
        for item in items:
            self.put(resource, namespace, item)

    def object(self, resource: str, namespace: str, name: str) -> dict | None:
        return self._objects[self.path(resource, namespace)].get(name)

    def compact(self) -> None:
        """Forgets the history: watches from before it are too old."""
        with self.changed:
            self.oldest = next(self._version)
            self.changes.clear()
            self.changed.notify_all()

    def store(self, path: str, item: dict) -> dict:
        with self.changed:
            version = next(self._version)
            metadata = item.setdefault("metadata", {})
            metadata["resourceVersion"] = str(version)
            before = self._objects[path].get(metadata["name"])
            self._objects[path][metadata["name"]] = item
            self._record(Change(version, path, before, item))
            return item

    def remove(self, path: str, name: str) -> bool:
        with self.changed:
            before = self._objects[path].pop(name, None)
            if before is not None:
                self._record(Change(next(self._version), path, before, None))
            return before is not None

    def find(self, path: str, name: str) -> dict | None:
        return self._objects[path].get(name)

    def _record(self, change: Change) -> None:
        self.changes.append(change)
        self.changed.notify_all()

    def page(self, path: str, query: dict[str, str]) -> dict | None:
        """One page of a list; None when the continue token is too old."""
        with self.changed:
            token, limit = query.get("continue"), int(query.get("limit", 0))
            if token:
                if self.page_expiries:
                    self.page_expiries -= 1
                    return None
                version, items = self._snapshots[token]
            else:
                version = next(self._version)
                items = [item for item in self._objects[path].values() if selected(item, query)]
            page, rest = (items[:limit], items[limit:]) if limit else (items, [])
            metadata: dict = {"resourceVersion": str(version)}
            if rest:
                metadata["continue"] = f"{version}-{len(rest)}"
                metadata["remainingItemCount"] = len(rest)
                self._snapshots[metadata["continue"]] = (version, rest)
            return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": page}


def selected(item: dict | None, query: dict[str, str]) -> bool:
    """Whether an object is one that the label and field selectors of a request ask for."""
    if item is None:
        return False
    labels = item.get("metadata", {}).get("labels") or {}
    terms = re.split(r",(?![^(]*\))", query.get("labelSelector", ""))
    fields = filter(None, query.get("fieldSelector", "").split(","))
    return all(_has(labels, term) for term in terms if term) and all(
        _is(item, term) for term in fields
    )


def _has(labels: dict, term: str) -> bool:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", term):
        values = {value.strip() for value in found[3].split(",")}
        return (labels.get(found[1]) in values) == (found[2] == "in")
    if found := re.fullmatch(r"([^!=]+)(!?)==?(.*)", term):
        return (labels.get(found[1]) == found[3]) == (found[2] == "")
    return term[1:] not in labels if term.startswith("!") else term in labels


def _is(item: dict, term: str) -> bool:
    key, negated, value = re.fullmatch(r"([^!=]+)(!?)==?(.*)", term).groups()
    if key == "status.successful":
        found = str(item.get("status", {}).get("succeeded", 0))
    else:
        found = item
        for step in key.split("."):
            found = (found or {}).get(step)
    return (str(found or "") == value) == (negated == "")


def merged(item: object, patch: object) -> object:
    """JSON Merge Patch, RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(item) if isinstance(item, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found
