"""A deployment's stand in Git, and what a run made of it, to the View that answers need."""

from __future__ import annotations

from gitops_bridge.actions import Model
from gitops_bridge.controller import builds, movers
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.loop import Result
from gitops_bridge.controller.observing import Stand, Target
from gitops_bridge.desired import record as records
from gitops_bridge.desired.record import Serving
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.errors import RenderError
from gitops_bridge.rollout import answer
from gitops_bridge.rollout.answer import View
from gitops_bridge.rollout.state import Phase, Who


def of_result(ctx: Context, target: Target, result: Result) -> View:
    """After a run, with what it could not see and what people should know."""
    sight = result.sight
    return of_stand(ctx, target, sight.stand, sight.problem, result.warnings)


def of_stand(
    ctx: Context, target: Target, found: Stand, problem: str = "", warnings: tuple[str, ...] = ()
) -> View:
    model, broken = _model(target, found)
    problem = "; ".join(part for part in (broken, problem) if part)
    return View(
        deployment=target.deployment,
        state=found.state,
        main=found.content,
        model=model,
        commit=found.main.commit,
        prediction_url=prediction_url(target, model),
        serving=_serving(target, found),
        mover=_mover(ctx, target, found),
        job=_job(ctx, found),
        problem=problem,
        warnings=warnings,
    )


def _model(target: Target, found: Stand) -> tuple[Model | None, str]:
    """The model that main's record names, and why that cannot be read."""
    text = found.files.get(RECORD)
    try:
        return (records.read(text, f"{target.home}/{RECORD}").model if text else None), ""
    except RenderError as error:
        return None, str(error)


def _serving(target: Target, found: Stand) -> Serving | None:
    text = found.files.get(RECORD)
    try:
        return records.serving(text, f"{target.home}/{RECORD}") if text else None
    except RenderError:
        return None


def _job(ctx: Context, found: Stand) -> str:
    """The Job file that builds what is waited for, with its branch."""
    state = found.state
    if state.phase is not Phase.BUILDING or state.image is None:
        return ""
    path = builds.job_of(ctx, state.image)
    return f"{path} on {ctx.config.repository.builds_branch}" if path else ""


def prediction_url(target: Target, model: Model | None) -> str | None:
    return answer.prediction_url(target.environment.prediction_url, target.deployment, model)


def _mover(ctx: Context, target: Target, found: Stand) -> Who | None:
    """Who moved main away from what was delivered, where the state does not tell already."""
    state = found.state
    if state.phase is not Phase.SETTLED or found.content == state.delivered:
        return None
    touch = movers.movers(ctx.repository, found.main.commit, target.home, state.delivered)[0]
    return Who(touch.author, where=touch.commit)
