"""Rollouts that wait for their image: `look` takes the next step of one, if there is one to take.

A status, a `reconcile` or the action's own wait calls it. Each step is planned anew on main as it
is, and each effect is one ref moved: the Job on `builds`, then the proposal, then main, then the
proposal gone. So whatever is cut off between two of them, the next look leads to the same end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitops_bridge.bridge import builds, gate, proposals
from gitops_bridge.bridge.known import folder, known
from gitops_bridge.bridge.proposals import Proposal
from gitops_bridge.bridge.rollouts import Look, Plan, Planned, planner
from gitops_bridge.bridge.workshop import Workshop
from gitops_bridge.config import Environment
from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import Hold, Touch
from gitops_bridge.errors import StaleBase
from gitops_bridge.git import Commit, Edit, Snapshot


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


class _Failed:
    """The proposal's build has failed, and main has not gone on."""


@dataclass(frozen=True)
class Progress:
    """What a look has led to.

    proposal   the waiting, held or failed rollout; None when there is none any more
    commit     its delivery, when this look has delivered it
    hold       why it is not delivered although it could be
    image      what it waits for, as long as it does
    """

    proposal: Proposal | None
    commit: Commit | None = None
    hold: Hold | None = None
    image: str | None = None


def look(shop: Workshop, environment: Environment, proposal: Proposal) -> Progress:
    """Take the next step of a waiting rollout, if there is one to take. Raises BridgeError when it
    cannot be told, and then nothing has changed."""
    record = proposal.record
    if record is None:
        return Progress(proposal)
    plan = planner(shop, records.request(record), environment, restarts=record.restarts)
    edit = _next_edit(shop, environment, proposal, plan)
    result = shop.repository.deliver(shop.config.repository.branch, edit)
    if isinstance(result, _Failed):
        return Progress(proposal)
    if isinstance(result, Hold):
        return Progress(proposal, hold=result)
    try:
        if isinstance(result, Missing):
            return _still_missing(shop, environment, proposal, result)
        if isinstance(result, _Gone) and not result.superseded:
            raise StaleBase(f"{proposal.branch} has moved")
        proposals.withdraw(shop, proposal)
    except StaleBase:  # a newer action, or another look
        return Progress(proposals.find(shop, environment.name, proposal.deployment))
    return Progress(None, commit=result if isinstance(result, Commit) else None)


def _next_edit(
    shop: Workshop,
    environment: Environment,
    proposal: Proposal,
    plan: Plan,
) -> Callable[[Snapshot], Edit | Hold | Missing | _Gone | _Failed]:
    home = folder(environment.name, proposal.deployment)

    def edit(snapshot: Snapshot) -> Edit | Hold | Missing | _Gone | _Failed:
        now = proposals.find(shop, environment.name, proposal.deployment)
        if now is None or now.commit != proposal.commit:
            return _Gone(superseded=False)
        found = known(shop.repository, snapshot, home, proposal.deployment)
        if found.last and since(shop, proposal, found.last):
            return _Gone(superseded=True)
        if proposal.failed:
            return _Failed()
        if found.moved and since(shop, proposal, found.moved):
            return Hold(proposal.touch(), found.moved, proposed=True)
        seen = plan(snapshot, found)
        if not isinstance(seen.decision, Planned):
            return _Gone(superseded=True)
        if seen.image and not gate.is_open(shop, seen.image):
            return Missing(snapshot, seen.decision, seen)
        shop.repository.fetch()  # a newer action may have taken the proposal's place meanwhile
        now = proposals.find(shop, environment.name, proposal.deployment)
        if now is None or now.commit != proposal.commit:
            return _Gone(superseded=False)
        return seen.decision.edit

    return edit


def _still_missing(
    shop: Workshop, environment: Environment, proposal: Proposal, missing: Missing
) -> Progress:
    image = str(missing.look.image)
    if proposal.record and proposal.record.image != image:  # the environment builds anew
        proposal = propose(shop, environment, proposal.deployment, missing, proposal)
    elif overdue(shop, proposal):
        return Progress(given_up(shop, proposal, reason(shop, missing, "")))
    return Progress(proposal, image=image)


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
    edit = missing.planned.edit
    return proposals.propose(shop, missing.snapshot, edit, environment.name, deployment, replaces)


def since(shop: Workshop, proposal: Proposal, touch: Touch) -> bool:
    """Whether main got a commit after the proposal was planned."""
    return shop.repository.resolve(touch.commit, proposal.base) is None


def overdue(shop: Workshop, proposal: Proposal) -> bool:
    return shop.clock() - proposal.time > shop.config.build.deadline


def place(shop: Workshop, missing: Missing) -> str:
    path = builds.standing(shop, missing.look.build) if missing.look.build else None
    return f"{path} on {shop.config.repository.builds_branch}" if path else "no Job"


def reason(shop: Workshop, missing: Missing, problem: str) -> str:
    return (
        f"the build has failed: {missing.look.image} was not in the registry "
        f"{shop.config.build.deadline} s after it was proposed, see the log of "
        f"{place(shop, missing)}{problem}; the same action again builds once more"
    )
