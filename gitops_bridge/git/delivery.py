"""Group commit: waiting intents become commits, one each, and go out in one push.

`repository.deliver` submits an intent here and gets its reply. Whoever holds the mirror's lock
leads: it answers for all. What the leader does is safe to be cut off anywhere, because only the
server's acceptance makes a commit count, and because an intent that is found in the history since
it was planned is answered with that commit and not applied again, even if somebody has reverted it
since. What moves with commits goes in the same transaction of the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitops_bridge.errors import BridgeError, RepositoryError, StaleBase
from gitops_bridge.git import commits, failures, network, queue, trees
from gitops_bridge.git.commits import Scribe, Update
from gitops_bridge.git.mirror import Mirror
from gitops_bridge.git.network import End, Patience, Result
from gitops_bridge.git.queue import Intent, Reply, Waiting
from gitops_bridge.git.remote import where

if TYPE_CHECKING:
    import pygit2

_STUBBORN = 5
"""So many refusals of one branch at one head are no race, whatever the server calls them."""
STALE, NO_CHANGE = Reply(stale=True), Reply()


@dataclass
class Draft:
    """What intents become on one branch: commits from `head` to `tip`, one for each of `made`, what
    moves with them, by branch, and a reply for all of them."""

    branch: str
    head: str
    tip: str
    replies: list[tuple[Waiting, Reply]] = field(default_factory=list)
    made: list[Waiting] = field(default_factory=list)
    before: dict[str, Update] = field(default_factory=dict)
    along: dict[str, Update] = field(default_factory=dict)
    _since: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Commit -> the commits after it, by message."""

    @property
    def update(self) -> Update:
        return Update(self.branch, self.head, self.tip)

    @property
    def others(self) -> dict[str, Update]:
        return {**self.before, **self.along}

    def add(self, item: Waiting, commit: str) -> None:
        self.tip = commit
        self.made.append(item)
        self.before |= {update.branch: update for update in item.intent.edit.before}
        self.along |= {update.branch: update for update in item.intent.edit.along}
        for messages in self._since.values():
            messages.setdefault(commits.normal(item.intent.edit.message), []).append(commit)

    def twin(self, repository: pygit2.Repository, intent: Intent) -> str | None:
        """A commit since the intent was planned that has its message and its content."""
        if intent.base not in self._since:
            self._since[intent.base] = _messages(repository, intent.base, self.tip)
        for commit in self._since[intent.base].get(commits.normal(intent.edit.message), ()):
            tree = commits.commit(repository, commit).tree.id
            if trees.edited(repository, tree, intent.edit.changes) == tree:
                return commit
        return None


