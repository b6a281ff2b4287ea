"""A folder of the repository to everything that a kustomize build of it reads.

`rollouts` and `checks` render from it without a work tree, and take the ids of its roots as guards:
when none of them moved, what was proven still holds.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gitops_bridge import documents
from gitops_bridge.errors import RenderError

KUSTOMIZATION = "kustomization.yaml"
_NAMES = (KUSTOMIZATION, "kustomization.yml", "Kustomization")
_REFERENCES = ("resources", "components", "bases", "configurations", "generators", "transformers")


class Tree(Protocol):
    """What is read of a snapshot: a subtree's id, its files by path inside it."""

    def id(self, path: str) -> str | None: ...

    def files(self, path: str) -> Mapping[str, bytes]: ...


@dataclass(frozen=True)
class Sources:
    """files           every file by its path in the repository
    roots           the folders they come from, with their ids in the snapshot; the guards
    kustomizations  the kustomization files that take part, by folder
    """

    files: dict[str, bytes]
    roots: dict[str, str | None]
    kustomizations: dict[str, Mapping[str, Any]]


class Reader:
    """Finds the sources of builds in one tree; what several builds share is read once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._roots: dict[str, Mapping[str, bytes]] = {}
        self._parsed: dict[bytes, Mapping[str, Any]] = {}

    def sources(self, folder: str, own: Mapping[str, bytes] | None = None) -> Sources:
        """What a build of `folder` reads; `own` stands in for the folder's files when given.

        Raises RenderError when a kustomization cannot be read or points to what is not there.
        """
        found = Sources({}, {}, {})
        self._take(found, folder, self.tree.files(folder) if own is None else own)
        self._follow(found, folder)
        return found

    def _take(self, found: Sources, root: str, own: Mapping[str, bytes] | None = None) -> None:
        found.roots[root] = self.tree.id(root)
        if own is not None:
            found.files.update({f"{root}/{path}": content for path, content in own.items()})
            return
        if root not in self._roots:
            files = self.tree.files(root)
            self._roots[root] = {f"{root}/{path}": content for path, content in files.items()}
        found.files.update(self._roots[root])

    def _follow(self, found: Sources, folder: str) -> None:
        """Read the kustomization in `folder` and, in turn, in every folder it names."""
        if folder in found.kustomizations:
            return
        kustomization = self._kustomization(found, folder)
        found.kustomizations[folder] = kustomization
        for reference in _references(kustomization, folder):
            path = posixpath.normpath(posixpath.join(folder, reference))
            if path in found.files:
                continue
            if path.startswith("..") or not self._has(found, path):
                raise RenderError(
                    f"{folder}/{KUSTOMIZATION}: {reference!r} is not in the repository",
                    hint="a folder or file of this repository, by relative path",
                )
            self._follow(found, path)

    def _has(self, found: Sources, path: str) -> bool:
        """Whether `path` is a folder of the repository; takes in the root it belongs to."""
        if any(path == root or path.startswith(f"{root}/") for root in found.roots):
            return any(f"{path}/{name}" in found.files for name in _NAMES)
        if self.tree.id(path) is None:
            return False
        self._take(found, _root(path))
        return True

    def _kustomization(self, found: Sources, folder: str) -> Mapping[str, Any]:
        for name in _NAMES:
            content = found.files.get(f"{folder}/{name}")
            if content is not None:
                if content not in self._parsed:
                    self._parsed[content] = _parsed(content, f"{folder}/{name}")
                return self._parsed[content]
        raise RenderError(
            f"{folder} holds no {KUSTOMIZATION}",
            hint="git revert the commit that removed it; a deployment's own is written again by "
            "its next rollout",
        )


def _root(path: str) -> str:
    """How much is taken in at once: an environment's or a deployment's folder, or all of base/."""
    parts = path.split("/")
    return "/".join(parts[:3]) if parts[0] == "overlays" else parts[0]


def _parsed(content: bytes, path: str) -> Mapping[str, Any]:
    try:
        data = documents.load(content)
    except documents.InvalidYaml as error:
        raise RenderError(f"{path} is not YAML: {error}", hint="correct that line") from None
    if not isinstance(data, Mapping):
        raise RenderError(f"{path} is no kustomization", hint="it must be a mapping")
    return data


def _references(kustomization: Mapping[str, Any], folder: str) -> Iterator[str]:
    for key in _REFERENCES:
        listed = kustomization.get(key) or []
        if not isinstance(listed, list):
            raise RenderError(
                f"{folder}/{KUSTOMIZATION}: {key} is {listed!r:.60}", hint="it must be a list"
            )
        for reference in listed:
            if isinstance(reference, str) and "://" not in reference and "\n" not in reference:
                yield reference
