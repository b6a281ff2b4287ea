"""Every rollout that waits, one step further: what `gitops-bridge reconcile` does and tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitops_bridge.config import Environment
from gitops_bridge.controller import answers, notes, proposals, rejections
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.notes import Note
from gitops_bridge.controller.proposals import Progress, Proposal
from gitops_bridge.controller.waiting import look, queue_again, renewed, together
from gitops_bridge.desired import messages
from gitops_bridge.errors import BridgeError, RequestError


@dataclass(frozen=True)
class Step:
    """One rollout that waited, and what became of it."""

    environment: str
    deployment: str
    said: str
    commit: str | None = None
    is_problem: bool = False


def reconcile(ctx: Context, deployment: str | None, environment: str | None) -> Iterator[Step]:
    """Look at the rollouts that wait, all or those of a deployment or environment. Raises
    RequestError for an environment that is not configured."""
    by_name = {item.name: item for item in ctx.config.environments}
    if environment is not None and environment not in by_name:
        known = ", ".join(by_name)
        raise RequestError(f"there is no environment {environment!r}", hint=f"one of {known}")
    ctx.repository.fetch()
    for name in [environment] if environment else sorted(by_name):
        waiting = [
            proposal
            for proposal in proposals.all_of(ctx, name)
            if deployment in (None, proposal.deployment)
        ]
        with together(ctx, by_name[name], waiting):
            for proposal in waiting:
                yield _step(ctx, by_name[name], proposal)


def release(ctx: Context, deployment: str, environment: str | None) -> Progress | None:
    """What people have rejected, proposed once more, or a rollout that waited and that a person's
    change holds back, put on top of that change; None when there is neither. Raises BridgeError."""
    ctx.repository.fetch()
    for where in ctx.config.environments:
        if environment not in (None, where.name):
            continue
        is_asked_again = _reconsidered(ctx, where, deployment)
        proposal = proposals.find(ctx, where.name, deployment)
        if proposal is None:
            continue
        progress = look(ctx, where, proposal)
        if progress.hold:
            return look(ctx, where, renewed(ctx, where, proposal))
        if progress.commit or is_asked_again:
            return progress
    return None


def _reconsidered(ctx: Context, environment: Environment, deployment: str) -> bool:
    """Whether people had rejected something. It is queued again, unless something waits already,
    before its rejection is forgotten."""
    snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=False)
    rejection = rejections.standing(ctx, snapshot, environment.name, deployment)
    if rejection is None:
        return False
    if proposals.find(ctx, environment.name, deployment) is None:
        queue_again(ctx, environment, rejection.proposal)
    notes.drop(ctx.repository, Note.REJECTED, environment.name, deployment)
    return True


def _step(ctx: Context, environment: Environment, proposal: Proposal) -> Step:
    where = (proposal.environment, proposal.deployment)
    try:
        progress = look(ctx, environment, proposal)
    except BridgeError as error:
        return Step(*where, str(error), is_problem=True)
    left = progress.proposal
    if progress.commit:
        subject = progress.commit.message.splitlines()[0]
        return Step(*where, f"delivered in {progress.commit.id[:12]}: {subject}",
                    progress.commit.id)  # fmt: skip
    if progress.review:
        rejection = progress.review.rejection
        said = str(rejection) if rejection else answers.review_said(progress.review)
        return Step(*where, said)
    if left is None:
        return Step(*where, "superseded: main has gone on")
    if progress.hold:
        happened, cure = messages.held(progress.hold, where[1])
        return Step(*where, f"{happened} ({cure})")
    if left.record is None:
        return Step(*where, f"{left.branch} cannot be read", is_problem=True)
    if left.failed:
        return Step(*where, left.failed, is_problem=True)
    return Step(*where, f"waits for the image {progress.image or left.record.image}")
