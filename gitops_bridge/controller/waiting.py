"""Rollouts that wait, for their image or for people: `look` takes the next step of one, if there
is one to take.

A status, a `reconcile` or the action's own wait calls it. Each step is planned anew on main as it
is, and each effect is one push: the Job on `builds`, then the proposal, then main with the proposal
gone. So whatever is cut off between two of them, the next look leads to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from gitops_bridge.config import Environment
from gitops_bridge.controller import builds, gate, notes, people, proposals, reviews, strangers
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder, known
from gitops_bridge.controller.notes import Note
from gitops_bridge.controller.policy import Ready, reviewed
from gitops_bridge.controller.proposals import Progress, Proposal
from gitops_bridge.controller.rollouts import Look, Plan, Planned, planner
from gitops_bridge.desired.rollout import Hold
from gitops_bridge.errors import ConfigError, ForgeError, RequestError, StaleBase
from gitops_bridge.git import Commit, Edit, Signature, Snapshot

_WORTH_A_LIST = 3  # looks at pull requests; a list costs two requests or more
ENDED = (
    "The base branch holds this change already, or a newer one of the same deployment, so this "
    "pull request is not needed any more."
)


@dataclass(frozen=True)
class Missing:
    """The rollout could be delivered but for its image. `snapshot` is what it was planned on."""

    snapshot: Snapshot
    planned: Planned
    look: Look


@dataclass(frozen=True)
class _Gone:
    """The proposal is not the one that was looked at, or, `superseded`, main has gone on."""

    superseded: bool


class _Stuck:
    """The proposal's build has failed or it cannot be read as ours, and main has not gone on."""


def look(ctx: Context, environment: Environment, proposal: Proposal) -> Progress:
    """Take the next step of a waiting rollout, if there is one to take. Raises BridgeError when it
    cannot be told, and then nothing has changed."""
    result = ctx.repository.deliver(
        ctx.config.repository.branch, _next_edit(ctx, environment, proposal)
    )
    if isinstance(result, Commit):
        clear_away(ctx, environment, proposal, result)
        return Progress(None, commit=result)
    if isinstance(result, _Stuck):
        review = reviews.standstill(ctx, proposal)
        return Progress(review.proposal if review else proposal, review=review)
    if isinstance(result, Hold):
        return Progress(proposal, hold=result)
    try:
        if isinstance(result, Missing):
            return _still_missing(ctx, environment, proposal, result)
        if isinstance(result, Ready):
            review = reviews.submit(ctx, environment, proposal.deployment, result)
            return Progress(review.proposal, review=review)
        if isinstance(result, _Gone) and not result.superseded:
            raise StaleBase(f"{proposal.branch} has moved")
        reviews.retire(ctx, environment, proposal.deployment, proposal, ENDED)
    except StaleBase:  # a newer action, or another look
        return Progress(proposals.find(ctx, environment.name, proposal.deployment))
    return Progress(None)


def clear_away(
    ctx: Context, environment: Environment, proposal: Proposal | None, delivered: Commit
) -> None:
    """What waited when a delivery was planned is superseded by it. Best effort: else the next look
    does it."""
    if proposal is None:
        return
    with suppress(ForgeError, ConfigError, StaleBase):
        proposals.supersede(ctx, environment.name, proposal.deployment, delivered)
        reviews.retire(ctx, environment, proposal.deployment, proposal, ENDED)


@contextmanager
def together(ctx: Context, environment: Environment, waiting: Sequence[Proposal]) -> Iterator[None]:
    """In the block, the pull requests of several rollouts are looked at with lists."""
    under_review = notes.all_of(ctx.repository, Note.PROPOSED, environment.name)
    with ExitStack() as stack:
        if sum(item.deployment in under_review for item in waiting) >= _WORTH_A_LIST:
            with suppress(ForgeError, ConfigError):  # each look tells it
                listing = ctx.pulls().listing(f"{proposals.PREFIX}{environment.name}/")
                stack.enter_context(listing)
        yield


def _plan(ctx: Context, environment: Environment, proposal: Proposal) -> Plan | None:
    """The planning of what a proposal proposes, on any main; None when that cannot be read, or is
    not what we have proposed."""
    if strangers.is_foreign(ctx, proposal):
        return None
    if proposal.rolls_back_to:
        by = Signature(proposal.author, proposal.email)
        return people.rollback_plan(
            ctx, environment, proposal.deployment, proposal.rolls_back_to, by
        )
    request = proposal.request(environment.id)
    if request is None:
        return None
    restarts = proposal.record.restarts if proposal.record else None
    return planner(ctx, request, environment, restarts=restarts)


