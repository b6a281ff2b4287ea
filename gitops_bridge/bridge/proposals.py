"""Rollouts that wait: one branch `gitops-bridge/<environment>/<deployment>` each.

Such a branch holds one commit on top of main's head as it was: the overlay as it would be, with the
record from which the action can be planned again. It is never merged nor rebased. When its time has
come, the action is planned anew on main, and the branch goes in the same push; when something newer
comes, it is replaced or deleted. All of that is compare-and-swap, so that of a delivery and what
supersedes it one comes first and the other one looks again. A build that failed is told by one
more, empty commit on top.
`stages` makes, finds and withdraws proposals; `builds` and `reports` list them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitops_bridge.actions import Action, Deployment, Request
from gitops_bridge.bridge import notes
from gitops_bridge.bridge.known import folder
from gitops_bridge.bridge.notes import Note
from gitops_bridge.bridge.workshop import Workshop
from gitops_bridge.desired import messages
from gitops_bridge.desired import record as records
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import RECORD, Hold, Touch
from gitops_bridge.errors import RenderError
from gitops_bridge.git import Commit, Edit, Snapshot, Update

if TYPE_CHECKING:
    from gitops_bridge.bridge.reviews import Review

PREFIX = "gitops-bridge/"


@dataclass(frozen=True)
class Proposal:
    """One waiting rollout.

    commit    where the branch is; what a compare-and-swap expects
    base      the commit of main it was planned on
    time      when it was proposed, in seconds since the epoch
    author    who proposed it, and at which address
    record    what it would deliver; None when a person's push made it unreadable
    failed    why its build has failed, once that has been told; None while it waits
    trailers  of the commit that proposes it
    adrift    whether its branch is gone, as providers remove it, while its review has not ended
    """

    environment: str
    deployment: str
    commit: str
    base: str
    time: int
    author: str
    email: str
    record: Record | None
    failed: str | None = None
    trailers: Mapping[str, str] = field(default_factory=dict)
    adrift: bool = False

    @property
    def is_stop(self) -> bool:
        return self.trailers.get(messages.ACTION) == Action.DEPLOYMENT_STOP.value

    @property
    def rolls_back_to(self) -> str | None:
        """The commit a person goes back to with it."""
        return self.trailers.get(messages.ROLLED_BACK_TO)

    @property
    def branch(self) -> str:
        return branch(self.environment, self.deployment)

    def request(self, environment_id: str) -> Request | None:
        """The action that asked for it; None when it was a person, or cannot be read."""
        if self.is_stop:
            deployment = Deployment(self.deployment, self.deployment)
            return Request(Action.DEPLOYMENT_STOP, environment_id, deployment)
        if self.record is None or self.rolls_back_to:
            return None
        return records.request(self.record)

    def touch(self) -> Touch:
        return Touch(self.commit, self.author, self.record)


@dataclass(frozen=True)
class Progress:
    """What a look has led to.

    proposal   the waiting, held or failed rollout; None when there is none any more
    commit     its delivery, when this look has delivered it
    hold       why it is not delivered although it could be
    image      what it waits for, as long as it does
    review     where its review stands, once there is one
    """

    proposal: Proposal | None
    commit: Commit | None = None
    hold: Hold | None = None
    image: str | None = None
    review: Review | None = None


def branch(environment: str, deployment: str) -> str:
    return f"{PREFIX}{environment}/{deployment}"


def find(shop: Workshop, environment: str, deployment: str) -> Proposal | None:
    """The proposal for a deployment as the mirror has last seen it."""
    commit = shop.repository.branch(branch(environment, deployment))
    if commit:
        return read(shop, environment, deployment, commit)
    noted = notes.find(shop.repository, Note.PROPOSED, environment, deployment)
    return replace(read(shop, environment, deployment, noted), adrift=True) if noted else None


def all_of(shop: Workshop, environment: str | None = None) -> list[Proposal]:
    """The proposals, of one environment or of all, as the mirror has last seen them."""
    prefix = PREFIX if environment is None else f"{PREFIX}{environment}/"
    found = []
    for name, commit in shop.repository.branches(prefix, fetch=False).items():
        parts = name.removeprefix(PREFIX).split("/")
        if len(parts) == 2:
            found.append(read(shop, parts[0], parts[1], commit))
    for name in [environment] if environment else [item.name for item in shop.config.environments]:
        there = {item.deployment for item in found if item.environment == name}
        for deployment in notes.all_of(shop.repository, Note.PROPOSED, name).keys() - there:
            found += filter(None, [find(shop, name, deployment)])
    return sorted(found, key=lambda item: item.branch)


def since(shop: Workshop, proposal: Proposal, touch: Touch) -> bool:
    """Whether main got a commit only after the proposal was planned."""
    return shop.repository.resolve(touch.commit, proposal.base) is None


def propose(
    shop: Workshop,
    snapshot: Snapshot,
    edit: Edit,
    environment: str,
    deployment: str,
    replaces: Proposal | None,
) -> Proposal:
    """Put `edit`, planned on main at `snapshot`, on the deployment's branch.

    Raises StaleBase when the branch is no longer at `replaces` (None: not there).
    """
    commit = shop.repository.commit(snapshot, edit)
    name = branch(environment, deployment)
    there = replaces.commit if replaces and not replaces.adrift else None
    shop.repository.replace_branch(name, commit, there)
    return read(shop, environment, deployment, commit.id)


def give_up(shop: Workshop, proposal: Proposal, reason: str) -> Proposal:
    """Note on the branch that the build has failed; its files stay as they are.

    Raises StaleBase when the branch has moved.
    """
    name = proposal.record.name if proposal.record else proposal.deployment
    message = messages.build_failed(name, proposal.environment, reason)
    edit = Edit(changes={}, guards={}, message=message, author=shop.author)
    commit = shop.repository.commit(shop.repository.at(proposal.commit), edit)
    shop.repository.replace_branch(proposal.branch, commit, proposal.commit)
    return read(shop, proposal.environment, proposal.deployment, commit.id)


def withdraw(shop: Workshop, proposal: Proposal) -> None:
    """Delete the branch: its rollout was delivered or superseded. Raises StaleBase."""
    shop.repository.delete_branch(proposal.branch, proposal.commit)


def withdrawn(shop: Workshop, proposal: Proposal | None) -> tuple[Update, ...]:
    """`withdraw` as part of a delivery. While it is under review the branch has but to be where it
    was: it goes after its pull request was told."""
    if proposal is None or proposal.adrift:
        return ()
    where = proposal.environment, proposal.deployment
    under_review = notes.find(shop.repository, Note.PROPOSED, *where) is not None
    return (Update(proposal.branch, proposal.commit, proposal.commit if under_review else ""),)


def read(shop: Workshop, environment: str, deployment: str, head: str) -> Proposal:
    """The proposal whose branch is, or was, at the commit `head`."""
    top = shop.repository.commit_of(head)
    failed = top.trailers.get(messages.BUILD_FAILED)
    proposed = _parent(shop, top) if failed else top
    return Proposal(
        environment=environment,
        deployment=deployment,
        commit=head,
        base=next(iter(proposed.parents), proposed.id),
        time=proposed.time,
        author=proposed.author.name,
        email=proposed.author.email,
        record=_record(shop, head, f"{folder(environment, deployment)}/{RECORD}"),
        failed=failed,
        trailers=proposed.trailers,
    )


def _parent(shop: Workshop, commit: Commit) -> Commit:
    return shop.repository.commit_of(commit.parents[0]) if commit.parents else commit


def _record(shop: Workshop, commit: str, path: str) -> Record | None:
    content = shop.repository.at(commit).read(path)
    try:
        return records.read(content, path) if content is not None else None
    except RenderError:
        return None
