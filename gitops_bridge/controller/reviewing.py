"""The pull request of one deployment: what the forge shows of it, and what is done to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitops_bridge.config import Environment
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.planning import Plan
from gitops_bridge.desired import messages
from gitops_bridge.desired.markdown import code
from gitops_bridge.errors import ForgeError
from gitops_bridge.git import Snapshot
from gitops_bridge.rollout.observed import Observed, PullState
from gitops_bridge.rollout.state import Phase, Review, State, Who

if TYPE_CHECKING:
    from gitops_bridge.forge import PullRequest

_ENDED = (
    "The base branch holds this change already, or a newer one of the same deployment, so this "
    "pull request is not needed any more."
)
_SUSPENDED = (
    "A newer request for this deployment has come, and its image is not built yet. Until it is, "
    "this pull request is a draft; then it is about the newer request.\n"
)
_CLOSED_FOR_NOW = (
    "A newer request for this deployment has come, and its image is not built yet. Another pull "
    "request is opened once it is.\n"
)


_CLOSABLE = (Phase.BUILDING, Phase.IN_REVIEW, Phase.BLOCKED, Phase.HELD)


class Reviewer:
    """Keeps what the forge said until `forget`. `warnings` is what a person should know of what
    was written, and `pull` the pull request as last seen."""

    def __init__(self, ctx: Context, environment: Environment, branch: str) -> None:
        self._ctx = ctx
        self._environment = environment
        self._branch = branch
        self.pull: PullRequest | None = None
        self.warnings: tuple[str, ...] = ()
        self._is_seen = False
        self._is_unseen = False
        self._is_tried = False

    def forget(self) -> None:
        self.pull, self._is_seen, self._is_tried = None, False, False

    # -- looking

    def observed(self, state: State, seen: Observed, *, newer: bool) -> tuple[Observed, str]:
        """The facts with what the forge shows, and why it could not be asked."""
        review = state.review
        if review is None or newer or not _is_needed(state, seen):
            return seen, ""
        try:
            pull = self._look(review)
            shown = self._shown(state, seen, review, pull) if pull else None
        except ForgeError as error:
            if not error.retry:
                raise
            return seen, f"the pull request waits for the provider: {error}"
        return replace(seen, asked_forge=True, pull=shown), ""

    def _look(self, review: Review) -> PullRequest | None:
        """Without a request where the forge need not be asked: a branch that was made just now has
        no pull request, and one that is open is written to before it is looked at."""
        if self._is_seen:
            return self.pull
        pulls = self._ctx.pulls()
        unseen = pulls.unseen(self._branch, review.head)
        self._is_unseen = unseen is not None
        self.pull = unseen or pulls.look(self._branch)
        self._is_seen = True
        return self.pull

    def expect_none(self) -> None:
        """The branch is new, so there is no pull request, or creating one tells which there is."""
        self.pull, self._is_seen = None, True

    def _shown(self, state: State, seen: Observed, review: Review, pull: PullRequest) -> PullState:
        heads = {review.head, seen.head_commit or review.head}
        current = any(pull.is_at(head) for head in heads)
        by, because, by_us = Who(pull.actor or "somebody", where=pull.url), "", False
        if pull.state == "closed" and state.phase in _CLOSABLE:
            closing = self._ctx.forge().closing(pull)
            by_us = (closing.comment or "").strip() in (_ENDED, _CLOSED_FOR_NOW.strip())
            name = closing.by or pull.actor or "somebody"
            by, because = Who(messages.clean(name, 80), where=pull.url), closing.comment or ""
        written = self._is_written(pull, review)
        return PullState(
            pull.state, pull.number, pull.url, current=current, written=written,
            at_head=pull.is_at(seen.head_commit), draft=pull.draft, by_us=by_us, by=by,
            because=messages.clean(because, 500),
        )  # fmt: skip

    def _is_written(self, pull: PullRequest, review: Review) -> bool:
        """Whether nothing is to be written: one that ended at an older commit is not ours to write,
        another takes its place."""
        if self._is_tried:
            return True
        if pull.state != "open":
            return pull.is_at(review.head)
        pulls, wanted = self._ctx.pulls(), self._ctx.config.pull_request
        is_complete = pulls.is_written_for(pull, review.head) and not pulls.is_found_again(pull)
        is_handed_over = not wanted.auto_merge or pulls.is_handed_over(pull, review.head)
        return is_complete and is_handed_over and not self._is_suspended(pull, review)

    def _is_suspended(self, pull: PullRequest, review: Review) -> bool:
        """Whether it is a draft because we made it one."""
        is_draft = pull.state == "open" and pull.draft
        return is_draft and review.suspended and not self._ctx.config.pull_request.draft

    # -- doing

    def write(self, review: Review, plan: Plan, main: Snapshot) -> None:
        """Open the pull request, or give the open one title and text for this change."""
        from gitops_bridge.controller import texts  # late: most looks write none

        pulls, pull, said = self._ctx.pulls(), self.pull, list[str]()
        self._is_tried = True
        is_open = pull is not None and pull.state == "open"
        if pull and self._is_suspended(pull, review):
            pull, hints = self._resumed(pull)
            said += hints
        if not (pull and is_open and pulls.is_written_for(pull, review.head)):
            wanted, warning = texts.proposal(self._ctx, self._environment, review, plan, main)
            pull = pulls.write(pull, wanted, review.head, unseen=self._is_unseen)
            said += [*pull.warnings, *([warning] if warning else [])]
        elif pulls.is_found_again(pull):
            wanted, warning = texts.proposal(self._ctx, self._environment, review, plan, main)
            pull = pulls.complete(pull, wanted, review.head)
        self.pull, self._is_seen, self._is_unseen = pull, True, False
        if self._ctx.config.pull_request.auto_merge and pull.state == "open":
            try:
                pulls.merge_by_itself(pull, review.head)
            except ForgeError as error:
                what = "auto-merge is not set yet" if error.retry else "it has to be merged by hand"
                said.append(f"{what}: {error}")
        self.warnings = tuple(said)

    def _resumed(self, pull: PullRequest) -> tuple[PullRequest, list[str]]:
        try:
            return self._ctx.pulls().set_draft(pull, False), []
        except ForgeError as error:
            if error.retry:
                raise
            return pull, [f"it has to be marked ready by hand: {error}"]

    def set_draft(self) -> None:
        """See that nobody merges it: a draft or, where the provider has none, closed for now."""
        pull = self.pull
        if pull is None or pull.state != "open" or pull.draft:
            return
        if self._ctx.config.pull_request.auto_merge:
            self._ctx.pulls().merge_by_hand(pull)
        try:
            pull = self._ctx.pulls().set_draft(pull, True)
        except ForgeError as error:
            if error.retry:
                raise
        if not pull.draft:
            self._ctx.forge().close(pull, _CLOSED_FOR_NOW)
            self._ctx.pulls().forget(self._branch)
            pull = None
        else:
            self._ctx.forge().comment(pull, _SUSPENDED)
        self.pull = pull

    def close(self) -> None:
        if self.pull and self.pull.state == "open":
            self._ctx.forge().close(self.pull, _ENDED)
        self._ctx.pulls().forget(self._branch)
        self.pull = None

    def comment(self, state: State, seen: Observed) -> None:
        """Tell what keeps it from going on: a failed build, or somebody else's push."""
        pull = self.pull
        if pull is None or pull.state != "open":
            return
        if state.phase is Phase.FAILED:
            text = f"The build of its image has failed: {code(state.reason, 1000)}\n"
        else:
            if self._ctx.config.pull_request.auto_merge:  # nobody agreed to merge this commit
                self._ctx.pulls().merge_by_hand(pull)
            text = _warning(self.pusher(seen.head_commit), seen.head_commit)
        self._ctx.forge().comment(pull, text)

    def pusher(self, commit: str) -> str:
        """Whose push to the proposal's branch a commit is."""
        found = self._ctx.repository.commit_of(commit)
        return "somebody" if found.committer == self._ctx.committer else found.author.name


def _warning(name: str, commit: str) -> str:
    return (
        f"{code(name, 80)} pushed {code(commit[:12])} to this branch. From now on gitops-bridge "
        "leaves it as it is: a newer request from DataRobot waits until this pull request is "
        "merged or closed. Delete the branch to hand it back.\n"
    )


def _is_needed(state: State, seen: Observed) -> bool:
    """Whether the phase is left by what the forge shows."""
    if state.phase is Phase.REJECTED:
        return state.review is not None and seen.head_commit == state.review.head
    if state.phase is Phase.FAILED:
        return state.told != state.reason
    return True
