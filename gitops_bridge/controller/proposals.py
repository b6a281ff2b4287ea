"""Rollouts that wait: one branch `gitops-bridge/<environment>/<deployment>` each.

Such a branch holds one commit on top of main's head as it was: the overlay as it would be, with the
record from which the action can be planned again. It is never merged nor rebased. When its time has
come, the action is planned anew on main, and the branch goes in the same push; when something newer
comes, it is replaced or deleted. All of that is compare-and-swap, so that of a delivery and what
supersedes it one comes first and the other one looks again. A build that failed is told by one
more, empty commit on top. A proposal whose branch is not ours to write waits in a note until it is.
`stages` makes, finds and withdraws proposals; `builds` and `reports` list them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitops_bridge.actions import Action, Deployment, Request
from gitops_bridge.controller import notes
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder
from gitops_bridge.controller.notes import Note
from gitops_bridge.desired import messages
from gitops_bridge.desired import record as records
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import RECORD, Change, Hold, Rollout, Touch
from gitops_bridge.errors import RenderError, StaleBase
from gitops_bridge.git import Commit, Edit, Snapshot, Update

if TYPE_CHECKING:
    from gitops_bridge.controller.reviews import Review

PREFIX = "gitops-bridge/"


@dataclass(frozen=True)
class Proposal:
    """One waiting rollout.

    commit    the proposal itself, or the one on top that says that its build has failed
    base      the commit of main it was planned on
    time      when it was proposed, in seconds since the epoch
    author    who proposed it, and at which address
    record    what it would deliver; None when a person's push made it unreadable
    failed    why its build has failed, once that has been told; None while it waits
    trailers  of the commit that proposes it
    there     where its branch is, which a compare-and-swap expects; None when it is gone
    queued    whether it waits in a note, for a branch that was not ours to write
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
    there: str | None = None
    queued: bool = False

    @property
    def is_stop(self) -> bool:
        return self.trailers.get(messages.ACTION) == Action.DEPLOYMENT_STOP.value

    @property
    def adrift(self) -> bool:
        """Whether it is not on its branch: that is gone, as providers remove it while its review
        has not ended, or has still what this one is to replace."""
        return self.there != self.commit

    def asks(self, rollout: Rollout) -> bool:
        """Whether an action's rollout is this very one asked for again; a person's never is."""
        if rollout.change in (Change.ROLLBACK, Change.RELEASE):
            return False
        if rollout.after is None:
            return self.is_stop
        return self.record is not None and self.record.asked == rollout.after.asked

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


def find(ctx: Context, environment: str, deployment: str) -> Proposal | None:
    """The proposal for a deployment as the mirror has last seen it: the one that is queued as soon
    as the branch is as we left it or gone, else the one on the branch or under review."""
    there = ctx.repository.branch(branch(environment, deployment))
    proposed, queued = (
        notes.find(ctx.repository, note, environment, deployment)
        for note in (Note.PROPOSED, Note.QUEUED)
    )
    is_next = queued not in (None, there) and there in (None, proposed)
    commit = queued if is_next else there or proposed
    if commit is None:
        return None
    found = read(ctx, environment, deployment, commit)
    return replace(found, there=there, queued=is_next)


def all_of(ctx: Context, environment: str | None = None) -> list[Proposal]:
    """The proposals, of one environment or of all, as the mirror has last seen them."""
    prefix = PREFIX if environment is None else f"{PREFIX}{environment}/"
    branches = ctx.repository.branches(prefix, fetch=False)
    found = {tuple(name.removeprefix(PREFIX).split("/")) for name in branches}
    for name in [environment] if environment else [item.name for item in ctx.config.environments]:
        for note in (Note.PROPOSED, Note.QUEUED):
            found |= {(name, item) for item in notes.all_of(ctx.repository, note, name)}
    named = sorted(where for where in found if len(where) == 2)
    return [item for where in named if (item := find(ctx, *where))]


def overdue(ctx: Context, proposal: Proposal) -> bool:
    """Whether a build for it would have ended by now."""
    return ctx.clock() - proposal.time > ctx.config.build.deadline


def holds(ctx: Context, proposal: Proposal, snapshot: Snapshot, files: Mapping[str, bytes]) -> bool:
    """Whether it is the change to these very files, on a main whose folder is as it was for it."""
    home = folder(proposal.environment, proposal.deployment)
    return (
        proposal.failed is None
        and ctx.repository.at(proposal.base).id(home) == snapshot.id(home)
        and ctx.repository.at(proposal.commit).files(home) == dict(files)
    )


def since(ctx: Context, proposal: Proposal, touch: Touch) -> bool:
    """Whether main got a commit only after the proposal was planned."""
    return ctx.repository.resolve(touch.commit, proposal.base) is None


def propose(
    ctx: Context,
    snapshot: Snapshot,
    edit: Edit,
    environment: str,
    deployment: str,
    replaces: Proposal | None,
) -> Proposal:
    """Put `edit`, planned on main at `snapshot`, on the deployment's branch.

    Raises StaleBase when the branch is no longer at `replaces` (None: not there).
    """
    commit = ctx.repository.commit(snapshot, edit)
    there = replaces.there if replaces else None
    return put(ctx, replace(read(ctx, environment, deployment, commit.id), there=there))


