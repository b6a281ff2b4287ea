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

from gitops_bridge.bridge import builds, gate, notes, people, proposals, reviews, strangers
from gitops_bridge.bridge.known import folder, known
from gitops_bridge.bridge.notes import Note
from gitops_bridge.bridge.policy import Ready, reviewed
from gitops_bridge.bridge.proposals import Progress, Proposal
from gitops_bridge.bridge.rollouts import Look, Plan, Planned, planner
from gitops_bridge.bridge.workshop import Workshop
from gitops_bridge.config import Environment
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


def look(shop: Workshop, environment: Environment, proposal: Proposal) -> Progress:
    """Take the next step of a waiting rollout, if there is one to take. Raises BridgeError when it
    cannot be told, and then nothing has changed."""
    result = shop.repository.deliver(
        shop.config.repository.branch, _next_edit(shop, environment, proposal)
    )
    if isinstance(result, Commit):
        clear_away(shop, environment, proposal, result)
        return Progress(None, commit=result)
    if isinstance(result, _Stuck):
        review = reviews.standstill(shop, proposal)
        return Progress(review.proposal if review else proposal, review=review)
    if isinstance(result, Hold):
        return Progress(proposal, hold=result)
    try:
        if isinstance(result, Missing):
            return _still_missing(shop, environment, proposal, result)
        if isinstance(result, Ready):
            review = reviews.submit(shop, environment, proposal.deployment, result)
            return Progress(review.proposal, review=review)
        if isinstance(result, _Gone) and not result.superseded:
            raise StaleBase(f"{proposal.branch} has moved")
        reviews.retire(shop, environment, proposal.deployment, proposal, ENDED)
    except StaleBase:  # a newer action, or another look
        return Progress(proposals.find(shop, environment.name, proposal.deployment))
    return Progress(None)


def clear_away(
    shop: Workshop, environment: Environment, proposal: Proposal | None, delivered: Commit
) -> None:
    """What waited when a delivery was planned is superseded by it. Best effort: else the next look
    does it."""
    if proposal is None:
        return
    with suppress(ForgeError, ConfigError, StaleBase):
        proposals.supersede(shop, environment.name, proposal.deployment, delivered)
        reviews.retire(shop, environment, proposal.deployment, proposal, ENDED)


@contextmanager
def together(
    shop: Workshop, environment: Environment, waiting: Sequence[Proposal]
) -> Iterator[None]:
    """In the block, the pull requests of several rollouts are looked at with lists."""
    under_review = notes.all_of(shop.repository, Note.PROPOSED, environment.name)
    with ExitStack() as stack:
        if sum(item.deployment in under_review for item in waiting) >= _WORTH_A_LIST:
            with suppress(ForgeError, ConfigError):  # each look tells it
                listing = shop.pulls().listing(f"{proposals.PREFIX}{environment.name}/")
                stack.enter_context(listing)
        yield


def _plan(shop: Workshop, environment: Environment, proposal: Proposal) -> Plan | None:
    """The planning of what a proposal proposes, on any main; None when that cannot be read, or is
    not what we have proposed."""
    if strangers.is_foreign(shop, proposal):
        return None
    if proposal.rolls_back_to:
        by = Signature(proposal.author, proposal.email)
        return people.rollback_plan(
            shop, environment, proposal.deployment, proposal.rolls_back_to, by
        )
    request = proposal.request(environment.id)
    if request is None:
        return None
    restarts = proposal.record.restarts if proposal.record else None
    return planner(shop, request, environment, restarts=restarts)


def _next_edit(
    shop: Workshop,
    environment: Environment,
    proposal: Proposal,
) -> Callable[[Snapshot], Edit | Hold | Missing | Ready | _Gone | _Stuck]:
    home = folder(environment.name, proposal.deployment)
    is_reviewed = reviewed(shop)
    proposed = shop.repository.at(proposal.commit).id(home)

    plan = _plan(shop, environment, proposal)

    def edit(snapshot: Snapshot) -> Edit | Hold | Missing | Ready | _Gone | _Stuck:
        if not _is_there(shop, proposal):
            return _Gone(superseded=False)
        if snapshot.id(home) == proposed:
            return _Gone(superseded=True)
        found = known(shop.repository, snapshot, home, proposal.deployment)
        if found.last and proposals.since(shop, proposal, found.last) and not proposal.queued:
            return _Gone(superseded=True)
        if plan is None or proposal.failed:
            return _Stuck()
        if found.moved and proposals.since(shop, proposal, found.moved):
            return Hold(proposal.touch(), found.moved, proposed=True)
        seen = plan(snapshot, found)
        if not isinstance(seen.decision, Planned):
            return _Gone(superseded=True)
        if seen.image and not gate.is_open(shop, seen.image):
            return Missing(snapshot, seen.decision, seen)
        if is_reviewed(seen.decision):
            return Ready(snapshot, seen.decision, seen)
        return replace(seen.decision.edit, along=proposals.withdrawn(shop, proposal))

    return edit


