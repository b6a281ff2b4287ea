"""Paths of the scaffold to paths of the repository, where everything lies below one folder of it.

`files` and `plan` know the scaffold's own paths only. What a forge reads from the top of a
repository stays there, whatever the folder: workflows and CODEOWNERS.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace

from gitops_bridge.scaffold.plan import Change, Plan, Tree

_TOP = re.compile(r"(\.(github|gitlab|gitea|forgejo)/.*|\.gitlab-ci\.yml|(docs/)?CODEOWNERS)")


def placed(root: str, path: str) -> str:
    """Where the scaffold's `path` lies in a repository that has it below the folder `root`. Several
    scaffolds may share a repository, so the workflow of each has a name of its own."""
    if not root:
        return path
    if not _TOP.fullmatch(path):
        return f"{root}/{path}" if path else root
    folder, name = posixpath.split(path)
    if not name.startswith("gitops-bridge"):
        return path
    stem, extension = posixpath.splitext(name)
    return f"{folder}/{stem}-{re.sub(r'[^A-Za-z0-9]+', '-', root).strip('-')}{extension}"


class Rooted:
    """A tree as the scaffold sees it whose folder is `root`."""

    def __init__(self, tree: Tree, root: str) -> None:
        self._tree = tree
        self.root = root

    def id(self, path: str) -> str | None:
        return self._tree.id(placed(self.root, path))

    def read(self, path: str) -> bytes | None:
        return self._tree.read(placed(self.root, path))

    def entries(self, path: str) -> Mapping[str, tuple[str, str]]:
        return self._tree.entries(placed(self.root, path))


def in_repository(plan: Plan, root: str) -> Plan:
    """The plan with the paths of the repository."""

    def moved(changes: tuple[Change, ...]) -> tuple[Change, ...]:
        return tuple(replace(item, path=placed(root, item.path)) for item in changes)

    return replace(
        plan, changes=moved(plan.changes), kept=moved(plan.kept), skipped=moved(plan.skipped)
    )
