"""An environment's folder to its deployments and their models, reading nothing twice.

`reports` lists from it. A resident process keeps one Listing: while the branch is where it was, an
environment costs nothing, and after that only the records that changed are read again. What is kept
for a deployment is two ids; content never is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.git import Glance

Wanted = str | BridgeError | None
"""The model's id; an error when the record cannot be read; None when there is none."""


@dataclass(frozen=True)
class _Seen:
    """An environment as of `commit`; `records` has the id of each deployment's record, if any."""

    commit: str
    records: Mapping[str, str | None]
    models: Mapping[str, Wanted]


class Listing:
    """Safe to share between threads: what is replaced is replaced whole."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def models(self, glance: Glance, environment: str) -> Mapping[str, Wanted]:
        """The deployments in the environment's folder and what Git wants of them.

        Raises ConfigError when the repository was never set up for the environment.
        """
        before = self._seen.get(environment) or _Seen("", {}, {})
        if before.commit != glance.commit:
            self._seen[environment] = before = _looked(glance, environment, before)
        return before.models


def folder(environment: str) -> str:
    return f"overlays/{environment}"


def never_set_up(environment: str) -> ConfigError:
    return ConfigError(
        f"the repository has no {folder(environment)}/environment",
        hint=f"gitops-bridge init sets up the environment {environment}",
    )


def wanted(content: bytes, path: str) -> Wanted:
    """The model that a record names, or why it cannot be read."""
    try:
        return records.model_of(content, path)
    except BridgeError as error:
        return error


def _looked(glance: Glance, environment: str, before: _Seen) -> _Seen:
    home = folder(environment)
    files = glance.below(home)
    if not files:
        raise never_set_up(environment)
    found = _records(files, home)
    news = {
        name: record
        for name, record in found.items()
        if record and before.records.get(name) != record
    }
    contents = glance.contents(news.values())
    fresh: dict[str, Wanted] = {
        name: wanted(contents[record], f"{home}/{name}/{RECORD}") for name, record in news.items()
    }
    kept = {name: before.models[name] for name in found if found[name] and name not in fresh}
    return _Seen(glance.commit, found, dict.fromkeys(found) | kept | fresh)


def _records(files: Mapping[str, str], home: str) -> dict[str, str | None]:
    """Each deployment with the id of its record, None when it has none."""
    found: dict[str, str | None] = {}
    inside = re.compile(rf"{re.escape(home)}/([^/]+)/(.+)")
    for path, identifier in files.items():
        match = inside.fullmatch(path)
        if match and match[1] != "environment":
            found.setdefault(match[1], None)
            if match[2] == RECORD:
                found[match[1]] = identifier
    return found
