"""Proposals that people closed: what was rejected, by whom, why, and what that covers.

A rejection is a note on the proposal (see `notes`). It stands for an action equal to the rejected
one as long as nothing newer was delivered; `reviews` writes it and obeys it, `reports` tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_bridge.controller import notes, proposals
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder, known
from gitops_bridge.controller.notes import Note
from gitops_bridge.controller.proposals import Proposal
from gitops_bridge.desired import messages
from gitops_bridge.desired.rollout import Known
from gitops_bridge.git import Snapshot

if TYPE_CHECKING:
    from gitops_bridge.controller.policy import Ready


@dataclass(frozen=True)
class Rejection:
    proposal: Proposal
    by: str
    because: str | None
    url: str

    def __str__(self) -> str:
        record = self.proposal.record
        what = f"model {record.model.id}" if record else "the stop"
        why = f": {self.because}" if self.because else ""
        return f"{what} was rejected by {self.by} in {self.url}{why}"


def find_rejection(ctx: Context, environment: str, deployment: str) -> Rejection | None:
    """The last rejection of a deployment's proposal, whether or not it still stands."""
    commit = notes.find(ctx.repository, Note.REJECTED, environment, deployment)
    if commit is None:
        return None
    note = ctx.repository.commit_of(commit)
    if not note.parents:
        return None
    return Rejection(
        proposals.read(ctx, environment, deployment, note.parents[0]),
        note.trailers.get(messages.REJECTED_BY, "somebody"),
        note.trailers.get(messages.REJECTED_BECAUSE),
        note.trailers.get(messages.PULL_REQUEST, ""),
    )


def standing(
    ctx: Context, snapshot: Snapshot, environment: str, deployment: str
) -> Rejection | None:
    """The rejection, if nothing was delivered since."""
    rejection = find_rejection(ctx, environment, deployment)
    if rejection is None:
        return None
    home = folder(environment, deployment)
    found = known(ctx.repository, snapshot, home, deployment)
    return None if _superseded(ctx, rejection.proposal, found) else rejection


def covers(ctx: Context, proposal: Proposal, ready: Ready) -> bool:
    """Whether the change is the same as that proposal, so that what people say of one counts for
    the other."""
    same = proposal.asks(ready.planned.rollout)
    return same and not _superseded(ctx, proposal, ready.look.known)


def _superseded(ctx: Context, proposal: Proposal, found: Known) -> bool:
    return found.last is not None and proposals.since(ctx, proposal, found.last)
