"""The team's repository as gitops-bridge sees it: snapshots, deliveries, history, proposals.

It knows folders, files and commits, nothing of DataRobot. One
object may be kept for long and shared by threads, and any number of processes may share a cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gitops_bridge.errors import BridgeError, RepositoryError, StaleBase
from gitops_bridge.git import commits, history, network, trees
from gitops_bridge.git.commits import (
    Commit,
    CommitWriter,
    Delivered,
    Edit,
    Sign,
    Signature,
    Update,
)
from gitops_bridge.git.delivery import Delivery, contention_error
from gitops_bridge.git.mirror import Mirror
from gitops_bridge.git.network import End, Patience
from gitops_bridge.git.queue import Intent, Reply
from gitops_bridge.git.remote import Remote, where
from gitops_bridge.git.snapshot import Snapshot
from gitops_bridge.git.tree_reader import TreeReader

if TYPE_CHECKING:
    import pygit2

T = TypeVar("T")


class Repository:
    """`cache` is the folder of all mirrors; `clock` gives seconds since the epoch; `root` is the
    folder that all paths are relative to, on every branch: what lies elsewhere is never seen.

    Everything here raises RepositoryError with a cure: `retry` says whether waiting helps.
    """

    def __init__(
        self,
        remote: Remote,
        cache: Path,
        *,
        clock: Callable[[], float],
        committer: Signature,
        sign: Sign | None = None,
        root: str = "",
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._mirror = Mirror(remote, cache, log, root)
        self.committer = committer
        self._writer = CommitWriter(committer, clock, sign)
        self._delivery = Delivery(self._mirror, self._writer)
        self._indexes: dict[str, tuple[str, dict[str, list[str]]]] = {}

    def limited(self, left: Callable[[], float]) -> AbstractContextManager[None]:
        """Within the block whatever this thread asks of the repository ends when `left()` seconds
        have passed, with a RepositoryError: git, the wait for another process, and all tries."""
        return self._mirror.budget.limited(left)

    def left(self) -> float:
        """Seconds that the block around this has left; infinite outside one."""
        return self._mirror.budget.left()

    # -- reading

    def fetch(self) -> None:
        """See the remote as it is now."""
        self._mirror.fetch()

    def snapshot(self, branch: str, *, fetch: bool, max_age: float = 0.0) -> Snapshot:
        """The head of `branch`: as last seen or, with `fetch`, as it was at most `max_age` seconds
        ago."""
        return Snapshot(self._mirror, self._head(branch, fetch=fetch, max_age=max_age), branch)

    def last_seen(self, branch: str) -> Snapshot:
        """The head of `branch` as the mirror has last seen it; empty when it was not there."""
        return Snapshot(self._mirror, self._mirror.head(branch), branch)

    def tree_reader(self, branch: str, *, fetch: bool, max_age: float = 0.0) -> TreeReader:
        """As `snapshot`, for those who only report."""
        return TreeReader(self._mirror, self._head(branch, fetch=fetch, max_age=max_age))

    def reader_of(self, commit_id: str) -> TreeReader:
        """As `tree_reader`, of any commit."""
        return TreeReader(self._mirror, commit_id)

    def reader_of_last_seen(self, branch: str) -> TreeReader | None:
        """As `tree_reader`, of a branch that may be missing."""
        head = self._mirror.head(branch)
        return TreeReader(self._mirror, head) if head else None

    def _head(self, branch: str, *, fetch: bool, create: bool = False, max_age: float = 0.0) -> str:
        for look, age in ((fetch, max_age), (True, 0.0)):
            if look:
                self._mirror.fetch(age)
            head = self._mirror.head(branch)
            if head or (look and create):
                return head
        raise self._missing(branch)

    def _snapshot(self, branch: str, *, fetch: bool, create: bool) -> Snapshot:
        return Snapshot(self._mirror, self._head(branch, fetch=fetch, create=create), branch)

    def _missing(self, branch: str) -> RepositoryError:
        address, others = where(self._mirror.remote), list(self._mirror.heads(""))
        if not others:
            return RepositoryError(
                f"{address} is empty: it has no branch yet", hint="run `gitops-bridge init` first"
            )
        default = self.default_branch()
        has = f"it has {', '.join(others[:5])}{'…' if len(others) > 5 else ''}"
        return RepositoryError(
            f"{address} has no branch {branch!r}",
            hint=f"{has}; if it was renamed, name the new one in gitops-bridge.yaml and in argocd/"
            + (f" ({default} is the default branch now)" if default in others else ""),
        )

    def at(self, commit_id: str) -> Snapshot:
        """The tree of any commit in the mirror."""
        return Snapshot(self._mirror, self.commit_of(commit_id).id)

    def commit_of(self, commit_id: str) -> Commit:
        """The commit of that id; the remote is asked when it is not in the mirror."""
        for _ in range(2):
            if self._mirror.reading(lambda found: commits.exists(found, commit_id)):
                return self._mirror.reading(lambda found: commits.read(found, commit_id))
            self._mirror.fetch()
        raise RepositoryError(
            f"{where(self._mirror.remote)} has no commit {commit_id!r}",
            hint="it was perhaps removed by a forced push",
        )

    def resolve(self, revision: str, within: str) -> str | None:
        """The id of the commit that `revision`, an id or the start of one, names among the
        ancestors of commit `within`; None when there is none or more than one."""

        def work(repository: pygit2.Repository) -> str | None:
            import pygit2

            if not re.fullmatch(r"[0-9a-f]{4,40}", revision):
                return None
            try:
                found = repository[revision]
            except (KeyError, ValueError):
                return None
            name = str(found.id)
            if not isinstance(found, pygit2.Commit):
                return None
            inside = name == within or repository.descendant_of(within, name)
            return name if inside else None

        return self._mirror.reading(work)

    def log(
        self, commit_id: str, path: str = "", limit: int | None = None, *, full: bool = False
    ) -> list[Commit]:
        """The commits up to `commit_id` that touched `path`, newest first, at most `limit`; with
        `full` also those whose work a merge has dropped."""
        with self.asking_log(commit_id, path, limit, full=full) as found:
            return found()

    def asking_log(
        self, commit_id: str, path: str = "", limit: int | None = None, *, full: bool = False
    ) -> AbstractContextManager[Callable[[], list[Commit]]]:
        """As `log`; git looks while the block does something else, and is waited for when asked."""
        known = self._indexes.get(commit_id) if full else None
        if known and (not known[0] or path.startswith(f"{known[0]}/")):
            names = known[1].get(path, [])[:limit]
            return nullcontext(lambda: [self.commit_of(name) for name in names])
        return history.asked(self._mirror, self.commit_of(commit_id).id, path, limit, full=full)

    def index_log(self, commit_id: str, path: str) -> None:
        """Go through the history up to a commit once, so that `log`, with `full`, of whatever lies
        below `path` costs nothing from then on."""
        found = history.index(self._mirror, self.commit_of(commit_id).id, path)
        self._indexes[commit_id] = (path, found)

    def patches(self, commit_id: str, path: str) -> Iterator[tuple[str, str, str]]:
        """Each commit up to a commit that changed files below `path`: its id, a file, and how that
        differs from the first parent's, as a unified diff. Newest first."""
        return history.patches(self._mirror, self.commit_of(commit_id).id, path)

    def touched(self, commit_id: str, path: str) -> set[str]:
        """Every path below `path` that any commit up to `commit_id` touched."""
        return history.touched(self._mirror, self.commit_of(commit_id).id, path)

    def recent(self, commit_id: str, *, commits: int) -> list[tuple[str, int]]:
        """The paths that the last so many commits touched, newest first, each once, with the time
        of its newest commit, in seconds since the epoch."""
        return history.recent(self._mirror, commit_id, commits) if commit_id else []

    def newest_touches(self, commit_id: str, path: str) -> dict[str, Commit]:
        """The newest commit that touched each folder in the folder `path`, by the folder's name."""
        return history.newest_touches(self._mirror, self.commit_of(commit_id).id, path)

    def merges(self, since: str, commit_id: str) -> list[Commit]:
        """The merges between two commits through which the older one came in, oldest first."""
        return history.merges(self._mirror, since, self.commit_of(commit_id).id)

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that both have in their history."""

        def work(repository: pygit2.Repository) -> str | None:
            found = repository.merge_base(one, other)
            return str(found) if found else None

        return self._mirror.reading(work)

    def differences(self, before: str, after: str) -> list[str]:
        """The paths in which two commits differ."""
        return history.differences(self._mirror, before, after)

    def changed(self, commit_id: str) -> list[str]:
        """The paths in which a commit differs from its first parent."""
        return history.changed(self._mirror, self.commit_of(commit_id).id)

    def default_branch(self) -> str | None:
        """The branch that the remote names as its own; None where it names none."""
        return network.default_branch(self._mirror.git, self._mirror.path)

    def branch(self, name: str) -> str | None:
        """The commit that a branch was last seen at, None when it was not there."""
        return self._mirror.head(name) or None

    def branches(self, prefix: str = "", *, fetch: bool) -> dict[str, str]:
        """The branches that start with `prefix`, with the ids of their commits."""
        if fetch:
            self._mirror.fetch()
        return self._mirror.heads(prefix)

    # -- delivering to branches that others use too

    @property
    def atomic(self) -> bool:
        """Whether the server moves several branches in one transaction, as far as is known."""
        return self._delivery.atomic

    @property
    def queued(self) -> int:
        """How many edits of processes on this machine wait to be pushed."""
        return self._delivery.queued

    def submit(self, branch: str, edit: Edit) -> Delivered | None:
        """Commit `edit` on `branch` with its prerequisites and ref updates, and push all of it with
        whatever else is waiting. None when its guards do not hold any more: nothing has changed
        then, and the mirror has seen the branches as they are.

        Raises PushRejected when the server declines, StaleBase when a branch never holds still.
        """
        reply = self._reply(branch, edit)
        return None if reply.stale else self._delivered(branch, reply)

    def deliver(
        self, branch: str, plan: Callable[[Snapshot], Edit | T], *, create: bool = False
    ) -> Delivered | T | None:
        """Plan on the branch as it was last seen, and submit what comes out.

        An Edit is based on the snapshot it was planned from. Where its guards no longer hold,
        `plan` is called again; None when it changes nothing. Any other answer of `plan`, also a
        BridgeError, is given only when it was made from the branch as it is now. With `create` the
        branch may be missing: `plan` then sees a Snapshot without a commit.
        Raises PushRejected when the server declines, StaleBase when the branch never holds still.
        """
        mirror = self._mirror
        patience = Patience(mirror.budget, tries=20, seconds=mirror.remote.timeout, first=0.005)
        snapshot, fresh = self._snapshot(branch, fetch=False, create=create), False
        while True:
            answer = _answer(plan, snapshot)
            outcome: T | BridgeError | None = None
            if isinstance(answer, Edit):
                reply = self._reply(branch, replace(answer, base=snapshot.commit))
                if reply.commits:
                    return self._delivered(branch, reply)
                if reply.stale:
                    patience.wait(contention_error(branch))
                    snapshot, fresh = self._snapshot(branch, fetch=False, create=create), False
                    continue
            else:
                outcome = answer
            if not fresh:
                before, fresh = snapshot.commit, True
                snapshot = self._snapshot(branch, fetch=True, create=create)
                if snapshot.commit != before:
                    continue
            if isinstance(outcome, BridgeError):
                raise outcome
            return outcome

    def _reply(self, branch: str, edit: Edit) -> Reply:
        reply = self._delivery.submit(Intent(branch, edit))
        if reply.problem:
            raise reply.problem
        return reply

    def _delivered(self, branch: str, reply: Reply) -> Delivered:
        return Delivered(branch, {name: self.commit_of(at) for name, at in reply.commits.items()})

    def rehearse(self, branch: str) -> None:
        """Ask the server to be let in to write `branch`, and write nothing.

        Raises RepositoryError when it does not; its hooks and branch rules are not asked.
        """
        mirror = self._mirror

        def work() -> None:
            head = mirror.head(branch)
            if not head:
                raise self._missing(branch)
            update = Update(branch, head, head)
            result = network.push(mirror.git, mirror.path, [update], rehearsal=True)[branch]
            if result.problem and result.end is not End.MOVED:
                raise result.problem

        mirror.healing(work)

    # -- branches that are ours alone

    def commit(self, parent: Snapshot | None, edit: Edit) -> Commit:
        """Write a commit that no branch holds yet, for `replace_branch`; guards are not asked."""

        def work(repository: pygit2.Repository) -> Commit:
            below = parent.commit if parent else ""
            root = commits.commit(repository, below).tree.id if below else None
            tree = trees.edited(repository, root, edit.below(self._mirror.root).changes)
            name = self._writer.write(repository, tree=tree, parent=below, edit=edit)
            return commits.read(repository, name)

        return self._mirror.reading(work)

    def append(self, branch: str, message: str, author: Signature) -> None:
        """Push a commit to `branch` that changes nothing. Raises StaleBase when it has moved."""
        head = self._mirror.head(branch)
        commit = self.commit(self.at(head), Edit({}, {}, message, author))
        self.replace_branch(branch, commit, head)

    def replace_branch(self, branch: str, commit: Commit, expected: str | None) -> None:
        """Move `branch` to `commit` if it is still at `expected`; None = it is not there yet.

        Raises StaleBase when it is elsewhere. Done already is done.
        """
        self._swap(branch, commit.id, expected or "")

    def delete_branch(self, branch: str, expected: str) -> None:
        """Delete `branch` if it is still at `expected`. Raises StaleBase when it is elsewhere."""
        self._swap(branch, "", expected)

    def _swap(self, branch: str, new: str, expected: str) -> None:
        mirror = self._mirror
        patience = Patience(mirror.budget, tries=4, seconds=mirror.remote.timeout, first=0.2)

        def work() -> None:
            repository = mirror.open()
            if new and not commits.exists(repository, new):
                raise RepositoryError(
                    f"commit {new} is no longer in the mirror", hint="plan again", retry=True
                )
            while True:
                result = mirror.push(repository, [Update(branch, expected, new)])
                end, problem = result[branch].end, result[branch].problem
                if end is End.ACCEPTED:
                    return mirror.saw(repository, branch, new)
                mirror.refresh()
                head = mirror.head(branch)
                if head == new:
                    return None
                if head != expected:
                    raise StaleBase(f"branch {branch!r} moved to {head or 'nothing'}", retry=True)
                if end is End.DECLINED or problem is None:
                    raise problem or contention_error(branch)
                patience.wait(problem)

        mirror.healing(work)

    # -- upkeep

    def maintain(self) -> None:
        """Keep the mirror fast: for moments when nobody waits. Returns at once if it is not due."""
        self._mirror.maintain()


def _answer(plan: Callable[[Snapshot], Edit | T], snapshot: Snapshot) -> Edit | T | BridgeError:
    try:
        return plan(snapshot)
    except BridgeError as problem:
        return problem
