"""A folder of the repository to everything that a kustomize build of it reads.

It is read without a work tree. The ids of the folders it comes from are guards: when none of them
moved, what was proven still holds. Symbolic links are followed as kustomize follows them, inside
the repository; what lies elsewhere is refused: rendering must not make this host fetch it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gitops_bridge import blobs
from gitops_bridge.desired import kustomization as reading
from gitops_bridge.desired.kustomization import Reference
from gitops_bridge.errors import RenderError

KUSTOMIZATION = reading.NAMES[0]
_LINKS = 40  # followed on one path; what Linux allows


class Tree(Protocol):
    """What is read of a snapshot: the id of a folder or file, a folder's files by path inside it, a
    file's content, a symbolic link's target."""

    def id(self, path: str) -> str | None: ...

    def files(self, path: str) -> Mapping[str, bytes]: ...

    def read(self, path: str) -> bytes | None: ...

    def link(self, path: str) -> str | None: ...


@dataclass(frozen=True)
class Sources:
    """files           every file by its path in the repository
    roots           the folders they come from, with their ids in the snapshot; the guards
    kustomizations  the kustomization files that take part, by folder
    links           paths that lead through a symbolic link, with the paths behind them
    remote          the addresses that kustomize would fetch from, allowed ones
    """

    files: dict[str, bytes]
    roots: dict[str, str | None]
    kustomizations: dict[str, Mapping[str, Any]]
    links: dict[str, str] = field(default_factory=dict)
    remote: list[str] = field(default_factory=list)


class Reader:
    """Finds the sources of builds in one tree; what several builds share is read once. `hosts` are
    those that a kustomization may name; by default none."""

    def __init__(self, tree: Tree, hosts: Collection[str] = ()) -> None:
        self.tree = tree
        self._hosts = frozenset(hosts)
        self._roots: dict[str, Mapping[str, bytes]] = {}
        self._links: dict[str, str | None] = {}
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
            self._roots[root] = self._files(root)
        found.files.update(self._roots[root])

    def _files(self, root: str) -> Mapping[str, bytes]:
        content = None if "/" in root else self.tree.read(root)
        if content is not None:
            return {root: content}
        return {f"{root}/{path}": content for path, content in self.tree.files(root).items()}

    def _follow(self, found: Sources, folder: str) -> None:
        """Read the kustomization in `folder` and, in turn, in every folder it names."""
        if folder in found.kustomizations:
            return
        path, kustomization = self._kustomization(found, folder)
        found.kustomizations[folder] = kustomization
        for reference in reading.references(kustomization, path):
            self._followed(found, folder, path, reference)

    def _followed(self, found: Sources, folder: str, path: str, reference: Reference) -> None:
        if reference.is_remote and not self._is_file(found, folder, reference):
            self._refuse_remote(path, reference)
            found.remote.append(reference.text)
            return
        target = self._real(found, folder, reference.text, path)
        if target in found.files:
            if reading.are_plugins(reference):
                for inner in reading.plugin_references(found.files[target], reference.field):
                    self._followed(found, folder, target, inner)
        elif any(f"{target}/{name}" in found.files for name in reading.NAMES):
            self._follow(found, target)
        elif reference.needed:
            raise RenderError(
                f"{path}: {reference.text!r} is not in the repository",
                hint="a folder or file of this repository, by relative path",
            )

    def _is_file(self, found: Sources, folder: str, reference: Reference) -> bool:
        """kustomize takes a file of the repository for one, even if its name looks like an
        address."""
        return "://" not in reference.text and f"{folder}/{reference.text}" in found.files

    def _refuse_remote(self, path: str, reference: Reference) -> None:
        if reference.host and reference.host in self._hosts:
            return
        raise RenderError(
            f"{path}: {reference.text!r:.200} ({reference.field}) is not in this repository, and "
            "nothing is fetched to render it",
            hint="copy it into the repository"
            + (f", or name {reference.host} in render.remote.allow" if reference.host else ""),
        )

    def _real(self, found: Sources, folder: str, reference: str, path: str) -> str:
        """The path in the repository that `reference` leads to from `folder`. As kustomize does
        it: `..` is taken off the text first, then links are followed. Takes in the roots on the
        way."""
        written = posixpath.normpath(posixpath.join(folder, reference))
        if reference.startswith("/"):
            raise _outside(path, reference, "is an absolute path")
        real: list[str] = []
        steps = written.split("/")
        followed = 0
        while steps:
            step = steps.pop(0)
            if step == ".." and not real:
                raise _outside(path, reference, "leads out of the repository")
            if step == "..":
                real.pop()
            elif step not in {"", "."}:
                here = "/".join([*real, step])
                target = self._link(found, here)
                if target is None:
                    real.append(step)
                    _refuse_submodule(found, here, path, reference)
                    continue
                followed += 1
                if target.startswith("/") or followed > _LINKS:
                    raise _outside(
                        path,
                        reference,
                        f"leads out of it, or in a circle, by the symbolic link {here}",
                    )
                steps = [*target.split("/"), *steps]
        if not real:
            raise _outside(path, reference, "is the whole repository")
        resolved = "/".join(real)
        self._take_root_of(found, resolved)
        if written != resolved:
            found.links[written] = resolved
        return resolved

    def _link(self, found: Sources, path: str) -> str | None:
        """The target of the symbolic link at `path`, None when there is none."""
        if path in found.files or _is_taken(found, path):
            return blobs.link_target(found.files.get(path))
        if path not in self._links:
            self._links[path] = self.tree.link(path)
        target = self._links[path]
        if target is not None:
            found.files[path] = blobs.Special(blobs.raw(target), blobs.LINK)
            found.roots[path] = self.tree.id(path)
        elif path == _root(path):
            self._take_root_of(found, path)
        return target

    def _take_root_of(self, found: Sources, path: str) -> None:
        root = _root(path)
        if root and not _is_taken(found, path) and self.tree.id(root) is not None:
            self._take(found, root)

    def _kustomization(self, found: Sources, folder: str) -> tuple[str, Mapping[str, Any]]:
        for name in reading.NAMES:
            path = f"{folder}/{name}"
            if path in found.files:
                content = found.files.get(self._real(found, folder, name, path), b"")
                if content not in self._parsed:
                    self._parsed[content] = reading.parse(content, path)
                return path, self._parsed[content]
        raise RenderError(
            f"{folder} holds no {KUSTOMIZATION}",
            hint="git revert the commit that removed it; a deployment's own is written again by "
            "its next rollout",
        )


def _is_taken(found: Sources, path: str) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in found.roots)


def _root(path: str) -> str:
    """How much is taken in at once: an environment's or a deployment's folder, or all of base/; ""
    for what is above those."""
    parts = path.split("/")
    if parts[0] != "overlays":
        return parts[0]
    return "/".join(parts[:3]) if len(parts) > 2 else ""


def _refuse_submodule(found: Sources, path: str, by: str, reference: str) -> None:
    content = found.files.get(path)
    if content is not None and blobs.mode_of(content) == blobs.SUBMODULE:
        raise RenderError(
            f"{by}: {reference!r} leads into the submodule {path}, which is another repository",
            hint="copy what is used into this repository; submodules are not read",
        )


def _outside(path: str, reference: str, what: str) -> RenderError:
    return RenderError(
        f"{path}: {reference!r:.200} {what}",
        hint="a folder or file of this repository, by relative path",
    )
