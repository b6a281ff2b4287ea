"""A start, replacement, relaunch or stop to what became of it within the action's budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitops_bridge.actions import Action, Outcome, Request, Status
from gitops_bridge.config import Environment
from gitops_bridge.controller import recovery, relaunches, views
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.loop import Loop, Result
from gitops_bridge.controller.observing import Ask, Target, stand
from gitops_bridge.controller.planning import Planned
from gitops_bridge.errors import BridgeError
from gitops_bridge.rollout import answer
from gitops_bridge.rollout.answer import describe
from gitops_bridge.rollout.effects import Branch
from gitops_bridge.rollout.observed import Cause
from gitops_bridge.rollout.state import Phase, Wish

if TYPE_CHECKING:
    from gitops_bridge.desired.pull_request import Text


@dataclass(frozen=True)
class Preview:
    """What an action would do: the phase it would lead to, in words, the change if it makes one,
    the files that are there now, and the text of a pull request if that was asked for."""

    phase: str
    said: str
    planned: Planned | None
    files: Mapping[str, bytes]
    pull_request: Text | None = None


def act(ctx: Context, request: Request, environment: Environment, *, dry_run: bool) -> Outcome:
    """Carry out the action. Raises BridgeError; what it had done by then the next look goes on
    from."""
    ctx.digests.clear()
    until = ctx.monotonic() + ctx.config.actions.budget
    target = _target(request, environment)
    with _wish(ctx, target, request) as wish:
        try:
            if dry_run:
                return _previewed(ctx, target, wish)
            recovered = recovery.ensure(ctx)
            result = Loop(ctx, target).run(Ask(Cause.ASKED, wish), until=until)
        except BridgeError as error:
            error.serving = _held_model(ctx, target)
            raise
        return _outcome(ctx, target, wish, result, recovered=recovered)


def preview(
    ctx: Context, request: Request, environment: Environment, *, reviewed: bool = False
) -> Preview:
    """What the action would do to the branches as they are now, with `reviewed` as a pull request
    shows it. Nothing is changed."""
    target = _target(request, environment)
    ctx.repository.fetch()
    record = stand(ctx, target).record
    restarts = (record.restarts if record else 0) + 1
    return _preview(ctx, target, Wish(request, restarts=restarts), reviewed=reviewed)


def _preview(ctx: Context, target: Target, wish: Wish, *, reviewed: bool = False) -> Preview:
    result = Loop(ctx, target, fresh=True).plan(Ask(Cause.ASKED, wish))
    transition, sight = result.transitions[0], result.sight
    push, planned = transition.push, sight.plan.planned if sight.plan else None
    build = sight.plan.build if sight.plan else None
    if push is None or planned is None or transition.state.phase is Phase.HELD:
        after = replace(result.sight.stand, state=transition.state)
        said = describe(views.of_stand(ctx, target, after)) or _NOTHING.format(
            sight.stand.main.commit[:12]
        )
        return Preview(transition.state.phase.value, said, None, sight.stand.files)
    subject = planned.edit.message.split("\n", 1)[0]
    if push.branch is Branch.PUT:
        said = f"would propose: {subject}"
    elif push.deliver:
        said = f"would commit: {subject}"
    elif push.order and build:
        said = f"would build {build.image} and wait for it: {subject}"
    else:
        said = f"{transition.situation.value}: {subject}"
    text = None
    if reviewed and sight.plan:
        from gitops_bridge.controller import texts  # late: it loads the template engine

        text = texts.preview(ctx, target.environment, sight.plan, planned, sight.stand.main)
    return Preview(transition.state.phase.value, said, planned, sight.stand.files, text)


_NOTHING = "nothing to do: Git holds this already, as of {}"


def _previewed(ctx: Context, target: Target, wish: Wish) -> Outcome:
    ctx.repository.fetch()
    found = _preview(ctx, target, wish)
    said = f"dry run, {found.said}" if found.planned else found.said
    status = Status.WARNING if found.phase == Phase.HELD.value else Status.PASSING
    return Outcome(status, message=said)


def _target(request: Request, environment: Environment) -> Target:
    if request.deployment is None:
        raise ValueError(f"{request.action.value} is not about one deployment")
    return Target(environment, request.deployment.id)


@contextmanager
def _wish(ctx: Context, target: Target, request: Request) -> Iterator[Wish]:
    """The request as a wish; a relaunch counts on from main as it is on the server."""
    if request.action is not Action.DEPLOYMENT_RELAUNCH:
        yield Wish(request)
        return
    ctx.repository.fetch()
    record = stand(ctx, target).record
    restarts = record.restarts if record else 0
    with relaunches.counted(ctx.cache, target.branch, request, restarts) as goal:
        yield Wish(request, restarts=goal)


def _held_model(ctx: Context, target: Target) -> str | None:
    """The model that main's record names, as the mirror has last seen it."""
    try:
        record = stand(ctx, target).record
    except BridgeError:
        return None
    return record.model.id if record else None


def _outcome(
    ctx: Context, target: Target, wish: Wish, result: Result, *, recovered: bool
) -> Outcome:
    view = views.of_result(ctx, target, result)
    request = wish.request
    if request is None:
        raise ValueError("an action is a request")
    if recovered:
        branch = ctx.config.repository.rollouts_branch
        said = f"the branch {branch} was gone and was made anew from main's history"
        view = replace(view, warnings=(*view.warnings, said))
    view = replace(view, prediction_url=views.prediction_url(target, request.model))
    commit = result.commit
    subject = commit.message.split("\n", 1)[0] if commit else ""
    return answer.action(
        view, wish, request.action, commit=commit.id if commit else "", subject=subject
    )
