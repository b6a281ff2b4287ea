"""Builds the tree an edit leads to, along the touched paths only.

The cost is depth times the entries of the folders passed through, whatever else the repository
holds. `delivery` and `repository` call `edited`; `snapshot` shares `split`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

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


def find(root: pygit2.Tree | None, path: str) -> str | None:
    """The id of the tree or blob at `path` below `root`, None when nothing is there."""
    import pygit2

    found: pygit2.Object | None = root
    for name in split(path):
        if not isinstance(found, pygit2.Tree) or name not in found:
            return None
        found = found[name]
    return None if found is None else str(found.id)


def edited(
    repository: pygit2.Repository, root: pygit2.Oid | None, changes: Mapping[str, bytes | None]
) -> pygit2.Oid:
    """Write the trees that `changes` lead to from the tree `root`; returns the new root.

    What is removed goes first. Raises RepositoryError when a path would be file and folder at once.
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
    import pygit2
    from pygit2.enums import FileMode

    builder = repository.TreeBuilder(str(tree)) if tree else repository.TreeBuilder()
    for name, inner in _by_name(changes).items():
        old: pygit2.Object | None = builder.get(name)
        is_folder = isinstance(old, pygit2.Tree)
        here = [content for rest, content in inner if not rest]
        below = [(rest, content) for rest, content in inner if rest]
        if None in here:
            if old is not None:
                builder.remove(name)
        elif any(content is None for _, content in below) and not is_folder:
            continue  # nothing there to remove
        elif (here and (below or is_folder)) or (below and old is not None and not is_folder):
            raise RepositoryError(f"{name!r} would be a file and a folder as well")
        elif here and here[0] is not None:
            mode = FileMode.BLOB if old is None else FileMode(old.filemode)
            builder.insert(name, repository.create_blob(here[0]), mode)
        else:
            folder = _edited(repository, old.id if old is not None else None, below)
            if folder is None:
                builder.remove(name)
            else:
                builder.insert(name, folder, FileMode.TREE)
    return builder.write() if len(builder) else None


def _by_name(changes: Iterable[_Change]) -> dict[str, list[_Change]]:
    grouped: dict[str, list[_Change]] = {}
    for parts, content in changes:
        if not parts:
            raise RepositoryError("a change of the whole tree needs the paths below it")
        grouped.setdefault(parts[0], []).append((parts[1:], content))
    return grouped