def _is_there(shop: Workshop, proposal: Proposal) -> bool:
    now = proposals.find(shop, proposal.environment, proposal.deployment)
    return now is not None and now.commit == proposal.commit


def _still_missing(
    shop: Workshop, environment: Environment, proposal: Proposal, missing: Missing
) -> Progress:
    with suppress(ForgeError):  # a provider that is down keeps no build from being told of
        review = reviews.ended(shop, proposal)
        if review:
            return Progress(review.proposal, review=review)
    image = str(missing.look.image)
    is_other = proposal.record is not None and proposal.record.image != image
    if is_other or proposal.adrift:  # the environment builds anew, or its branch is ours again
        proposal = propose(shop, environment, proposal.deployment, missing, proposal)
    elif proposals.overdue(shop, proposal):
        return Progress(given_up(shop, proposal, reason(shop, missing, "")))
    return Progress(proposal, image=image)


def renewed(shop: Workshop, environment: Environment, proposal: Proposal) -> Proposal:
    """The proposal planned anew on main as it is, so that it goes over what people changed since.
    Raises RequestError when there is nothing left to propose, StaleBase when it has moved."""
    snapshot, edit = _anew(shop, environment, proposal)
    return proposals.propose(shop, snapshot, edit, environment.name, proposal.deployment, proposal)


def queue_again(shop: Workshop, environment: Environment, proposal: Proposal) -> None:
    """Have one that had ended proposed by the next look, planned anew on main as it is. Raises
    RequestError when there is nothing left to propose."""
    snapshot, edit = _anew(shop, environment, proposal)
    proposals.queue(shop, snapshot, edit, environment.name, proposal.deployment)


def _anew(shop: Workshop, environment: Environment, proposal: Proposal) -> tuple[Snapshot, Edit]:
    plan = _plan(shop, environment, proposal)
    snapshot = shop.repository.snapshot(shop.config.repository.branch, fetch=True)
    decision = plan(snapshot).decision if plan else None
    if not isinstance(decision, Planned):
        raise RequestError(f"{proposal.branch} has nothing to deliver", hint="send a new action")
    return snapshot, decision.edit


def given_up(shop: Workshop, proposal: Proposal, why: str) -> Proposal | None:
    """The proposal marked as failed, or what has taken its place meanwhile."""
    try:
        return proposals.give_up(shop, proposal, why)
    except StaleBase:
        return proposals.find(shop, proposal.environment, proposal.deployment)


def propose(
    shop: Workshop,
    environment: Environment,
    deployment: str,
    missing: Missing,
    replaces: Proposal | None,
) -> Proposal:
    if missing.look.build:
        builds.order(shop, missing.look.build, again=True)
    if reviews.is_open(shop, environment.name, deployment):
        ready = Ready(missing.snapshot, missing.planned, missing.look)
        review = reviews.submit(shop, environment, deployment, ready)
        if review.proposal:
            return review.proposal
    edit = missing.planned.edit
    return proposals.propose(shop, missing.snapshot, edit, environment.name, deployment, replaces)


def place(shop: Workshop, missing: Missing) -> str:
    path = builds.standing(shop, missing.look.build) if missing.look.build else None
    return f"{path} on {shop.config.repository.builds_branch}" if path else "no Job"


def reason(shop: Workshop, missing: Missing, problem: str) -> str:
    return (
        f"the build has failed: {missing.look.image} was not in the registry "
        f"{shop.config.build.deadline} s after it was proposed, see the log of "
        f"{place(shop, missing)}{problem}; the same action again builds once more"
    )
