"""An environment's folder to its deployments and their models, reading nothing twice.

`reports` lists from it. A resident process keeps one Listing: while the branch is where it was, an
environment costs nothing, and after that only the deployments that changed are read again. What is
kept for one is an id and a model; content never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.git import TreeReader

Wanted = str | BridgeError | None
"""The model's id; an error when the record cannot be read; None when there is none."""


class Listing:
    """Safe to share between threads: what is replaced is replaced whole."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[str, Mapping[str, str]]] = {}
        """Environment -> a commit, and the deployments there with the ids of their folders."""
        self._models: dict[str, Mapping[str, tuple[str, Wanted]]] = {}
        """Environment -> deployment -> the id of its folder, and what that wants."""

    def deployments(self, tree_reader: TreeReader, environment: str) -> Mapping[str, str]:
        """The deployments in the environment's folder, with the ids of theirs.

        Raises ConfigError when the repository was never set up for the environment.
        """
        commit, found = self._folders.get(environment, ("", {}))
        if commit != tree_reader.commit:
            found = tree_reader.folders(f"overlays/{environment}")
            if not found:
                raise never_set_up(environment)
            found.pop("environment", None)
            self._folders[environment] = (tree_reader.commit, found)
        return found

    def models(
        self, tree_reader: TreeReader, environment: str, some: Iterable[str] | None = None
    ) -> dict[str, Wanted]:
        """What Git wants of some of the deployments, or of all; those not there are left out."""
        there = self.deployments(tree_reader, environment)
        asked = {name: there[name] for name in (there if some is None else some) if name in there}
        known = self._models.get(environment, {})
        news = {name: it for name, it in asked.items() if known.get(name, ("",))[0] != it}
        if news:
            contents = tree_reader.read(news.values(), RECORD)
            fresh = {
                name: (it, _wanted(contents.get(it), f"overlays/{environment}/{name}/{RECORD}"))
                for name, it in news.items()
            }
            known = {name: known[name] for name in known if name in there} | fresh
            self._models[environment] = known
        return {name: known[name][1] for name in asked}


def never_set_up(environment: str) -> ConfigError:
    return ConfigError(
        f"the repository has no overlays/{environment}/environment",
        hint=f"gitops-bridge init sets up the environment {environment}",
    )


def _wanted(content: bytes | None, path: str) -> Wanted:
    try:
        return None if content is None else records.model_of(content, path)
    except BridgeError as error:
        return error