def _next_edit(
    ctx: Context,
    environment: Environment,
    proposal: Proposal,
) -> Callable[[Snapshot], Edit | Hold | Missing | Ready | _Gone | _Stuck]:
    home = folder(environment.name, proposal.deployment)
    is_reviewed = reviewed(ctx)
    proposed = ctx.repository.at(proposal.commit).id(home)

    plan = _plan(ctx, environment, proposal)

    def edit(snapshot: Snapshot) -> Edit | Hold | Missing | Ready | _Gone | _Stuck:
        if not _is_there(ctx, proposal):
            return _Gone(superseded=False)
        if snapshot.id(home) == proposed:
            return _Gone(superseded=True)
        found = known(ctx.repository, snapshot, home, proposal.deployment)
        if found.last and proposals.since(ctx, proposal, found.last) and not proposal.queued:
            return _Gone(superseded=True)
        if plan is None or proposal.failed:
            return _Stuck()
        if found.moved and proposals.since(ctx, proposal, found.moved):
            return Hold(proposal.touch(), found.moved, proposed=True)
        seen = plan(snapshot, found)
        if not isinstance(seen.decision, Planned):
            return _Gone(superseded=True)
        if seen.image and not gate.is_open(ctx, seen.image):
            return Missing(snapshot, seen.decision, seen)
        if is_reviewed(seen.decision):
            return Ready(snapshot, seen.decision, seen)
        return replace(seen.decision.edit, along=proposals.withdrawn(ctx, proposal))

    return edit


def _is_there(ctx: Context, proposal: Proposal) -> bool:
    now = proposals.find(ctx, proposal.environment, proposal.deployment)
    return now is not None and now.commit == proposal.commit


def _still_missing(
    ctx: Context, environment: Environment, proposal: Proposal, missing: Missing
) -> Progress:
    with suppress(ForgeError):  # a provider that is down keeps no build from being told of
        review = reviews.ended(ctx, proposal)
        if review:
            return Progress(review.proposal, review=review)
    image = str(missing.look.image)
    is_other = proposal.record is not None and proposal.record.image != image
    if is_other or proposal.adrift:  # the environment builds anew, or its branch is ours again
        proposal = propose(ctx, environment, proposal.deployment, missing, proposal)
    elif proposals.overdue(ctx, proposal):
        return Progress(given_up(ctx, proposal, reason(ctx, missing, "")))
    return Progress(proposal, image=image)


def renewed(ctx: Context, environment: Environment, proposal: Proposal) -> Proposal:
    """The proposal planned anew on main as it is, so that it goes over what people changed since.
    Raises RequestError when there is nothing left to propose, StaleBase when it has moved."""
    snapshot, edit = _anew(ctx, environment, proposal)
    return proposals.propose(ctx, snapshot, edit, environment.name, proposal.deployment, proposal)


def queue_again(ctx: Context, environment: Environment, proposal: Proposal) -> None:
    """Have one that had ended proposed by the next look, planned anew on main as it is. Raises
    RequestError when there is nothing left to propose."""
    snapshot, edit = _anew(ctx, environment, proposal)
    proposals.queue(ctx, snapshot, edit, environment.name, proposal.deployment)


def _anew(ctx: Context, environment: Environment, proposal: Proposal) -> tuple[Snapshot, Edit]:
    plan = _plan(ctx, environment, proposal)
    snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=True)
    decision = plan(snapshot).decision if plan else None
    if not isinstance(decision, Planned):
        raise RequestError(f"{proposal.branch} has nothing to deliver", hint="send a new action")
    return snapshot, decision.edit


def given_up(ctx: Context, proposal: Proposal, why: str) -> Proposal | None:
    """The proposal marked as failed, or what has taken its place meanwhile."""
    try:
        return proposals.give_up(ctx, proposal, why)
    except StaleBase:
        return proposals.find(ctx, proposal.environment, proposal.deployment)


def propose(
    ctx: Context,
    environment: Environment,
    deployment: str,
    missing: Missing,
    replaces: Proposal | None,
) -> Proposal:
    if missing.look.build:
        builds.order(ctx, missing.look.build, again=True)
    if reviews.is_open(ctx, environment.name, deployment):
        ready = Ready(missing.snapshot, missing.planned, missing.look)
        review = reviews.submit(ctx, environment, deployment, ready)
        if review.proposal:
            return review.proposal
    edit = missing.planned.edit
    return proposals.propose(ctx, missing.snapshot, edit, environment.name, deployment, replaces)


def place(ctx: Context, missing: Missing) -> str:
    path = builds.standing(ctx, missing.look.build) if missing.look.build else None
    return f"{path} on {ctx.config.repository.builds_branch}" if path else "no Job"


def reason(ctx: Context, missing: Missing, problem: str) -> str:
    return (
        f"the build has failed: {missing.look.image} was not in the registry "
        f"{ctx.config.build.deadline} s after it was proposed, see the log of "
        f"{place(ctx, missing)}{problem}; the same action again builds once more"
    )
