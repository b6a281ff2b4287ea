"""An environment's folder to its deployments and their models, reading nothing twice.

`reports` lists from it. In a resident process, which keeps one Listing, a folder whose id has not
changed costs nothing, and in one that has only the deployments that did are read again. What is
kept for a deployment is two ids; content never is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import Snapshot

Wanted = "str | BridgeError | None"
"""The model's id; an error when the record cannot be read; None when there is none."""


class Listing:
    """Safe to share between threads: what is replaced is replaced whole."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[str | None, Mapping[str, str | BridgeError | None]]] = {}
        self._ids: dict[str, Mapping[str, str]] = {}

    def models(
        self, snapshot: Snapshot, environment: str
    ) -> Mapping[str, str | BridgeError | None]:
        """The deployments in the environment's folder: id -> the model Git wants, an error when
        its record cannot be read, None when it has none."""
        folder = f"overlays/{environment}"
        now = snapshot.id(folder)
        seen, models = self._folders.get(environment, (None, {}))
        if environment in self._folders and now == seen:
            return models
        before = self._ids.get(environment, {})
        ids = {
            name: identifier
            for name, (kind, identifier) in snapshot.entries(folder).items()
            if kind == "tree" and name != "environment"
        }
        fresh = MappingProxyType(
            {
                name: models[name]
                if before.get(name) == identifier and name in models
                else _model(snapshot, f"{folder}/{name}/{RECORD}")
                for name, identifier in ids.items()
            }
        )
        self._folders[environment], self._ids[environment] = (now, fresh), ids
        return fresh


def _model(snapshot: Snapshot, path: str) -> str | BridgeError | None:
    content = snapshot.read(path)
    if content is None:
        return None
    try:
        return records.model_of(content, path)
    except BridgeError as error:
        return error
