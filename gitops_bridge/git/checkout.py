"""A checkout on this machine, as a team's CI has it, to what it removes since a revision and to its
symbolic links.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_bridge import blobs
from gitops_bridge.errors import RepositoryError
from gitops_bridge.git.trees import inside

if TYPE_CHECKING:
    import pygit2


def links(folder: Path) -> dict[str, str]:
    """The symbolic links in the last commit of the checkout at `folder`, by their path from its
    top, with what they name; none where there is no checkout."""
    import pygit2

    try:
        repository = pygit2.Repository(str(folder))
        return dict(_links(repository.revparse_single("HEAD").peel(pygit2.Tree), ""))
    except (KeyError, pygit2.GitError):
        return {}


def _links(folder: pygit2.Tree, prefix: str) -> Iterator[tuple[str, str]]:
    import pygit2

    for item in folder:
        path = f"{prefix}{blobs.text(item.raw_name or b'')}"
        if isinstance(item, pygit2.Tree):
            yield from _links(item, f"{path}/")
        elif isinstance(item, pygit2.Blob) and item.filemode == blobs.LINK:
            yield path, blobs.text(item.data)


def removed(folder: Path, since: str) -> list[str]:
    """The files that `since` holds below `folder`, a folder of a checkout, and the work tree there
    does not, by their path from `folder`.

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
    top = Path(repository.workdir)
    place = folder.resolve().relative_to(top.resolve()).as_posix()
    paths = inside(
        "" if place == "." else place,
        (delta.old_file.path for delta in tree.diff_to_workdir().deltas),
    )
    return [path for path in paths if not (folder / path).exists()]
