"""The answers that change nothing: what Git says of a deployment, an environment, all of them.

Without a cluster to look at these never call a deployment ready and never name a current model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gitops_bridge.actions import Action, Outcome, Request, State, Status
from gitops_bridge.config import Environment
from gitops_bridge.controller import answers, notes, proposals
from gitops_bridge.controller.answers import UNSEEN
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder
from gitops_bridge.controller.listing import Wanted
from gitops_bridge.controller.notes import Note
from gitops_bridge.controller.proposals import Progress, Proposal
from gitops_bridge.desired import messages
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import TreeReader

if TYPE_CHECKING:
    from gitops_bridge.controller.reviews import Review


def answer(ctx: Context, request: Request, environment: Environment) -> Outcome:
    """What an action wants to know that changes nothing. Raises BridgeError."""
    if request.action is Action.PLUGIN_START:
        return plugin_start(ctx)
    if request.action is Action.DEPLOYMENT_LIST:
        return deployment_list(ctx, environment)
    if request.action is Action.PE_STATUS:
        return pe_status(ctx, request, environment)
    return deployment_status(ctx, request, environment)


def plugin_start(ctx: Context) -> Outcome:
    """Whether the first rollout would find what it needs: repository, folders, renderer."""
    from gitops_bridge.controller import environments  # late: only this answer renders
    from gitops_bridge.controller.sources import Reader

    snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=True)
    reader = Reader(snapshot)
    for environment in ctx.config.environments:
        environments.facts(reader, environment.name, ctx.kustomize)
    names = ", ".join(item.name for item in ctx.config.environments)
    return Outcome(
        Status.PASSING,
        message=f"{snapshot.branch} at {snapshot.commit[:12]}; environments: {names}",
        commit=snapshot.commit,
    )


def deployment_status(ctx: Context, request: Request, environment: Environment) -> Outcome:
    seen = _recent(ctx)
    identifier = request.deployment.id if request.deployment else ""
    waiting = proposals.find(ctx, environment.name, identifier)
    progress = _looked_at(ctx, environment, [waiting] if waiting else [])
    seen = _after(ctx, progress) or seen
    models = ctx.listing.models(seen, environment.name, [identifier])
    main = _delivered(seen.commit, models.get(identifier))
    found = _with_waiting(main, identifier, progress.get(identifier))
    return _with_rejection(ctx, seen, environment, identifier, found)


def pe_status(ctx: Context, request: Request, environment: Environment) -> Outcome:
    """The environment, and every deployment that DataRobot or Git knows in it."""
    seen = _recent(ctx)
    waiting = proposals.all_of(ctx, environment.name)
    progress = _looked_at(ctx, environment, waiting)
    seen = _after(ctx, progress) or seen
    models = ctx.listing.models(seen, environment.name, request.known_deployments)
    rejected = notes.all_of(ctx.repository, Note.REJECTED, environment.name)
    listed = {
        identifier: _with_waiting(
            _delivered(seen.commit, models.get(identifier)), identifier, progress.get(identifier)
        )
        for identifier in dict.fromkeys(request.known_deployments)
    }
    for identifier in listed.keys() & rejected.keys():
        listed[identifier] = _with_rejection(ctx, seen, environment, identifier, listed[identifier])
    orphans = sorted(ctx.listing.deployments(seen, environment.name).keys() - listed.keys())
    said = f"Git at {seen.commit[:12]}; {UNSEEN}"
    if orphans and request.known_deployments:
        shown = ", ".join(orphans[:5]) + (", …" if len(orphans) > 5 else "")
        return Outcome(
            Status.WARNING,
            message=f"{said}; in Git but unknown to DataRobot: {shown}",
            commit=seen.commit,
            deployments=listed,
        )
    return Outcome(Status.PASSING, message=said, commit=seen.commit, deployments=listed)


def deployment_list(ctx: Context, environment: Environment) -> Outcome:
    """What main holds and what waits to get there; no rollout takes a step."""
    seen = _recent(ctx)
    models = ctx.listing.models(seen, environment.name)
    waiting = {item.deployment: item for item in proposals.all_of(ctx, environment.name)}
    listed = {
        identifier: _with_waiting(
            _delivered(seen.commit, models.get(identifier)),
            identifier,
            Progress(waiting[identifier]) if identifier in waiting else None,
        )
        for identifier in sorted({*models, *waiting})
    }
    return Outcome(Status.PASSING, message=f"Git at {seen.commit[:12]}", deployments=listed)


def _with_rejection(
    ctx: Context, seen: TreeReader, environment: Environment, identifier: str, found: Outcome
) -> Outcome:
    """What people have turned down, beside what serves."""
    if notes.find(ctx.repository, Note.REJECTED, environment.name, identifier) is None:
        return found
    if proposals.find(ctx, environment.name, identifier):
        return found
    from gitops_bridge.controller import rejections  # late: there mostly is none

    snapshot = ctx.repository.at(seen.commit)
    rejection = rejections.standing(ctx, snapshot, environment.name, identifier)
    if rejection is None:
        return found
    said = f"{rejection} ({answers.rejection_cure(identifier)})"
    serving = snapshot.id(folder(environment.name, identifier)) is not None
    status = Status.WARNING if serving else Status.FAILING
    told = _beside(found, status, found.state if serving else State.ERRORED, said)
    return replace(told, dashboard_url=rejection.url, old_model_in_use=True if serving else None)


def _looked_at(
    ctx: Context, environment: Environment, waiting: Sequence[Proposal]
) -> dict[str, Progress | BridgeError]:
    """Each waiting rollout a step further, within the time an action may take."""
    if not waiting:
        return {}
    from gitops_bridge.controller import waiting as steps  # late: one may need everything there is

    until = ctx.monotonic() + ctx.config.actions.budget
    found: dict[str, Progress | BridgeError] = {}
    with steps.together(ctx, environment, waiting):
        for proposal in waiting:
            if ctx.monotonic() >= until:
                found[proposal.deployment] = Progress(proposal)
                continue
            try:
                found[proposal.deployment] = steps.look(ctx, environment, proposal)
            except BridgeError as error:
                found[proposal.deployment] = error
    return found


def _recent(ctx: Context) -> TreeReader:
    return ctx.repository.tree_reader(
        ctx.config.repository.branch, fetch=True, max_age=ctx.config.actions.status_age
    )


def _after(ctx: Context, progress: Mapping[str, Progress | BridgeError]) -> TreeReader | None:
    """The branch as it is after those steps; None when none was taken."""
    return (
        ctx.repository.tree_reader(ctx.config.repository.branch, fetch=False) if progress else None
    )


def _delivered(commit: str, model: Wanted) -> Outcome:
    if model is None:
        return Outcome(Status.UNKNOWN, State.STOPPED, f"not in Git at {commit[:12]}", commit=commit)
    if isinstance(model, BridgeError):
        return Outcome(Status.WARNING, State.UNKNOWN, str(model), commit=commit)
    return Outcome(
        Status.UNKNOWN,
        State.UNKNOWN,
        f"Git wants model {model}, as of {commit[:12]}; {UNSEEN}",
        commit=commit,
    )


def _with_waiting(
    main: Outcome, identifier: str, progress: Progress | BridgeError | None
) -> Outcome:
    """What main holds is the deployment's state; a rollout that waits is told beside it."""
    if progress is None:
        return main
    serving = main.state is not State.STOPPED
    under_way = State.REPLACING_MODEL if serving else State.LAUNCHING
    if isinstance(progress, BridgeError):
        said = f"a rollout waits and cannot be looked at: {progress}"
        return _beside(main, Status.WARNING, under_way, said)
    proposal = progress.proposal
    if proposal is None:
        return main
    if progress.hold:
        happened, cure = messages.held(progress.hold, identifier)
        return _beside(main, Status.WARNING, main.state, f"{happened} ({cure})")
    if progress.review:
        return _under_review(main, proposal, progress.review, under_way)
    if proposal.record is None:
        said = f"{proposal.branch} cannot be read; the next action of the deployment replaces it"
        return _beside(main, Status.WARNING, main.state, said)
    model = proposal.record.model.id
    if proposal.failed and serving:
        told = _beside(main, Status.WARNING, main.state, f"model {model}: {proposal.failed}")
        return replace(told, old_model_in_use=True)
    if proposal.failed:
        return _beside(main, Status.FAILING, State.ERRORED, f"model {model}: {proposal.failed}")
    image = progress.image or proposal.record.image
    return _beside(main, main.status, under_way, f"model {model} waits for its image {image}")


def _under_review(main: Outcome, proposal: Proposal, review: Review, state: State) -> Outcome:
    record = proposal.record
    what = f"model {record.model.id}" if record and not proposal.is_stop else "the stop"
    state = State.SHUTTING_DOWN if proposal.is_stop else state
    told = _beside(main, Status.WARNING, state, f"{what}: {answers.review_said(review)}")
    return replace(told, dashboard_url=review.url)


def _beside(main: Outcome, status: Status, state: State | None, said: str) -> Outcome:
    return replace(main, status=status, state=state, message=f"{main.message}; {said}")
