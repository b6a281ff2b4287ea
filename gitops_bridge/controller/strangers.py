"""Proposals' branches that somebody else has pushed to: ours are told apart, people are told, and
what is asked meanwhile waits. `reviews`, `waiting` and `stages` ask."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gitops_bridge.controller import notes, proposals
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.notes import Note
from gitops_bridge.controller.policy import Ready
from gitops_bridge.controller.proposals import Proposal
from gitops_bridge.desired import messages
from gitops_bridge.desired.markdown import code
from gitops_bridge.errors import ForgeError, StaleBase
from gitops_bridge.git import Commit

if TYPE_CHECKING:
    from gitops_bridge.forge import PullRequest


def is_foreign(ctx: Context, found: Proposal) -> bool:
    """Whether the branch is at a commit that somebody else has put there: neither the one we noted
    nor a later one that bears our name and our trailers, as one does whose note was cut off. Where
    nothing is reviewed a branch that waits for its image is ours alone, and the next action
    replaces it."""
    noted = notes.find(ctx.repository, Note.PROPOSED, found.environment, found.deployment)
    if found.queued or found.commit == noted:
        return False
    if noted is None and not ctx.config.delivery.proposes:
        return False
    return not _ours(ctx, ctx.repository.commit_of(found.commit), noted)


def _ours(ctx: Context, commit: Commit, noted: str | None) -> bool:
    """An older one than we noted is where somebody has wound the branch back to."""
    ours = {messages.ACTION, messages.ROLLED_BACK_TO, messages.BUILD_FAILED}
    if commit.committer != ctx.committer or not ours & commit.trailers.keys():
        return False
    return noted is None or ctx.repository.commit_of(noted).time <= commit.time


def queue(ctx: Context, environment: str, deployment: str, ready: Ready) -> None:
    """Keep the change until the branch is ours again, unless it is what the branch is about."""
    for note in (Note.PROPOSED, Note.QUEUED):
        commit = notes.find(ctx.repository, note, environment, deployment)
        kept = proposals.read(ctx, environment, deployment, commit) if commit else None
        if kept and kept.asks(ready.planned.rollout):
            return
        if kept and proposals.holds(ctx, kept, ready.snapshot, ready.planned.files):
            return
    edit = ready.planned.edit
    proposals.queue(ctx, ready.snapshot, edit, environment, deployment)


def pushed(ctx: Context, found: Proposal) -> str:
    """Whose push it is and what becomes of the branch, for DataRobot's users."""
    commit = ctx.repository.commit_of(found.commit)
    said = (
        f"{messages.clean(_by(ctx, commit), 80)} pushed {commit.id[:12]} to {found.branch}: it "
        "is left as it is until the pull request is merged or closed, or the branch deleted"
    )
    queued = notes.find(ctx.repository, Note.QUEUED, found.environment, found.deployment)
    return f"{said}; what was asked since ({queued[:12]}) is proposed then" if queued else said


def warning(ctx: Context, found: Proposal) -> str:
    """The same for people on the pull request."""
    commit = ctx.repository.commit_of(found.commit)
    return (
        f"{code(_by(ctx, commit), 80)} pushed {code(commit.id[:12])} to this branch. From now on "
        "gitops-bridge leaves it as it is: a newer request from DataRobot waits until this pull "
        "request is merged or closed. Delete the branch to hand it back.\n"
    )


def _by(ctx: Context, commit: Commit) -> str:
    return "somebody" if commit.committer == ctx.committer else commit.author.name


def tell(ctx: Context, found: Proposal, pull: PullRequest, text: str) -> None:
    """Say it on the pull request, once for each commit the branch is at."""
    where = found.environment, found.deployment
    if notes.find(ctx.repository, Note.WARNED, *where) == found.commit:
        return
    if ctx.config.pull_request.auto_merge:  # nobody has agreed to merge this commit
        ctx.pulls().merge_by_hand(pull)
    notes.put(ctx.repository, Note.WARNED, *where, found.commit)
    try:
        ctx.forge().comment(pull, text)
    except ForgeError:
        with suppress(StaleBase):  # so that the next look says it
            notes.drop(ctx.repository, Note.WARNED, *where)
        raise
