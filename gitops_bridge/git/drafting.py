"""Waiting intents become commits on top of each branch, one per intent, and a reply for each.

Nothing here leaves the mirror: `delivery` pushes what a Batch holds and then gives the replies. An
intent whose guards no longer hold, in what the branch is now or was in between, becomes no commit:
its owner plans again on what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import commits, trees
from gitops_bridge.git.commits import CommitWriter, Edit, Update
from gitops_bridge.git.queue import Intent, Reply, Waiting

if TYPE_CHECKING:
    import pygit2

STALE = Reply(stale=True)


class Batch:
    """`head` gives where a branch was last seen, "" when it was not there."""

    def __init__(
        self, repository: pygit2.Repository, head: Callable[[str], str], writer: CommitWriter
    ) -> None:
        self._repository = repository
        self._head = head
        self._writer = writer
        self._tips: dict[str, str] = {}
        self._ref_updates: dict[str, Update] = {}
        self._between: dict[tuple[str, str], list[pygit2.Tree] | None] = {}
        self.replies: list[tuple[Waiting, Reply]] = []
        self.sequences: list[list[str]] = []
        """For each intent that changes something the branches it is about, prerequisites first."""

    @property
    def updates(self) -> list[Update]:
        """What is to be pushed, branches that are only to be where they are included."""
        edited = [Update(branch, self._head(branch), tip) for branch, tip in self._tips.items()]
        return [*edited, *self._ref_updates.values()]

    def add(self, item: Waiting) -> None:
        try:
            reply = self._reply(item)
        except (RepositoryError, TypeError, ValueError) as error:  # this edit's own fault
            title = item.intent.edit.message.strip().partition("\n")[0]
            reply = Reply(problem=RepositoryError(f"{title!r} cannot be committed: {error}"))
        self.replies.append((item, reply))

    def _reply(self, item: Waiting) -> Reply:
        intent = item.intent
        for attempt in item.attempts:
            if all(self._reaches(self._head(branch), commit) for branch, commit in attempt.items()):
                return Reply(attempt) if self._is_fulfilled(intent) else STALE
        updates = intent.edit.ref_updates
        if any(map(self._conflicts, updates)) or not self._guards_hold(intent):
            return STALE
        tips = {branch: self._commit(branch, edit) for branch, edit in parts(intent)}
        made = {branch: tip for branch, tip in tips.items() if tip != self._tip(branch)}
        if not made and all(update.old == update.new for update in updates):
            return Reply()
        self._tips |= tips
        self._ref_updates |= {update.branch: update for update in updates}
        self.sequences.append(list(tips))
        return Reply(made)

    def _tip(self, branch: str) -> str:
        return self._tips.get(branch) or self._head(branch)

    def _tree(self, commit: str) -> pygit2.Tree | None:
        return commits.commit(self._repository, commit).tree if commit else None

    def _commit(self, branch: str, edit: Edit) -> str:
        """The commit that the edit makes on the branch; its tip where it changes nothing."""
        tip = self._tip(branch)
        if not edit.changes:
            return tip
        root = self._tree(tip)
        after = trees.edited(self._repository, root.id if root else None, edit.changes)
        if root is not None and after == root.id:
            return tip
        return self._writer.write(self._repository, tree=after, parent=tip, edit=edit)

    # -- what makes an intent stale

    def _conflicts(self, update: Update) -> bool:
        """Whether the branch is elsewhere than the update expects, or moves with another intent."""
        other = self._ref_updates.get(update.branch)
        if other is not None and (other != update or other.old != other.new):
            return True
        return self._head(update.branch) != update.old or update.branch in self._tips

    def _guards_hold(self, intent: Intent) -> bool:
        return all(self._guard_holds(branch, edit) for branch, edit in parts(intent))

    def _guard_holds(self, branch: str, edit: Edit) -> bool:
        tip = self._tip(branch)
        if branch in self._ref_updates or (edit.base and not tip):
            return False
        return _match(self._tree(tip), edit.guards) and self._held_since(branch, edit)

    def _held_since(self, branch: str, edit: Edit) -> bool:
        """Whether the guards held in every commit the branch was at since the edit's base."""
        head = self._head(branch)
        if not edit.base or edit.base == head or not edit.guards:
            return True
        if (key := (branch, edit.base)) not in self._between:
            self._between[key] = self._trees_between(edit.base, head)
        between = self._between[key]
        return between is not None and all(_match(tree, edit.guards) for tree in between)

    def _trees_between(self, base: str, head: str) -> list[pygit2.Tree] | None:
        """The trees of a branch on its way from one commit to another; None when it was forced
        elsewhere."""
        from pygit2.enums import SortMode

        if not self._reaches(head, base):
            return None
        walker = self._repository.walk(head, SortMode.TOPOLOGICAL)
        walker.simplify_first_parent()
        walker.hide(base)
        return [commit.tree for commit in walker]

    def _reaches(self, head: str, commit: str) -> bool:
        """Whether the history of `head` contains a commit."""
        if not head or not commits.exists(self._repository, commit):
            return False
        return head == commit or self._repository.descendant_of(head, commit)

    # -- what a leader that was cut off has done already

    def _is_fulfilled(self, intent: Intent) -> bool:
        """Whether the branches still have the content that the intent gives them."""
        for branch, edit in parts(intent):
            tree = self._tree(self._tip(branch))
            if tree is None or trees.edited(self._repository, tree.id, edit.changes) != tree.id:
                return False
        return True


def parts(intent: Intent) -> Iterator[tuple[str, Edit]]:
    """The branches an intent is about, prerequisites first, with what happens there."""
    yield from intent.edit.prerequisites.items()
    yield intent.branch, intent.edit


def _match(root: pygit2.Tree | None, guards: Mapping[str, str | None]) -> bool:
    return all(trees.find(root, path) == there for path, there in guards.items())