def put(ctx: Context, proposal: Proposal) -> Proposal:
    """Move the branch to the proposal, after which nothing is queued. Raises StaleBase when it is
    not where it was seen.

    What was queued before is replaced there first: no crash brings something older back.
    """
    where = proposal.environment, proposal.deployment
    if notes.find(ctx.repository, Note.QUEUED, *where):
        notes.put(ctx.repository, Note.QUEUED, *where, proposal.commit)
    wanted = ctx.repository.commit_of(proposal.commit)
    ctx.repository.replace_branch(proposal.branch, wanted, proposal.there)
    dequeue(ctx, proposal)
    return replace(proposal, there=proposal.commit, queued=False)


def queue(
    ctx: Context, snapshot: Snapshot, edit: Edit, environment: str, deployment: str
) -> Proposal:
    """Keep `edit`, planned on main at `snapshot`, until the deployment's branch is ours to write.
    What was queued before is superseded by it."""
    commit = ctx.repository.commit(snapshot, edit)
    notes.put(ctx.repository, Note.QUEUED, environment, deployment, commit.id)
    there = ctx.repository.branch(branch(environment, deployment))
    return replace(read(ctx, environment, deployment, commit.id), there=there, queued=True)


def dequeue(ctx: Context, proposal: Proposal) -> None:
    """Nothing is queued any more if that is this very proposal. Raises StaleBase."""
    where = proposal.environment, proposal.deployment
    if notes.find(ctx.repository, Note.QUEUED, *where) == proposal.commit:
        notes.drop(ctx.repository, Note.QUEUED, *where)


def supersede(ctx: Context, environment: str, deployment: str, delivered: Commit) -> None:
    """Drop what is queued, unless it was asked after that delivery. Raises StaleBase."""
    queued = notes.find(ctx.repository, Note.QUEUED, environment, deployment)
    if queued and ctx.repository.resolve(delivered.id, queued) is None:
        notes.drop(ctx.repository, Note.QUEUED, environment, deployment)


def give_up(ctx: Context, proposal: Proposal, reason: str) -> Proposal:
    """Note on the branch that the build has failed; its files stay as they are.

    Raises StaleBase when the branch has moved.
    """
    name = proposal.record.name if proposal.record else proposal.deployment
    message = messages.build_failed(name, proposal.environment, reason)
    edit = Edit({}, {}, ctx.message(message, ctx.author), ctx.author)
    commit = ctx.repository.commit(ctx.repository.at(proposal.commit), edit)
    given_up = read(ctx, proposal.environment, proposal.deployment, commit.id)
    return put(ctx, replace(given_up, there=proposal.there))


def withdraw(ctx: Context, proposal: Proposal) -> None:
    """Delete the branch: its rollout was delivered or superseded. Raises StaleBase."""
    require_unmoved(ctx, proposal)
    if proposal.there and ctx.repository.branch(proposal.branch):
        ctx.repository.delete_branch(proposal.branch, proposal.there)
    dequeue(ctx, proposal)


def require_unmoved(ctx: Context, proposal: Proposal) -> None:
    """Raises StaleBase when the branch is neither where it was seen nor gone."""
    if ctx.repository.branch(proposal.branch) not in (None, proposal.there):
        raise StaleBase(f"{proposal.branch} has moved", retry=True)


def withdrawn(ctx: Context, proposal: Proposal | None) -> tuple[Update, ...]:
    """What a delivery moves along, so that nothing older is proposed behind it: what is queued goes
    and so does the branch. While that is under review it has but to be where it was: it goes after
    its pull request was told."""
    if proposal is None:
        return ()
    where = proposal.environment, proposal.deployment
    queued = notes.removals(ctx.repository, Note.QUEUED, *where)
    if proposal.there is None:
        return queued
    under_review = notes.find(ctx.repository, Note.PROPOSED, *where) is not None
    after = proposal.there if under_review else ""
    return (Update(proposal.branch, proposal.there, after), *queued)


def read(ctx: Context, environment: str, deployment: str, head: str) -> Proposal:
    """The proposal whose branch is, or was, at the commit `head`."""
    top = ctx.repository.commit_of(head)
    failed = top.trailers.get(messages.BUILD_FAILED)
    proposed = _parent(ctx, top) if failed else top
    return Proposal(
        environment=environment,
        deployment=deployment,
        commit=head,
        base=next(iter(proposed.parents), proposed.id),
        time=proposed.time,
        author=proposed.author.name,
        email=proposed.author.email,
        record=_record(ctx, head, f"{folder(environment, deployment)}/{RECORD}"),
        failed=failed,
        trailers=proposed.trailers,
        there=head,
    )


def _parent(ctx: Context, commit: Commit) -> Commit:
    return ctx.repository.commit_of(commit.parents[0]) if commit.parents else commit


def _record(ctx: Context, commit: str, path: str) -> Record | None:
    content = ctx.repository.at(commit).read(path)
    try:
        return records.read(content, path) if content is not None else None
    except RenderError:
        return None
