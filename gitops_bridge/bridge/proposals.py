"""Rollouts that wait: one branch `gitops-bridge/<environment>/<deployment>` each.

Such a branch holds one commit on top of main's head as it was: the overlay as it would be, with the
record from which the action can be planned again. It is never merged nor rebased. When its time has
come, the action is planned anew on main; when something newer comes, the branch is replaced or
deleted, always by compare-and-swap. A build that failed is told by one more, empty commit on top.
`stages` makes, finds and withdraws proposals; `builds` and `reports` list them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitops_bridge.bridge.known import folder
from gitops_bridge.bridge.workshop import Workshop
from gitops_bridge.desired import messages
from gitops_bridge.desired import record as records
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import RECORD, Touch
from gitops_bridge.errors import RenderError
from gitops_bridge.git import Commit, Edit, Snapshot

PREFIX = "gitops-bridge/"


@dataclass(frozen=True)
class Proposal:
    """One waiting rollout.

    commit    where the branch is; what a compare-and-swap expects
    base      the commit of main it was planned on
    time      when it was proposed, in seconds since the epoch
    author    who proposed it
    record    what it would deliver; None when a person's push made it unreadable
    failed    why its build has failed, once that has been told; None while it waits
    """

    environment: str
    deployment: str
    commit: str
    base: str
    time: int
    author: str
    record: Record | None
    failed: str | None = None

    @property
    def branch(self) -> str:
        return branch(self.environment, self.deployment)

    def touch(self) -> Touch:
        return Touch(self.commit, self.author, self.record)


def branch(environment: str, deployment: str) -> str:
    return f"{PREFIX}{environment}/{deployment}"


def find(shop: Workshop, environment: str, deployment: str) -> Proposal | None:
    """The proposal for a deployment as the mirror has last seen it."""
    name = branch(environment, deployment)
    commit = shop.repository.branches(name, fetch=False).get(name)
    return _read(shop, environment, deployment, commit) if commit else None


def all_of(shop: Workshop, environment: str | None = None) -> list[Proposal]:
    """The proposals, of one environment or of all, as the mirror has last seen them."""
    prefix = PREFIX if environment is None else f"{PREFIX}{environment}/"
    found = []
    for name, commit in shop.repository.branches(prefix, fetch=False).items():
        parts = name.removeprefix(PREFIX).split("/")
        if len(parts) == 2:
            found.append(_read(shop, parts[0], parts[1], commit))
    return found


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
    shop.repository.replace_branch(name, commit, replaces.commit if replaces else None)
    return _read(shop, environment, deployment, commit.id)


def give_up(shop: Workshop, proposal: Proposal, reason: str) -> Proposal:
    """Note on the branch that the build has failed; its files stay as they are.

    Raises StaleBase when the branch has moved.
    """
    name = proposal.record.name if proposal.record else proposal.deployment
    message = messages.build_failed(name, proposal.environment, reason)
    edit = Edit(changes={}, guards={}, message=message, author=shop.author)
    commit = shop.repository.commit(shop.repository.at(proposal.commit), edit)
    shop.repository.replace_branch(proposal.branch, commit, proposal.commit)
    return _read(shop, proposal.environment, proposal.deployment, commit.id)


def withdraw(shop: Workshop, proposal: Proposal) -> None:
    """Delete the branch: its rollout was delivered or superseded. Raises StaleBase."""
    shop.repository.delete_branch(proposal.branch, proposal.commit)


def _read(shop: Workshop, environment: str, deployment: str, head: str) -> Proposal:
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
        record=_record(shop, head, f"{folder(environment, deployment)}/{RECORD}"),
        failed=failed,
    )


def _parent(shop: Workshop, commit: Commit) -> Commit:
    return shop.repository.commit_of(commit.parents[0]) if commit.parents else commit


def _record(shop: Workshop, commit: str, path: str) -> Record | None:
    content = shop.repository.at(commit).read(path)
    try:
        return records.read(content, path) if content is not None else None
    except RenderError:
        return None
