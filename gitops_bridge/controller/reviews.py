"""Proposals under review: their pull requests, and what became of them.

`submit` is called with every fresh look at a change that may be delivered and shall be reviewed. It
brings branch, note and pull request to what they should be, whatever is there of them, so what was
cut off anywhere is taken up by the next look. `retire` ends a review whose change main holds, or
that something newer has superseded. `stages` and `waiting` call both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_bridge.config import Environment
from gitops_bridge.controller import drafts, gate, notes, proposals, strangers
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder, vouched_for
from gitops_bridge.controller.notes import Note
from gitops_bridge.controller.policy import Ready
from gitops_bridge.controller.proposals import Proposal
from gitops_bridge.controller.rejections import Rejection, covers, find_rejection
from gitops_bridge.desired import messages
from gitops_bridge.desired.markdown import code
from gitops_bridge.errors import ForgeError, StaleBase
from gitops_bridge.git import Edit

if TYPE_CHECKING:
    from gitops_bridge.forge import PullRequest


@dataclass(frozen=True)
class Review:
    """Where a review stands.

    proposal   what waits; None once it was rejected
    pull       its pull request; None while it could not be opened
    rejection  who closed the pull request, and why
    merged     whether the provider says that main has it
    said       what a person should know beside
    """

    proposal: Proposal | None
    pull: PullRequest | None = None
    rejection: Rejection | None = None
    merged: bool = False
    said: tuple[str, ...] = ()

    @property
    def url(self) -> str | None:
        return self.rejection.url if self.rejection else self.pull.url if self.pull else None


def submit(ctx: Context, environment: Environment, deployment: str, ready: Ready) -> Review:
    """Have the change reviewed. Raises StaleBase when somebody else is at it, ForgeError when the
    provider refuses for good."""
    try:
        return _submitted(ctx, environment, deployment, ready)
    except ForgeError as error:
        if not error.retry:
            raise
        found = proposals.find(ctx, environment.name, deployment)
        return Review(found, said=(f"the pull request waits for the provider: {error}",))


def _submitted(ctx: Context, environment: Environment, deployment: str, ready: Ready) -> Review:
    found = proposals.find(ctx, environment.name, deployment)
    rejection = find_rejection(ctx, environment.name, deployment)
    if rejection and _stands(ctx, rejection, found, ready):
        _end(ctx, environment.name, deployment, found)
        return Review(None, rejection=rejection)
    if found and strangers.is_foreign(ctx, found):
        strangers.queue(ctx, environment.name, deployment, ready)
        review = left_alone(ctx, found)
        if review.proposal:
            return review
        return _submitted(ctx, environment, deployment, ready)  # theirs has just been closed
    is_new = found is None
    if found is None or found.queued or not _holds(ctx, found, ready):
        # what people closed is not proposed again only because main has moved
        if found and covers(ctx, found, ready) and (over := ended(ctx, found)):
            return over
        found = _proposed(ctx, environment.name, deployment, ready, found)
    notes.put(ctx.repository, Note.PROPOSED, environment.name, deployment, found.commit)
    proposals.dequeue(ctx, found)
    if rejection:
        notes.drop(ctx.repository, Note.REJECTED, environment.name, deployment)
    return _shown(ctx, environment, found, ready, is_new)


def _stands(ctx: Context, rejection: Rejection, found: Proposal | None, ready: Ready) -> bool:
    """Whether a rejection is about this change, and nobody has restored the branch since and opened
    the pull request again."""
    if not covers(ctx, rejection.proposal, ready):
        return False
    if found is None or found.adrift or found.commit != rejection.proposal.commit:
        return True
    pull = ctx.pulls().look(found.branch)
    return pull is None or pull.state != "open"


def ended(ctx: Context, found: Proposal) -> Review | None:
    """The review when people have ended it; None while it goes on, or when there is none."""
    pull = _looked_at(ctx, found)
    return _ended(ctx, found, pull) if pull and _is_over(found, pull) else None


def _looked_at(ctx: Context, found: Proposal) -> PullRequest | None:
    if not is_open(ctx, found.environment, found.deployment):
        return None
    return ctx.pulls().look(found.branch)


def _is_over(found: Proposal, pull: PullRequest) -> bool:
    return pull.state != "open" and pull.is_at(found.commit)


def is_open(ctx: Context, environment: str, deployment: str) -> bool:
    """Whether a proposal of the deployment is under review."""
    return notes.find(ctx.repository, Note.PROPOSED, environment, deployment) is not None


def retire(
    ctx: Context, environment: Environment, deployment: str, found: Proposal | None, why: str
) -> None:
    """End the review: `why` is said on the pull request when it is still open. Raises StaleBase
    when the branch has moved, ForgeError when the provider cannot be asked."""
    if found:
        proposals.require_unmoved(ctx, found)  # or `why` is said of something newer
    if not is_open(ctx, environment.name, deployment):
        if found:
            proposals.withdraw(ctx, found)
        return
    pulls = ctx.pulls()
    pull = pulls.look(proposals.branch(environment.name, deployment))
    if pull and pull.state == "open":
        ctx.forge().close(pull, why)
    _end(ctx, environment.name, deployment, found)


def _end(ctx: Context, environment: str, deployment: str, found: Proposal | None) -> None:
    """Remove what a review has needed. The branch may be gone already."""
    _vouch(ctx, environment, deployment)
    if found:
        proposals.withdraw(ctx, found)
    for note in (Note.PROPOSED, Note.WARNED):
        notes.drop(ctx.repository, note, environment, deployment)
    ctx.pulls().forget(proposals.branch(environment, deployment))


def _vouch(ctx: Context, environment: str, deployment: str) -> None:
    """Before its proposal is forgotten: note the commit that brought it to main, when that commit
    does not say itself whose it is."""
    if not is_open(ctx, environment, deployment):
        return
    head = ctx.repository.snapshot(ctx.config.repository.branch, fetch=False).commit
    for commit in vouched_for(ctx.repository, head, folder(environment, deployment)):
        if messages.ACTION not in ctx.repository.commit_of(commit).trailers:
            notes.put(ctx.repository, Note.DELIVERED, environment, deployment, commit)


def _proposed(
    ctx: Context, environment: str, deployment: str, ready: Ready, found: Proposal | None
) -> Proposal:
    """The change on its branch, in the place of what was found there.

    Without its image nobody shall merge it: the pull request becomes a draft before the branch
    moves, and the change is queued before that, so that no crash leaves a draft that nobody ends.
    """
    _vouch(ctx, environment, deployment)
    edit = ready.planned.edit
    if _is_built(ctx, ready):
        return proposals.propose(ctx, ready.snapshot, edit, environment, deployment, found)
    is_next = found is not None and found.queued and not proposals.overdue(ctx, found)
    if found is None or not is_next or not _holds(ctx, found, ready):
        found = proposals.queue(ctx, ready.snapshot, edit, environment, deployment)
    drafts.suspend(ctx, found.branch)
    return proposals.put(ctx, found)


def _holds(ctx: Context, found: Proposal, ready: Ready) -> bool:
    return proposals.holds(ctx, found, ready.snapshot, ready.planned.files)


def _is_built(ctx: Context, ready: Ready) -> bool:
    return ready.look.image is None or gate.is_open(ctx, ready.look.image)


# -- the pull request


def _shown(
    ctx: Context, environment: Environment, found: Proposal, ready: Ready, is_new: bool
) -> Review:
    """A branch that is `is_new` has no pull request yet, or the provider says so when asked for
    one: none is looked for."""
    pulls = ctx.pulls()
    unseen = pulls.unseen(found.branch, found.commit)
    pull = unseen if unseen or is_new else pulls.look(found.branch)
    if pull and _is_over(found, pull):
        return _ended(ctx, found, pull)
    if found.adrift:  # somebody removed the branch and the provider kept the pull request
        found = proposals.put(ctx, found)
    built, opened = _is_built(ctx, ready), pull is not None and pull.state == "open"
    if not built and not opened:
        return Review(found)
    said: list[str] = []
    if pull and built and drafts.is_suspended(ctx, pull):
        pull, hints = drafts.resumed(ctx, pull)
        said += hints
    is_written = pull is not None and opened and pulls.is_written_for(pull, found.commit)
    if pull is None or not is_written or pulls.is_found_again(pull):
        from gitops_bridge.controller import texts  # late: most looks write none

        wanted, warning = texts.proposal(ctx, environment, found, ready)
        if pull and is_written:
            pull = pulls.complete(pull, wanted, found.commit)
        else:
            pull = pulls.write(pull, wanted, found.commit, unseen=unseen is not None)
        if pull.state != "open":
            return _ended(ctx, found, pull)
        said += [*pull.warnings, *([warning] if warning else [])]
    if built and ctx.config.pull_request.auto_merge:
        try:
            pulls.merge_by_itself(pull, found.commit)
        except ForgeError as error:
            what = "auto-merge is not set yet" if error.retry else "it has to be merged by hand"
            said.append(f"{what}: {error}")
    return Review(found, pull, said=tuple(said))


def _ended(ctx: Context, found: Proposal, pull: PullRequest) -> Review:
    if pull.state == "merged":
        return Review(found, pull, merged=True)
    return Review(None, pull, rejection=_reject(ctx, found, pull))


def _reject(ctx: Context, found: Proposal, pull: PullRequest) -> Rejection:
    """Remember who closed the pull request and why, then clear the branch away."""
    closing = ctx.forge().closing(pull)
    name = found.record.name if found.record else found.deployment
    message = messages.rejected(
        name, found.environment, closing.by or pull.actor, closing.comment, pull.url
    )
    edit = Edit({}, {}, ctx.message(message, ctx.author), ctx.author)
    noted = notes.find(ctx.repository, Note.PROPOSED, found.environment, found.deployment)
    ours = noted if noted and strangers.is_foreign(ctx, found) else found.commit
    note = ctx.repository.commit(ctx.repository.at(ours), edit)
    notes.put(ctx.repository, Note.REJECTED, found.environment, found.deployment, note.id)
    _end(ctx, found.environment, found.deployment, found)
    rejection = find_rejection(ctx, found.environment, found.deployment)
    if rejection is None:
        raise StaleBase(f"{found.branch} has moved", retry=True)
    return rejection


# -- a branch that goes no further


def standstill(ctx: Context, found: Proposal) -> Review | None:
    """The review of a branch that we leave as it is, because somebody else pushed there or because
    its build has failed; None when people need not be told, or were."""
    if strangers.is_foreign(ctx, found):
        return left_alone(ctx, found)
    pull = _looked_at(ctx, found) if found.failed else None
    if pull and _is_over(found, pull):
        return _ended(ctx, found, pull)
    if pull and pull.state == "open":
        said = f"The build of its image has failed: {code(found.failed, 1000)}\n"
        strangers.tell(ctx, found, pull, said)
    return None


def left_alone(ctx: Context, found: Proposal) -> Review:
    """The review of a branch that somebody else pushed to: told once, and else untouched."""
    pull = ctx.pulls().look(found.branch)
    if pull and _is_over(found, pull):
        return _ended(ctx, found, pull)
    if pull and pull.state == "open":
        strangers.tell(ctx, found, pull, strangers.warning(ctx, found))
    return Review(found, pull, said=(strangers.pushed(ctx, found),))
