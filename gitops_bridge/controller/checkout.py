"""A checked-out repository, as a team's CI has it, read as a snapshot is; and what it removes."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from gitops_bridge import blobs
from gitops_bridge.desired import kustomization
from gitops_bridge.desired.reach import removed_overlays, too_many
from gitops_bridge.git import links, removed


class Folder:
    """A checked-out repository, read as a Tree is: as Git sees it, so no link is followed and no
    submodule entered."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def id(self, path: str) -> str | None:
        """Only whether something is there: a work tree has no ids."""
        target = self._root / path
        return "present" if os.path.lexists(target) and not self._is_behind(path) else None

    def read(self, path: str) -> bytes | None:
        target = self._root / path
        if self.id(path) is None or target.is_dir() or target.is_symlink():
            return None
        return target.read_bytes()

    def link(self, path: str) -> str | None:
        target = self._root / path
        return os.readlink(target) if target.is_symlink() and not self._is_behind(path) else None

    def files(self, path: str) -> Mapping[str, bytes]:
        base = self._root / path
        if self._is_behind(path) or base.is_symlink():
            return {}
        return {found.relative_to(base).as_posix(): _content(found) for found in _below(base)}

    def entries(self, path: str) -> Mapping[str, tuple[str, str]]:
        """What lies in the folder `path`, as a snapshot lists it: name -> (tree or blob, an id)."""
        folder = self._root / path
        if self.id(path) is None or not folder.is_dir() or folder.is_symlink():
            return {}
        return {
            found.name: ("tree" if found.is_dir() and not _ends(found) else "blob", "present")
            for found in sorted(folder.iterdir())
        }

    def _is_behind(self, path: str) -> bool:
        """Whether a folder on the way to `path` is a link or a submodule."""
        parents = list((self._root / path).relative_to(self._root).parents)[:-1]
        return any(_ends(self._root / parent) for parent in parents)


def _below(folder: Path) -> Iterator[Path]:
    """Everything below that Git would keep, sorted."""
    for found in sorted(folder.iterdir()) if folder.is_dir() else []:
        if found.name == ".git":
            continue
        if found.is_dir() and not _ends(found):
            yield from _below(found)
        else:
            yield found


def _ends(folder: Path) -> bool:
    return folder.is_symlink() or (folder / ".git").exists()


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return blobs.Special(os.readlink(os.fsencode(path)), blobs.LINK)
    if path.is_dir():
        return blobs.Special(b"", blobs.SUBMODULE)
    return blobs.of(path.read_bytes(), blobs.EXECUTABLE if path.stat().st_mode & 0o100 else 0)


def links_out(root: Path) -> Iterator[str]:
    """The symbolic links of the checkout at `root` that lead out of it."""
    for path, target in links(root).items():
        aims_at = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if target.startswith("/") or aims_at.startswith(".."):
            yield path


def removals(root: Path, since: str, limit: int) -> str | None:
    """Why the checkout may not replace revision `since`: more than `limit` deployments are gone."""
    gone = {
        folder
        for folder in removed_overlays(removed(root, since))
        if not any((root / folder / name).exists() for name in kustomization.NAMES)
    }
    return too_many(gone, limit) if len(gone) > limit else None