class Delivery:
    def __init__(self, mirror: Mirror, scribe: Scribe) -> None:
        self._mirror = mirror
        self._scribe = scribe
        self._folder = mirror.folder / "queue"

    def submit(self, intent: Intent) -> Reply:
        """Queue `intent`, lead when nobody else does, and give the reply once there is one.

        Raises RepositoryError when nobody answers for very long or the queue cannot be written.
        """
        try:
            with queue.submitted(self._folder, intent) as ticket:
                with self._mirror.lock(unless=ticket.answered):
                    if not ticket.answered():
                        self._lead()
                return ticket.reply()
        except OSError as error:
            raise failures.local(error, where(self._mirror.remote)) from error

    def _lead(self) -> None:
        waiting = queue.waiting(self._folder)
        try:
            self._mirror.healing(lambda: self._settle(waiting))
        except BridgeError as problem:
            for item in _open(waiting):
                item.answer(Reply(problem=problem))

    def _settle(self, waiting: list[Waiting]) -> None:
        """Answer every item; those left unanswered when this raises share the problem."""
        races = Patience(tries=20, seconds=self._mirror.remote.timeout, first=0.01)
        faults = Patience(tries=4, seconds=self._mirror.remote.timeout, first=0.2)
        seen: Counter[tuple[str, str]] = Counter()
        alone = False
        while batch := _open(waiting)[: 1 if alone else None]:
            repository = self._mirror.open()
            drafts = [self._draft(repository, *branch) for branch in _by_branch(batch)]
            results = self._push(drafts)
            for draft in drafts:
                result = results[draft.branch]
                seen[draft.branch, draft.head] += result.end is End.MOVED
                if result.end is End.ACCEPTED:
                    self._accept(repository, draft)
                elif result.end is End.DECLINED or seen[draft.branch, draft.head] > _STUBBORN:
                    if len(draft.made) > 1:
                        alone = True  # so that one bad commit fails its own action only
                    else:
                        draft.made[0].answer(Reply(problem=result.problem))
                elif result.end is End.MOVED:
                    races.wait(restless(draft.branch))
                elif result.problem:
                    faults.wait(result.problem)
            if any(draft.made and results[draft.branch].end is End.ACCEPTED for draft in drafts):
                self._mirror.extend_graph()
            if {result.end for result in results.values()} & {End.MOVED, End.UNCLEAR}:
                self._mirror.refresh()

    def _draft(self, repository: pygit2.Repository, branch: str, items: list[Waiting]) -> Draft:
        head = self._mirror.head(branch)
        draft = Draft(branch, head, head)
        for item in items:
            try:
                reply = self._judge(repository, draft, item.intent)
            except (RepositoryError, TypeError, ValueError) as error:  # this edit's own fault
                title = item.intent.edit.message.strip().partition("\n")[0]
                reply = Reply(problem=RepositoryError(f"{title!r} cannot be committed: {error}"))
            if isinstance(reply, str):
                draft.add(item, reply)
                reply = Reply(reply)
            draft.replies.append((item, reply))
        return draft

    def _judge(self, repository: pygit2.Repository, draft: Draft, intent: Intent) -> Reply | str:
        """The id of a new commit on the draft for this intent, or the reply that needs none."""
        tip, edit = draft.tip, intent.edit
        if twin := draft.twin(repository, intent):
            return Reply(twin)
        root = commits.commit(repository, tip).tree if tip else None
        gone = not tip and not (intent.create and intent.base == "")
        if gone or any(trees.find(root, path) != there for path, there in edit.guards.items()):
            return STALE
        others = (*edit.before, *edit.along)
        if self._moved(others) or any(_clashes(draft.others, item) for item in others):
            return STALE
        if not all(commits.exists(repository, item.new) for item in others if item.new):
            return STALE  # the mirror was made anew since
        after = trees.edited(repository, root.id if root else None, edit.changes)
        if root is not None and after == root.id:
            return NO_CHANGE
        return self._scribe.write(repository, tree=after, parent=tip, edit=edit)

    def _moved(self, updates: Iterable[Update]) -> bool:
        """Whether one of the branches is elsewhere, as last seen, than its update expects."""
        return any(self._mirror.head(item.branch) != item.old for item in updates)

    def _push(self, drafts: list[Draft]) -> dict[str, Result]:
        results = {draft.branch: Result(End.ACCEPTED) for draft in drafts}
        news = [draft for draft in drafts if draft.made]
        if alone := [draft.update for draft in news if not draft.others]:
            results |= network.push(self._mirror.git, self._mirror.path, alone)
        for draft in news:
            if draft.others:
                results[draft.branch] = self._push_as_one(draft)
        return results

    def _push_as_one(self, draft: Draft) -> Result:
        """Push the commits and what moves with them, all or nothing.

        A server without transactions, and one that refuses for good to move something along, gets
        in turn what the commits lean on and the commits: a rollout counts more than what is cleared
        away behind it. What is then between two pushes is for whoever planned it to look after.
        """
        git, path, others = self._mirror.git, self._mirror.path, draft.others
        told = network.push(git, path, [draft.update, *others.values()], as_one=True)
        result = told[draft.branch]
        refused = next((name for name in others if told[name].end is End.DECLINED), None)
        if refused and (len(draft.made) > 1 or refused in draft.before):
            return told[refused]
        if not refused and result.end is End.HELD:
            return Result(End.MOVED, restless(", ".join(others)))
        if not refused and result.end is not End.UNABLE:
            return result
        self._mirror.refresh()
        if self._moved(others.values()):
            return Result(End.MOVED, restless(", ".join(others)))
        draft.along.clear()
        return self._push_in_turn(draft)

    def _push_in_turn(self, draft: Draft) -> Result:
        for updates in filter(None, ([*draft.before.values()], [draft.update])):
            told = network.push(self._mirror.git, self._mirror.path, updates)
            failed = next((item for item in told.values() if item.end is not End.ACCEPTED), None)
            if failed:
                return failed
        return Result(End.ACCEPTED)

    def _accept(self, repository: pygit2.Repository, draft: Draft) -> None:
        moved = [draft.update] if draft.made else []
        for update in (*moved, *draft.others.values()):
            self._mirror.saw(repository, update.branch, update.new)
        for item, reply in draft.replies:
            item.answer(reply)


def _clashes(others: Mapping[str, Update], update: Update) -> bool:
    """Several commits may want a branch to stay, but one only may move it."""
    other = others.get(update.branch)
    return other is not None and (other != update or update.old != update.new)


def _open(waiting: list[Waiting]) -> list[Waiting]:
    return [item for item in waiting if not item.answered]


def _by_branch(batch: list[Waiting]) -> list[tuple[str, list[Waiting]]]:
    branches = dict.fromkeys(item.intent.branch for item in batch)
    return [(name, [item for item in batch if item.intent.branch == name]) for name in branches]


def restless(branch: str) -> StaleBase:
    return StaleBase(f"branch {branch!r} keeps moving", hint="try again later", retry=True)


def _messages(repository: pygit2.Repository, base: str, tip: str) -> dict[str, list[str]]:
    """The commits up to `tip` that came after `base`, by message."""
    found: dict[str, list[str]] = {}
    if base == tip or (base and base not in repository):
        return found
    walker = repository.walk(tip)
    if base:
        walker.hide(base)
    for commit in walker:
        found.setdefault(commits.normal(commit.message), []).append(str(commit.id))
    return found
