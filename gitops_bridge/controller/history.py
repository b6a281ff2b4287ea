"""A deployment's commits on main and its transitions on `rollouts`, to one story, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitops_bridge.controller import movers
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.observing import Target, stand
from gitops_bridge.desired.deployment_history import HistoryEntry, classify_commits
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import OverlayFiles
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import Commit
from gitops_bridge.rollout import audit, state_file
from gitops_bridge.rollout.state import content

_ON_MAIN = frozenset({"delivered", "merged", "rolled back"})  # events that main tells itself


@dataclass(frozen=True)
class Entry:
    """One line of a deployment's history; `time` is in seconds since the epoch.

    commit    of main or, for an `event` that left main as it was, of the branch `rollouts`
    author    who committed it or, for an event, who caused it
    record    what main's `model/` said then
    ours      whether the bridge did it for DataRobot; a person's decision is not
    """

    commit: str
    time: int
    author: str
    subject: str
    record: Record | None
    ours: bool
    event: str = ""
    reason: str = ""
    url: str = ""


def history(ctx: Context, target: Target) -> list[Entry]:
    """What changed what a deployment runs, and what was asked, proposed, rejected or held."""
    found = stand(ctx, target)
    committed = list(entries(ctx, found.main.commit, target.home))
    held = {_content(ctx, entry.commit, target.home) for entry in committed}
    told = list(_events(ctx, found.rollouts.commit, target, held))
    if found.content != found.state.delivered:
        told += _unseen_moves(ctx, found.main.commit, target, found.state.delivered, committed)
    return sorted([*committed, *told], key=lambda entry: entry.time, reverse=True)


def entries(ctx: Context, commit: str, home: str) -> Iterator[Entry]:
    """The commits up to `commit` that changed `model/` in the folder `home`, newest first."""
    repository = ctx.repository
    touches = list(movers.touches(repository, commit, f"{home}/model"))
    looks = [look(ctx, touch, home) for touch in touches]
    deployment = home.rpartition("/")[2]
    for index, (touch, left) in enumerate(zip(touches, looks, strict=True)):
        story = classify_commits(looks[index:], deployment)
        yield Entry(
            commit=touch.id,
            time=touch.time,
            author=touch.author.name,
            subject=touch.message.split("\n", 1)[0],
            record=left.record,
            ours=story.last is not None and story.last.commit == touch.id,
        )


def look(ctx: Context, touch: Commit, home: str) -> HistoryEntry:
    record = OverlayFiles(ctx.repository.at(touch.id).files(home)).record()
    own = touch.committer == ctx.repository.committer
    return HistoryEntry(touch.id, touch.author.name, touch.trailers, record, own=own)


def _events(ctx: Context, head: str, target: Target, on_main: set[str | None]) -> Iterator[Entry]:
    """The transitions that main does not show: also a delivery that a forced push has removed."""
    if not head:
        return
    for commit in ctx.repository.log(head, target.state_path, full=True):
        entry = audit.entry(commit.message)
        if entry is None or not entry.event:
            continue
        if entry.event in _ON_MAIN and _delivered(ctx, commit, target) in on_main:
            continue
        author = entry.by.name if entry.by else commit.author.name
        yield Entry(
            commit.id, commit.time, author, entry.title, None, entry.by is None,
            entry.event, entry.reason, entry.pull_request,
        )  # fmt: skip


def _delivered(ctx: Context, commit: Commit, target: Target) -> str | None:
    text = ctx.repository.at(commit.id).read(target.state_path)
    try:
        return state_file.read(text, target.state_path).delivered if text else None
    except BridgeError:
        return None


def _unseen_moves(
    ctx: Context, head: str, target: Target, delivered: str | None, told: list[Entry]
) -> Iterator[Entry]:
    """What moved main without a commit of its own that touched the folder: a merge that took the
    other side, or a forced push."""
    known = {entry.commit for entry in told}
    for touch in movers.movers(ctx.repository, head, target.home, delivered):
        if touch.commit in known:
            continue
        commit = ctx.repository.commit_of(touch.commit)
        record = OverlayFiles(ctx.repository.at(commit.id).files(target.home)).record()
        subject = commit.message.split("\n", 1)[0]
        yield Entry(commit.id, commit.time, touch.author, subject, record, False, "moved")


def _content(ctx: Context, commit: str, home: str) -> str | None:
    return content(ctx.repository.at(commit).files(home))
