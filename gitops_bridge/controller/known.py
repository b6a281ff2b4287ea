"""A deployment's folder and its history to what `decide` must know of it; `rollouts` asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from gitops_bridge.controller import notes
from gitops_bridge.controller.notes import Note
from gitops_bridge.desired import record as records
from gitops_bridge.desired.history import Seen, told
from gitops_bridge.desired.messages import ACTION
from gitops_bridge.desired.rollout import MODEL, RECORD, Known, Touch
from gitops_bridge.errors import RenderError
from gitops_bridge.git import Commit, Repository, Snapshot


def folder(environment: str, deployment: str) -> str:
    return f"overlays/{environment}/{deployment}"


Newest = Callable[[], list[Commit]]
"""Gives the newest commit that touched a path, in a list that is empty when none did."""


def known(
    repository: Repository,
    snapshot: Snapshot,
    home: str,
    deployment: str,
    newest: Newest | None = None,
) -> Known:
    """The deployment in `home` as the snapshot and the history before it tell; `newest` when
    `asking_newest` has gone ahead."""
    files = snapshot.files(home)
    story = told(seen(repository, snapshot.commit, home, newest), deployment)
    remembered = None if files else _left_behind(repository, snapshot.commit, home)
    answered = _answered(repository, home, story.last) if story.last else None
    return Known(
        files, story.last, story.moved, remembered, story.rollouts, answered=answered,
        earlier=story.moves[1:],
    )  # fmt: skip


def _answered(repository: Repository, home: str, last: Touch) -> Touch | None:
    """The action that `heard` has noted, at the commit that answered it; none when `last` was
    delivered only after it."""
    _, environment, deployment = home.split("/")
    noted = notes.find(repository, Note.ANSWERED, environment, deployment)
    note = repository.commit_of(noted) if noted else None
    if note is None or not note.parents or not repository.resolve(last.commit, note.parents[0]):
        return None
    return Touch(note.parents[0], note.author.name, _record(repository, note, home))


def asking_newest(
    repository: Repository, snapshot: Snapshot, home: str
) -> AbstractContextManager[Newest]:
    """git looks for the newest commit that touched `model/` while the block does something else."""
    return repository.asking_log(snapshot.commit, f"{home}/model", limit=1)


def seen(
    repository: Repository, commit: str, home: str, newest: Newest | None = None
) -> Iterator[Seen]:
    """The commits that touched `model/` in `home`, newest first, with the record each left."""
    vouched = vouched_for(repository, commit, home)
    for touch in touches(repository, commit, f"{home}/model", newest):
        yield look(repository, touch, home, vouched)


def look(repository: Repository, touch: Commit, home: str, vouched: frozenset[str]) -> Seen:
    """A commit with the record it left in `home`; `vouched` are those known to be ours."""
    return Seen(
        touch.id,
        touch.author.name,
        touch.trailers,
        _record(repository, touch, home),
        vouched=touch.id in vouched,
        own=touch.committer == repository.committer,
    )


def vouched_for(repository: Repository, commit: str, home: str) -> frozenset[str]:
    """The commits up to `commit` that brought proposals of ours there, by our own notes: the one
    noted, and the first one after the base of what is under review that has its `model/`."""
    _, environment, deployment = home.split("/")
    noted = notes.find(repository, Note.DELIVERED, environment, deployment)
    found = {noted} if noted else set()
    proposed = notes.find(repository, Note.PROPOSED, environment, deployment)
    proposal = repository.commit_of(proposed) if proposed else None
    if proposal is None or ACTION not in proposal.trailers or not proposal.parents:
        return frozenset(found)
    wanted = repository.at(proposal.id).id(f"{home}/model")
    bringer = None
    for touch in touches(repository, commit, f"{home}/model"):
        if repository.resolve(touch.id, proposal.parents[0]):
            break
        if repository.at(touch.id).id(f"{home}/model") == wanted:
            bringer = touch.id
    return frozenset(found | ({bringer} if bringer else set()))


def touches(
    repository: Repository, commit: str, path: str, newest: Newest | None = None
) -> Iterator[Commit]:
    """The commits that touched `path`, newest first. Asked for in growing portions, because the
    newest one mostly tells all and the search for more may walk the whole history."""
    told = 0
    for portion in (1, 16, None):
        found = newest() if newest and not told else repository.log(commit, path, limit=portion)
        yield from found[told:]
        if portion is None or len(found) < portion:
            return
        told = len(found)


def _record(repository: Repository, touch: Commit, home: str) -> records.Record | None:
    content = repository.at(touch.id).read(f"{home}/{RECORD}")
    if content is None:
        return None
    try:
        return records.read(content, f"{home}/{RECORD}")
    except RenderError:
        return None  # a person's edit broke it: their commit counts, its record does not


def _left_behind(repository: Repository, commit: str, home: str) -> dict[str, bytes] | None:
    """People's files as they stood before the folder was removed."""
    for touch in repository.log(commit, home, limit=1):
        for parent in touch.parents:
            files = repository.at(parent).files(home)
            if files:
                return {
                    path: content for path, content in files.items() if not path.startswith(MODEL)
                }
    return None
