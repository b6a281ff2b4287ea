"""Group commit: waiting intents become commits, one each, and go out in one push.

Whoever holds the mirror's lock leads: it answers for all that wait. What the leader does is safe to
be cut off anywhere, because only the server's acceptance makes a commit count, and because each
push is written down beside the intents before it begins: a commit found in its branch by whoever
leads next was delivered, and is not made twice.

Everything in a push arrives in one transaction of the server. Servers without transactions of
several branches get one branch after the other, each by compare-and-swap, up to the first that is
refused: first the `ref_updates` that create or move a branch, then the edits' prerequisites in the
order in which they stand, then the edit's own branch, last the `ref_updates` that delete a branch.
So an edit's own branch never says that something has happened which has not, and nothing is cleared
away that is still needed. After a cut the next intent finds the first branches moved, its guards do
not hold, and it is planned again on what is there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from gitops_bridge.errors import BridgeError, StaleBase
from gitops_bridge.git import failures, queue
from gitops_bridge.git.commits import CommitWriter, Update
from gitops_bridge.git.drafting import Batch
from gitops_bridge.git.mirror import Mirror
from gitops_bridge.git.network import End, Patience, Result
from gitops_bridge.git.queue import Intent, Reply, Ticket, Waiting
from gitops_bridge.git.remote import where

if TYPE_CHECKING:
    import pygit2

MAX_REJECTIONS = 5
"""So many refusals of one branch at one head are no race, whatever the server calls them."""


class Delivery:
    def __init__(self, mirror: Mirror, writer: CommitWriter) -> None:
        self._mirror = mirror
        self._writer = writer
        self._folder = mirror.folder / "queue"
        self.atomic = True

    @property
    def queued(self) -> int:
        """The intents that wait; one whose owner has died counts until somebody leads again."""
        return sum(1 for _ in self._folder.glob("*.intent"))

    def submit(self, intent: Intent) -> Reply:
        """Queue `intent`, lead when nobody else does, and give the reply once there is one.

        Raises RepositoryError when there is none in the caller's time or the queue cannot be
        written. What was under way by then may still arrive.
        """
        intent = replace(intent, edit=intent.edit.below(self._mirror.root))
        try:
            with queue.submitted(self._folder, intent) as ticket:
                with self._mirror.lock(unless=ticket.answered):
                    if not ticket.answered():
                        self._lead(ticket)
                return ticket.reply()
        except OSError as error:
            raise failures.local(error, where(self._mirror.remote)) from error

    def _lead(self, own: Ticket) -> None:
        """Answer all that wait. A leader whose own time is over leaves the others to the next."""
        waiting = queue.waiting(self._folder)
        try:
            self._mirror.healing(lambda: self._settle(waiting))
        except BridgeError as problem:
            if self._mirror.budget.left() > 0:
                for item in _open(waiting):
                    item.answer(Reply(problem=problem))
            elif not own.answered():
                raise

    def _settle(self, waiting: list[Waiting]) -> None:
        """Answer every item; those left unanswered when this raises share the problem."""
        budget, seconds = self._mirror.budget, self._mirror.remote.timeout
        races = Patience(budget, tries=20, seconds=seconds, first=0.01)
        faults = Patience(budget, tries=4, seconds=seconds, first=0.2)
        rejections: Counter[tuple[str, str]] = Counter()
        undeletable: set[str] = set()
        one_by_one = False
        while items := _open(waiting)[: 1 if one_by_one else None]:
            repository = self._mirror.open()
            batch = Batch(repository, self._mirror.head, self._writer)
            for item in items:
                batch.add(item)
            updates = [update for update in batch.updates if update.branch not in undeletable]
            results = self._push(repository, batch, updates)
            self._remember(repository, updates, results)
            failed = {name: it for name, it in results.items() if it.end is not End.ACCEPTED}
            if not failed:
                for item, reply in batch.replies:
                    item.answer(reply)
                self._mirror.news(sum(len(reply.commits) for _, reply in batch.replies))
                continue
            for update in updates:
                result = failed.get(update.branch)
                if result and result.end is End.MOVED and result.problem:
                    rejections[update.branch, update.old] += 1
                    if rejections[update.branch, update.old] > MAX_REJECTIONS:
                        failed[update.branch] = Result(End.DECLINED, result.problem)
            declined = [name for name, result in failed.items() if result.end is End.DECLINED]
            deletions = {it.branch for it in updates if not it.new and it.branch in declined}
            if declined and len(items) > 1:
                one_by_one = True  # so that one bad commit fails its own action only
            elif deletions and batch.replies[0][1].commits:
                undeletable |= deletions  # what arrives counts more than what is cleared away
            elif declined:
                items[0].answer(Reply(problem=failed[declined[0]].problem))
            else:
                unknown = [it.problem for it in failed.values() if it.end is End.UNKNOWN]
                if unknown and unknown[0]:
                    faults.wait(unknown[0])
                else:
                    races.wait(contention_error(", ".join(failed)))
                self._mirror.refresh()

    def _push(
        self, repository: pygit2.Repository, batch: Batch, updates: list[Update]
    ) -> dict[str, Result]:
        """What became of each branch; nothing is sent when none is to change."""
        if all(update.old == update.new for update in updates):
            return {}
        for item, reply in batch.replies:
            if reply.commits:
                item.attempt(reply.commits)
        results = self._mirror.push(repository, updates, atomic=len(updates) > 1)
        if any(result.end is End.ATOMIC_UNSUPPORTED for result in results.values()):
            self.atomic = False
            results = self._push_in_order(repository, batch, updates)
        return results

    def _push_in_order(
        self, repository: pygit2.Repository, batch: Batch, updates: list[Update]
    ) -> dict[str, Result]:
        self._mirror.refresh()  # what was deleted meanwhile must stop what comes before it
        moved = [it.branch for it in updates if self._mirror.head(it.branch) != it.old]
        if moved:
            return dict.fromkeys(moved, Result(End.MOVED))
        edited = _in_order(batch.sequences)

        def place(update: Update) -> int:
            if update.branch in edited:
                return edited.index(update.branch)
            return -1 if update.new else len(edited)

        results = {update.branch: Result(End.ABORTED) for update in updates}
        for update in sorted(updates, key=place):
            results |= self._mirror.push(repository, [update])
            if results[update.branch].end is not End.ACCEPTED:
                break
        return results

    def _remember(
        self, repository: pygit2.Repository, updates: list[Update], results: dict[str, Result]
    ) -> None:
        for update in updates:
            if update.branch in results and results[update.branch].end is End.ACCEPTED:
                self._mirror.saw(repository, update.branch, update.new)


def _in_order(sequences: list[list[str]]) -> list[str]:
    """The branches of all sequences, each after those that stand before it."""
    sorter = TopologicalSorter[str]()
    for sequence in sequences:
        for number, branch in enumerate(sequence):
            sorter.add(branch, *sequence[:number])
    try:
        return list(sorter.static_order())
    except CycleError:  # two intents want opposite orders: neither loses more than its own
        return list(dict.fromkeys(branch for sequence in sequences for branch in sequence))


def _open(waiting: list[Waiting]) -> list[Waiting]:
    return [item for item in waiting if not item.answered]


def contention_error(branch: str) -> StaleBase:
    return StaleBase(f"branch {branch!r} keeps moving", hint="try again later", retry=True)
