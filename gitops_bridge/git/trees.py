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
    if root is None or not path:
        return None if root is None else str(root.id)
    return str(root[path].id) if path in root else None


def edited(
    repository: pygit2.Repository, root: pygit2.Oid | None, changes: Mapping[str, bytes | None]
) -> pygit2.Oid:
    """Write the trees that `changes` lead to from the tree `root`; returns the new root.

    Raises RepositoryError when a change needs a folder where a file is, or the other way round.
    """
    parts = [(split(path), content) for path, content in changes.items()]
    return _edited(repository, root, parts) or repository.TreeBuilder().write()


def _edited(
    repository: pygit2.Repository, tree: pygit2.Oid | None, changes: list[_Change]
) -> pygit2.Oid | None:
    """The folder after `changes`; None when nothing is left in it, for git keeps no empty ones."""
    import pygit2
    from pygit2.enums import FileMode

    builder = repository.TreeBuilder(str(tree)) if tree else repository.TreeBuilder()
    for name, inner in _by_name(changes).items():
        here = [content for rest, content in inner if not rest]
        below = [(rest, content) for rest, content in inner if rest]
        old: pygit2.Object | None = builder.get(name)
        if None in here and old is not None:
            builder.remove(name)
            old = None
        for content in here:
            if content is not None:
                if below or isinstance(old, pygit2.Tree):
                    raise RepositoryError(f"{name!r} is a folder and cannot become a file as well")
                mode = FileMode.BLOB if old is None else FileMode(old.filemode)
                builder.insert(name, repository.create_blob(content), mode)
        if below and None not in here and old is not None and not isinstance(old, pygit2.Tree):
            raise RepositoryError(f"{name!r} is a file and cannot become a folder as well")
        if below:
            folder = _edited(repository, old.id if old is not None else None, below)
            if folder is not None:
                builder.insert(name, folder, FileMode.TREE)
            elif old is not None:
                builder.remove(name)
    return builder.write() if len(builder) else None


def _by_name(changes: Iterable[_Change]) -> dict[str, list[_Change]]:
    grouped: dict[str, list[_Change]] = {}
    for parts, content in changes:
        if not parts:
            raise RepositoryError("a change of the whole tree needs the paths below it")
        grouped.setdefault(parts[0], []).append((parts[1:], content))
    return grouped
