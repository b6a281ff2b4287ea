"""Reads files and folders of one commit straight from the object store.

A Snapshot never changes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from gitops_bridge import blobs
from gitops_bridge.git.mirror import Mirror
from gitops_bridge.git.trees import child, split

if TYPE_CHECKING:
    import pygit2

T = TypeVar("T")
_KEPT_FOLDERS = 64


class Snapshot:
    """The tree of `commit` on `branch`; commit "" is a branch before its first commit.

    Paths are relative to the mirror's root, "" being that folder. To be used by one thread at a
    time.
    """

    def __init__(self, mirror: Mirror, commit: str, branch: str = "") -> None:
        self.commit = commit
        self.branch = branch
        self._mirror = mirror
        self._repository: pygit2.Repository | None = None
        self._folders: dict[str, pygit2.Tree | None] = {}

    def __repr__(self) -> str:
        return f"Snapshot({self.branch!r} at {self.commit[:12] or 'no commit'})"

    def id(self, path: str) -> str | None:
        """The id of the tree or blob at `path`, None when nothing is there."""
        return self._read(lambda: _id(self._object(path)))

    def read(self, path: str) -> bytes | None:
        """The content of the file at `path`, None when there is no file."""
        return self._read(lambda: _content(self._object(path)))

    def files(self, path: str) -> dict[str, bytes]:
        """Every file below the folder `path`, by its path from there; executable files, symbolic
        links and submodules as `blobs.Special`."""
        return self._read(lambda: dict(_walk(self._object(path), "")))

    def link(self, path: str) -> str | None:
        """The path that the symbolic link at `path` names, None when there is no link."""
        return self._read(lambda: blobs.link_target(_special(self._object(path))))

    def entries(self, path: str, prefix: str = "") -> dict[str, tuple[str, str]]:
        """What lies in the folder `path` and starts with `prefix`: name -> (tree, blob or commit;
        its id). With a prefix the others are not looked at, however many they are."""
        return self._read(lambda: _entries(self._object(path), prefix))

    def _read(self, work: Callable[[], T]) -> T:
        """Run `work`; a mirror found damaged is replaced and asked once more."""

        def attempt(repository: pygit2.Repository) -> T:
            if repository is not self._repository:
                self._repository = repository
                self._folders.clear()
            return work()

        return self._mirror.reading(attempt, self._repository)

    def _object(self, path: str) -> pygit2.Object | None:
        *parents, name = split(path) or [""]
        folder = self._folder("/".join(parents))
        if not name:
            return folder
        return child(folder, name) if folder is not None else None

    def _folder(self, path: str) -> pygit2.Tree | None:
        """Kept parsed, because siblings are mostly read one after the other."""
        import pygit2

        if path not in self._folders:
            found = self._object(path) if path else self._root()
            if len(self._folders) >= _KEPT_FOLDERS:
                self._folders.clear()
            self._folders[path] = found if isinstance(found, pygit2.Tree) else None
        return self._folders[path]

    def _root(self) -> pygit2.Tree | None:
        import pygit2

        if not self.commit or self._repository is None:
            return None
        commit = self._repository[self.commit]
        if not isinstance(commit, pygit2.Commit):
            return None
        found: pygit2.Object | None = commit.tree
        for name in split(self._mirror.root):
            found = child(found, name) if isinstance(found, pygit2.Tree) else None
        return found if isinstance(found, pygit2.Tree) else None


def _id(found: pygit2.Object | None) -> str | None:
    return None if found is None else str(found.id)


def _content(found: pygit2.Object | None) -> bytes | None:
    import pygit2

    return found.data if isinstance(found, pygit2.Blob) else None


def _special(found: pygit2.Object | None) -> bytes | None:
    """A file with its mode."""
    import pygit2

    return blobs.of(found.data, found.filemode) if isinstance(found, pygit2.Blob) else None


def _entries(folder: pygit2.Object | None, prefix: str) -> dict[str, tuple[str, str]]:
    import pygit2

    if not isinstance(folder, pygit2.Tree):
        return {}
    found = _from(folder, prefix.encode()) if prefix else iter(folder)
    return {_name(item): (item.type_str, str(item.id)) for item in found}


def _from(folder: pygit2.Tree, prefix: bytes) -> Iterator[pygit2.Object]:
    """By bisection: git sorts a folder by its names' bytes, a tree's as if it ended in a slash."""

    def place(position: int) -> bytes:
        item = folder[position]
        return (item.raw_name or b"") + (b"/" if item.type_str == "tree" else b"")

    for position in range(bisect_left(range(len(folder)), prefix, key=place), len(folder)):
        item = folder[position]
        if not (item.raw_name or b"").startswith(prefix):
            return
        yield item


def _walk(folder: pygit2.Object | None, prefix: str) -> Iterator[tuple[str, bytes]]:
    import pygit2

    if not isinstance(folder, pygit2.Tree):
        return
    for item in folder:
        if item.filemode == blobs.SUBMODULE:
            yield f"{prefix}{_name(item)}", blobs.Special(str(item.id).encode(), blobs.SUBMODULE)
        elif isinstance(item, pygit2.Tree):
            yield from _walk(item, f"{prefix}{_name(item)}/")
        elif isinstance(item, pygit2.Blob):
            yield f"{prefix}{_name(item)}", blobs.of(item.data, item.filemode)


def _name(item: pygit2.Object) -> str:
    return blobs.text(item.raw_name or b"")
