"""Group commit: waiting intents become commits, one each, and go out in one push.

`repository.deliver` submits an intent here and gets its reply. Whoever holds the mirror's lock
leads: it answers for all. What the leader does is safe to be cut off anywhere, because only the
server's acceptance makes a commit count, and because an intent that is found in the history since
it was planned is answered with that commit and not applied again, even if somebody has reverted it
since. What moves with commits goes in the same transaction of the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitops_bridge.errors import BridgeError, RepositoryError, StaleBase
from gitops_bridge.git import commits, failures, network, queue, trees
from gitops_bridge.git.commits import CommitWriter, Edit, Update
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
    """What intents become on one branch: commits from `head` to `tip`, one for each of `made` (or
    none, where one only leans on what is there), the branches those lean on, what moves along with
    them, by branch, and a reply for all of the branch's own."""

    branch: str
    head: str
    tip: str
    replies: list[tuple[Waiting, Reply]] = field(default_factory=list)
    made: list[Waiting] = field(default_factory=list)
    leans: set[str] = field(default_factory=set)
    along: dict[str, Update] = field(default_factory=dict)
    _since: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Commit -> the commits after it, by message."""

    @property
    def update(self) -> Update:
        return Update(self.branch, self.head, self.tip)

    def add(self, item: Waiting, edit: Edit, commit: str) -> None:
        self.tip = commit
        self.made.append(item)
        self.leans |= edit.before.keys()
        self.along |= {update.branch: update for update in edit.along}
        for messages in self._since.values():
            messages.setdefault(commits.normal(edit.message), []).append(commit)

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
    def __init__(self, mirror: Mirror, scribe: CommitWriter) -> None:
        self._mirror = mirror
        self._scribe = scribe
        self._folder = mirror.folder / "queue"
        self.atomic = True

    def submit(self, intent: Intent) -> Reply:
        """Queue `intent`, lead when nobody else does, and give the reply once there is one.

        Raises RepositoryError when nobody answers for very long or the queue cannot be written.
        """
        intent = replace(intent, edit=intent.edit.below(self._mirror.root))
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
            drafts = self._drafts(repository, batch)
            results = self._push(drafts)
            for draft in drafts:
                result = results[draft.branch]
                seen[draft.branch, draft.head] += result.end is End.MOVED
                if result.end is End.ACCEPTED:
                    self._accept(repository, draft)
                elif result.end is End.DECLINED or seen[draft.branch, draft.head] > _STUBBORN:
                    if len(batch) > 1:
                        alone = True  # so that one bad commit fails its own action only
                    else:
                        batch[0].answer(Reply(problem=result.problem))
            if any(draft.made and results[draft.branch].end is End.ACCEPTED for draft in drafts):
                self._mirror.extend_graph()
            problems = {result.end: result.problem for result in results.values()}
            if unclear := problems.get(End.UNCLEAR):
                faults.wait(unclear)
            elif problems.keys() & {End.MOVED, End.HELD}:
                left = [name for name, result in results.items() if result.end is not End.ACCEPTED]
                races.wait(restless(", ".join(left)))
            if problems.keys() & {End.MOVED, End.UNCLEAR}:
                self._mirror.refresh()

    def _drafts(self, repository: pygit2.Repository, batch: list[Waiting]) -> list[Draft]:
        drafts = _Drafts(self._mirror.head)
        for item in batch:
            intent = item.intent
            try:
                reply = self._judge(repository, drafts, intent)
            except (RepositoryError, TypeError, ValueError) as error:  # this edit's own fault
                title = intent.edit.message.strip().partition("\n")[0]
                reply = Reply(problem=RepositoryError(f"{title!r} cannot be committed: {error}"))
            if not isinstance(reply, Reply):
                for branch, (edit, commit) in reply.items():
                    drafts[branch].add(item, edit, commit)
                reply = Reply(drafts[intent.branch].tip)
            drafts[intent.branch].replies.append((item, reply))
        return list(drafts.values())

    def _judge(
        self, repository: pygit2.Repository, drafts: _Drafts, intent: Intent
    ) -> Reply | dict[str, tuple[Edit, str]]:
        """New commits on the drafts for this intent, by branch, or the reply that needs none."""
        own, edit = drafts[intent.branch], intent.edit
        if not own.tip and not (intent.create and intent.base == ""):
            return STALE
        if own.tip and (twin := own.twin(repository, intent)):
            return Reply(twin)
        if self._moved(edit.along) or any(it.branch in own.along for it in edit.along):
            return STALE
        made = {}
        for branch, part in ((intent.branch, edit), *edit.before.items()):
            commit = self._applied(repository, drafts[branch].tip, part)
            if commit is None:
                return STALE
            made[branch] = part, commit
        return NO_CHANGE if made[intent.branch][1] == own.tip else made

    def _applied(self, repository: pygit2.Repository, tip: str, edit: Edit) -> str | None:
        """The commit that the edit makes on `tip`; `tip` where it changes nothing, None where its
        guards do not hold."""
        root = commits.commit(repository, tip).tree if tip else None
        if any(trees.find(root, path) != there for path, there in edit.guards.items()):
            return None
        after = trees.edited(repository, root.id if root else None, edit.changes)
        if root is not None and after == root.id:
            return tip
        return self._scribe.write(repository, tree=after, parent=tip, edit=edit)

    def _moved(self, updates: Iterable[Update]) -> bool:
        """Whether one of the branches is elsewhere, as last seen, than its update expects."""
        return any(self._mirror.head(item.branch) != item.old for item in updates)

    def _push(self, drafts: list[Draft]) -> dict[str, Result]:
        results = {draft.branch: Result(End.ACCEPTED) for draft in drafts}
        news = [draft for draft in drafts if draft.made]
        leant = {branch for draft in news for branch in draft.leans}
        alone, bound = list[Draft](), list[Draft]()
        for draft in news:
            tied = draft.leans or draft.along or draft.branch in leant
            (bound if tied else alone).append(draft)
        if alone:
            results |= self._push_these(alone)
        if bound:
            results |= self._push_as_one(bound, leant)
        return results

    def _push_these(self, drafts: list[Draft]) -> dict[str, Result]:
        updates = [draft.update for draft in drafts]
        return network.push(self._mirror.git, self._mirror.path, updates)

    def _push_as_one(self, drafts: list[Draft], leant: set[str]) -> dict[str, Result]:
        """Push the commits, what they lean on and what moves along with them, all or nothing.

        A server without transactions, and one that refuses for good to move something along, gets
        in turn what is leant on and the rest: a rollout counts more than what is cleared away
        behind it. What is then between two pushes is for whoever planned it to look after.
        """
        along = {name: update for draft in drafts for name, update in draft.along.items()}
        updates = [*(draft.update for draft in drafts), *along.values()]
        told = network.push(self._mirror.git, self._mirror.path, updates, as_one=True)
        results = {draft.branch: told[draft.branch] for draft in drafts}
        ends = {result.end for result in results.values()}
        refused = next((told[name] for name in along if told[name].end is End.DECLINED), None)
        if refused and len({item for draft in drafts for item in draft.made}) > 1:
            return dict.fromkeys(results, refused)
        is_held = ends - {End.ACCEPTED} == {End.HELD}  # accepted is what was there already
        if not refused and End.UNABLE not in ends and not is_held:
            return results
        if refused or End.UNABLE in ends:
            self.atomic = self.atomic and End.UNABLE not in ends
            self._mirror.refresh()
            if not self._moved(along.values()):
                for draft in drafts:
                    draft.along.clear()
                return self._push_in_turn(drafts, leant)
        return dict.fromkeys(results, Result(End.MOVED, restless(", ".join(along))))

    def _push_in_turn(self, drafts: list[Draft], leant: set[str]) -> dict[str, Result]:
        results = {draft.branch: Result(End.HELD) for draft in drafts}
        for first in (True, False):
            turn = [draft for draft in drafts if (draft.branch in leant) is first]
            told = self._push_these(turn) if turn else {}
            results |= told
            if any(result.end is not End.ACCEPTED for result in told.values()):
                break
        return results

    def _accept(self, repository: pygit2.Repository, draft: Draft) -> None:
        moved = [draft.update] if draft.made else []
        for update in (*moved, *draft.along.values()):
            self._mirror.saw(repository, update.branch, update.new)
        for item, reply in draft.replies:
            item.answer(reply)


class _Drafts(dict[str, Draft]):
    """By branch; one is begun where `head` says the branch is."""

    def __init__(self, head: Callable[[str], str]) -> None:
        super().__init__()
        self._head = head

    def __missing__(self, branch: str) -> Draft:
        head = self._head(branch)
        self[branch] = draft = Draft(branch, head, head)
        return draft


def _open(waiting: list[Waiting]) -> list[Waiting]:
    return [item for item in waiting if not item.answered]


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
