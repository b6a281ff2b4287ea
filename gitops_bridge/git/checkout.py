"""A checkout on this machine, as a team's CI has it, to what it removes since a revision;
`bridge.checks` asks.
"""

from __future__ import annotations

from pathlib import Path

from gitops_bridge.errors import RepositoryError


def removed(folder: Path, since: str) -> list[str]:
    """The files that `since` holds and the work tree at `folder`, the top of a checkout, does not.

    Raises RepositoryError when `folder` is no checkout or `since` names nothing in it.
    """
    import pygit2

    try:
        repository = pygit2.Repository(str(folder))
    except pygit2.GitError as error:
        raise RepositoryError(f"{folder} is no git checkout: {error}", hint="git clone") from None
    try:
        tree = repository.revparse_single(since).peel(pygit2.Tree)
    except (KeyError, ValueError, pygit2.GitError):
        raise RepositoryError(
            f"{since!r} names nothing in {folder}", hint="fetch it first: git fetch origin"
        ) from None
    paths = (delta.old_file.path for delta in tree.diff_to_workdir().deltas)
    return sorted(path for path in paths if not (folder / path).exists())
