"""An environment's folder and the branch `rollouts` to deployments and models, read only once.

A resident process keeps one Listing: while the branches are where they were, an environment costs
nothing, and after that only the deployments that changed are read again. What is kept for one is an
id and a model; content never is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gitops_bridge.desired import record as records
from gitops_bridge.desired.record import Serving
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.git import TreeReader

_TREE = re.compile(rb'\ntree: "?([0-9a-f]+)"?\n')
Found = Serving | BridgeError | None
"""What main serves; an error when its record cannot be read; None when there is none."""


class Listing:
    """Safe to share between threads: what is replaced is replaced whole."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[str, Mapping[str, str]]] = {}
        """Environment -> a commit, and the deployments there with the ids of their folders."""
        self._serving: dict[str, Mapping[str, tuple[str, Found]]] = {}
        """Environment -> deployment -> the id of its folder, and what that wants."""
        self._unsettled: dict[str, tuple[tuple[str, str], frozenset[str]]] = {}
        """Environment -> the commits of both branches, and what is not settled there."""

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

    def serving(
        self, tree_reader: TreeReader, environment: str, some: Iterable[str] | None = None
    ) -> dict[str, Found]:
        """What Git wants of some of the deployments, or of all; those not there are left out."""
        there = self.deployments(tree_reader, environment)
        asked = {name: there[name] for name in (there if some is None else some) if name in there}
        known = self._serving.get(environment, {})
        news = {name: it for name, it in asked.items() if known.get(name, ("",))[0] != it}
        if news:
            contents = tree_reader.read(news.values(), RECORD)
            fresh = {
                name: (it, _wanted(contents.get(it), f"overlays/{environment}/{name}/{RECORD}"))
                for name, it in news.items()
            }
            known = {name: known[name] for name in known if name in there} | fresh
            self._serving[environment] = known
        return {name: known[name][1] for name in asked}

    def unsettled(
        self, main: TreeReader, rollouts: TreeReader | None, environment: str
    ) -> frozenset[str]:
        """The deployments about whose rollout there is something to say: one that waits, failed or
        is held, or whose `model/` is not the folder that was delivered."""
        commits = (main.commit, rollouts.commit if rollouts else "")
        known = self._unsettled.get(environment)
        if known is None or known[0] != commits:
            found = _unsettled(main, rollouts, environment) if rollouts else frozenset()
            self._unsettled[environment] = known = (commits, found)
        return known[1]


def _unsettled(main: TreeReader, rollouts: TreeReader, environment: str) -> frozenset[str]:
    folders = main.folders_below(f"overlays/{environment}")
    models = {path.split("/")[0]: it for path, it in folders.items() if path.endswith("/model")}
    files = rollouts.files(environment)
    contents = rollouts.contents(list(files.values()))
    return frozenset(
        name.removesuffix(".yaml")
        for name, blob in files.items()
        if not _is_settled(contents.get(blob, b""), models.get(name.removesuffix(".yaml"), ""))
    )


def _is_settled(text: bytes, model: str) -> bool:
    """Whether a state file says that nothing waits and that `model/` is the tree it delivered."""
    tree = _TREE.search(text)
    delivered = tree[1].decode() if tree else ""
    return b"\nphase: settled\n" in text and b"\nreview:" not in text and delivered == model


def never_set_up(environment: str) -> ConfigError:
    return ConfigError(
        f"the repository has no overlays/{environment}/environment",
        hint=f"gitops-bridge init sets up the environment {environment}",
    )


def _wanted(content: bytes | None, path: str) -> Found:
    try:
        return None if content is None else records.serving(content, path)
    except BridgeError as error:
        return error
