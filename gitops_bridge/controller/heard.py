"""An action that found Git holding what it asks for leaves no commit, so it leaves a note.

Without it the same action after a person's revert would count as a newer one: a start that says
what a relaunch has delivered is another action than that relaunch. `stages` writes the note,
`known` reads it. It is a commit on main as it was then, with the record the action would have left.
"""

from __future__ import annotations

from contextlib import suppress

from gitops_bridge.actions import Request
from gitops_bridge.controller import notes
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder
from gitops_bridge.controller.notes import Note
from gitops_bridge.desired import messages
from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import RECORD, Known
from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import Edit, Update


def keep(ctx: Context, environment: str, request: Request, found: Known, commit: str) -> None:
    """Note that `request` was answered by what main holds at `commit`, unless that is known. Best
    effort: an answer is not worth less where a server takes no note."""
    if request.deployment is None or found.last is None:
        return
    if found.moved and found.answered:  # an old action once more: what we delivered weighs more
        return
    record = records.of(request, rollout=0, restarts=0, image="") if request.model else None
    if (record.asked if record else None) in found.heard:
        return
    deployment = request.deployment.id
    path = f"{folder(environment, deployment)}/{RECORD}"
    edit = Edit(
        changes={path: records.write(record).encode()} if record else {},
        guards={},
        message=messages.answered(request.action.value, deployment, environment),
        author=ctx.author,
    )
    repository = ctx.repository
    with suppress(RepositoryError):
        note = repository.commit(repository.at(commit), edit)
        notes.put(repository, Note.ANSWERED, environment, deployment, note.id)


def forgotten(ctx: Context, environment: str, deployment: str) -> tuple[Update, ...]:
    """What a delivery moves along: the note goes, if there is one. Where a server keeps it, `known`
    sees that the delivery is newer."""
    return notes.removals(ctx.repository, Note.ANSWERED, environment, deployment)
