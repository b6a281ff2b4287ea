"""Main's history to names: who moved a deployment's `model/` since it was last as we know it.

History is read for names only; whether somebody moved it is told by its content.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_bridge.desired.rollout import MODEL, Touch
from gitops_bridge.git import Commit, Repository
from gitops_bridge.rollout.state import content

_UNNAMED = "somebody"


def movers(repository: Repository, head: str, home: str, unmoved: str | None) -> tuple[Touch, ...]:
    """The commits up to `head` that moved `model/` in `home` away from meaning `unmoved`, newest
    first; never empty.

    A decision made in a merge commit is found by the merge. After a forced push what was delivered
    is no longer there at all: then nobody can be named but for the newest commit.
    """
    found: list[Touch] = []
    for commit in touches(repository, head, f"{home}/model"):
        if content(repository.at(commit.id).files(home)) == unmoved:
            if found:
                return tuple(found)
            merge = _merge(repository, commit.id, head, home, unmoved)
            return (_touch(merge),) if merge else (Touch(head, _UNNAMED),)
        found.append(_touch(commit))
    if unmoved is None and found:  # there was nothing before the oldest of them
        return tuple(found)
    return (Touch(head, _UNNAMED),)


def _merge(
    repository: Repository, since: str, head: str, home: str, unmoved: str | None
) -> Commit | None:
    """The oldest merge after the commit `since` that does not have what that had."""
    for commit in repository.merges(since, head):
        if content(repository.at(commit.id).files(home)) != unmoved:
            return commit
    return None


def _touch(commit: Commit) -> Touch:
    return Touch(commit.id, commit.author.name)


def touches(repository: Repository, commit: str, path: str) -> Iterator[Commit]:
    """The commits that touched `path` on any line of history, newest first. Asked for in growing
    portions, because the newest one mostly tells all."""
    told = 0
    for portion in (1, 16, None):
        found = repository.log(commit, path, limit=portion, full=True)
        yield from found[told:]
        if portion is None or len(found) < portion:
            return
        told = len(found)


def left_behind(repository: Repository, commit: str, home: str) -> dict[str, bytes] | None:
    """People's files as they stood before the folder was removed."""
    for touch in repository.log(commit, home, limit=1):
        for parent in touch.parents:
            files = repository.at(parent).files(home)
            if files:
                return {
                    path: content for path, content in files.items() if not path.startswith(MODEL)
                }
    return None
