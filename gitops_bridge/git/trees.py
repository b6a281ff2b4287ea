"""Builds the tree an edit leads to, along the touched paths only.

The cost is depth times the entries of the folders passed through, whatever else the repository
holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from gitops_bridge import blobs
from gitops_bridge.errors import RepositoryError

if TYPE_CHECKING:
    import pygit2

_Change = tuple[list[str], "bytes | None"]


def split(path: str) -> list[str]:
    """The segments of a path below the root; "" has none.

    Raises RepositoryError for a path that could leave the tree or that git does not store.
    """
    parts = path.split("/") if path else []
    for part in parts:
        if part in {"", ".", ".."} or part.lower() == ".git" or "\0" in part:
            raise RepositoryError(f"{path!r} is no path inside a repository")
    return parts


def below(root: str, path: str) -> str:
    """A path that is relative to the folder `root`, from the top of the repository."""
    return "/".join(part for part in (root, path) if part)


def inside(root: str, paths: Iterable[str]) -> list[str]:
    """Those of the paths from the top that lie below `root`, relative to it and sorted."""
    top = f"{root}/" if root else ""
    return sorted(path.removeprefix(top) for path in paths if path.startswith(top))


def find(root: pygit2.Tree | None, path: str) -> str | None:
    """The id of the tree or blob at `path` below `root`, None when nothing is there."""
    import pygit2

    found: pygit2.Object | None = root
    for name in split(path):
        found = child(found, name) if isinstance(found, pygit2.Tree) else None
    return None if found is None else str(found.id)


def child(folder: pygit2.Tree, name: str) -> pygit2.Object | None:
    """What is called `name` in the folder, None when nothing is."""
    if _is_utf8(name):
        return folder[name] if name in folder else None  # noqa: SIM401 - a Tree has no get
    wanted = blobs.raw(name)
    return next((item for item in folder if item.raw_name == wanted), None)


def edited(
    repository: pygit2.Repository, root: pygit2.Oid | None, changes: Mapping[str, bytes | None]
) -> pygit2.Oid:
    """Write the trees that `changes` lead to from the tree `root`; returns the new root.

    What is removed goes first. A file keeps whether it is executable; a symbolic link that plain
    content is written to becomes a file. Raises RepositoryError when a path would be file and
    folder at once.
    """
    parts = [(split(path), content) for path, content in changes.items()]
    for removing in (True, False):
        some = [change for change in parts if (change[1] is None) == removing]
        root = _edited(repository, root, some) if some else root
    return root or repository.TreeBuilder().write()


def _edited(
    repository: pygit2.Repository, tree: pygit2.Oid | None, changes: list[_Change]
) -> pygit2.Oid | None:
    """The folder after `changes`, which are all removals or none is; None when nothing is left in
    it, for git keeps no empty folders."""
    from pygit2.enums import FileMode

    folder = _Folder(repository, tree)
    for name, inner in _by_name(changes).items():
        mode, old = folder.get(name) or (None, None)
        here = [content for rest, content in inner if not rest]
        below = [(rest, content) for rest, content in inner if rest]
        if None in here:
            if old is not None:
                folder.remove(name)
        elif any(content is None for _, content in below) and mode != FileMode.TREE:
            continue  # nothing there to remove
        elif here and here[0] is not None and not below and mode != FileMode.TREE:
            folder.insert(name, *_blob(repository, here[0], mode))
        elif here or (below and mode not in {None, FileMode.TREE}):
            raise RepositoryError(
                f"{name!r} would be {_WHAT.get(mode or 0, 'a file')} and a folder as well",
                hint="remove the one that is there, or move it",
            )
        else:
            subfolder = _edited(repository, old, below)
            if subfolder is None:
                folder.remove(name)
            else:
                folder.insert(name, FileMode.TREE, subfolder)
    return folder.write()


_WHAT = {blobs.LINK: "a symbolic link", blobs.SUBMODULE: "a submodule"}


def _blob(repository: pygit2.Repository, content: bytes, old: int | None) -> tuple[int, pygit2.Oid]:
    import pygit2

    mode = blobs.mode_of(content)
    if mode == blobs.SUBMODULE:
        return mode, pygit2.Oid(hex=content.decode())
    if mode == blobs.ORDINARY and old == blobs.EXECUTABLE:
        mode = blobs.EXECUTABLE
    return mode, repository.create_blob(bytes(content))


class _Folder:
    """A tree under construction. libgit2's builder takes names in UTF-8 only, so the others are put
    into the raw tree it leaves: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects."""

    def __init__(self, repository: pygit2.Repository, tree: pygit2.Oid | None) -> None:
        self._repository, self._tree = repository, tree
        self._builder = repository.TreeBuilder(str(tree)) if tree else repository.TreeBuilder()
        self._others: dict[bytes, tuple[int, pygit2.Oid] | None] = {}

    def get(self, name: str) -> tuple[int, pygit2.Oid] | None:
        """Mode and id of what is called so."""
        if _is_utf8(name):
            found = self._builder.get(name)
            return None if found is None else (found.filemode, found.id)
        return self._raw(self._tree).get(blobs.raw(name)) if self._tree else None

    def insert(self, name: str, mode: int, oid: pygit2.Oid) -> None:
        if _is_utf8(name):
            self._builder.insert(name, oid, mode)
        else:
            self._others[blobs.raw(name)] = mode, oid

    def remove(self, name: str) -> None:
        if _is_utf8(name):
            self._builder.remove(name)
        else:
            self._others[blobs.raw(name)] = None

    def write(self) -> pygit2.Oid | None:
        """The id of the tree, None when it is empty."""
        written = self._builder.write() if len(self._builder) else None
        if not self._others:
            return written
        entries = {**(self._raw(written) if written else {}), **self._others}
        there = {name: entry for name, entry in entries.items() if entry is not None}
        data = b"".join(
            b"%o %s\0%s" % (mode, name, oid.raw)
            for name, (mode, oid) in sorted(there.items(), key=_git_order)
        )
        return self._repository.write(_TREE_OBJECT, data) if there else None

    def _raw(self, tree: pygit2.Oid) -> dict[bytes, tuple[int, pygit2.Oid]]:
        return dict(_entries(self._repository.read(tree)[1], len(tree.raw)))


_TREE_OBJECT = 2  # GIT_OBJECT_TREE


def _entries(data: bytes, length: int) -> Iterator[tuple[bytes, tuple[int, pygit2.Oid]]]:
    import pygit2

    at = 0
    while at < len(data):
        blank, end = data.index(b" ", at), data.index(b"\0", at)
        at_next = end + 1 + length
        oid = pygit2.Oid(raw=data[end + 1 : at_next])
        yield data[blank + 1 : end], (int(data[at:blank], 8), oid)
        at = at_next


def _git_order(entry: tuple[bytes, tuple[int, pygit2.Oid]]) -> bytes:
    """Git sorts a folder as if its name ended in a slash."""
    name, (mode, _) = entry
    return name + (b"/" if mode == 0o040000 else b"")


def _is_utf8(name: str) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for letter in name)


def _by_name(changes: Iterable[_Change]) -> dict[str, list[_Change]]:
    grouped: dict[str, list[_Change]] = {}
    for parts, content in changes:
        if not parts:
            raise RepositoryError("a change of the whole tree needs the paths below it")
        grouped.setdefault(parts[0], []).append((parts[1:], content))
    return grouped
