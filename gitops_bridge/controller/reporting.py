"""The actions that ask how things are: an environment, one deployment, all of them.

`deployment_status` and `pe_status` also take waiting rollouts further, because the agent's polls
are the clock where nothing else looks; `deployment_list` only reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gitops_bridge.actions import (
    Action,
    DeploymentState,
    ExecutionType,
    Model,
    Outcome,
    Request,
    Status,
)
from gitops_bridge.config import Environment
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.listing import Wanted
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import TreeReader
from gitops_bridge.rollout import answer
from gitops_bridge.rollout.answer import View
from gitops_bridge.rollout.state import State


def report(ctx: Context, request: Request, environment: Environment) -> Outcome:
    """What an action wants to know. Raises BridgeError."""
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

    snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=True)
    reader = ctx.reader(snapshot)
    for environment in ctx.config.environments:
        environments.facts(reader, environment.name, ctx.kustomize)
    names = ", ".join(item.name for item in ctx.config.environments)
    return Outcome(
        Status.PASSING,
        message=f"{snapshot.branch} at {snapshot.commit[:12]}; environments: {names}",
        commit=snapshot.commit,
    )


@dataclass(frozen=True)
class _Seen:
    """Both branches as a look begins."""

    main: TreeReader
    rollouts: TreeReader | None


def deployment_status(ctx: Context, request: Request, environment: Environment) -> Outcome:
    identifier = request.deployment.id if request.deployment else ""
    return _statuses(ctx, environment, [identifier], _recent(ctx))[identifier]


def pe_status(ctx: Context, request: Request, environment: Environment) -> Outcome:
    """The environment, and every deployment that DataRobot knows in it; told are those, too, that
    only Git knows."""
    seen = _recent(ctx)
    known = list(dict.fromkeys(request.known_deployments))
    listed = _statuses(ctx, environment, known, seen, others=True)
    orphans = sorted(ctx.listing.deployments(seen.main, environment.name).keys() - listed.keys())
    said = f"Git at {seen.main.commit[:12]}; {answer.UNSEEN}"
    status = Status.PASSING
    if orphans and known:
        shown = ", ".join(orphans[:5]) + (", …" if len(orphans) > 5 else "")
        said, status = f"{said}; in Git but unknown to DataRobot: {shown}", Status.WARNING
    return Outcome(status, message=said, commit=seen.main.commit, deployments=listed)


def deployment_list(ctx: Context, environment: Environment) -> Outcome:
    """What main holds and what waits to get there; no rollout takes a step."""
    from gitops_bridge.controller import views
    from gitops_bridge.controller.observing import Target, stand

    seen = _recent(ctx)
    models = ctx.listing.models(seen.main, environment.name)
    unsettled = ctx.listing.unsettled(seen.main, seen.rollouts, environment.name)
    listed: dict[str, Outcome] = {}
    for identifier in sorted({*models, *unsettled}):
        if identifier not in unsettled:
            listed[identifier] = _settled(seen.main, environment, identifier, models[identifier])
            continue
        target = Target(environment, identifier)
        try:
            listed[identifier] = answer.status(views.of_stand(ctx, target, stand(ctx, target)))
        except BridgeError as error:
            listed[identifier] = _unreadable(seen.main, error)
    return Outcome(Status.PASSING, message=f"Git at {seen.main.commit[:12]}", deployments=listed)


def _recent(ctx: Context) -> _Seen:
    settings = ctx.config.repository
    main = ctx.repository.tree_reader(
        settings.branch, fetch=True, max_age=ctx.config.actions.status_age
    )
    return _Seen(main, ctx.repository.reader_of_last_seen(settings.rollouts_branch))


def _statuses(
    ctx: Context,
    environment: Environment,
    deployments: Collection[str],
    seen: _Seen,
    *,
    others: bool = False,
) -> dict[str, Outcome]:
    """Each deployment's status; whatever is not settled takes its next steps first, with `others`
    also those of the environment that are not asked about."""
    until = ctx.monotonic() + ctx.config.actions.budget
    unsettled = ctx.listing.unsettled(seen.main, seen.rollouts, environment.name)
    models = ctx.listing.models(seen.main, environment.name, deployments)
    found = {
        identifier: _settled(seen.main, environment, identifier, models.get(identifier))
        for identifier in deployments
    }
    if due := unsettled if others else unsettled.intersection(deployments):
        looked = _looked_at(ctx, environment, due, seen, until)
        found |= {name: outcome for name, outcome in looked.items() if name in found}
    return found


def _looked_at(
    ctx: Context, environment: Environment, due: Collection[str], seen: _Seen, until: float
) -> Mapping[str, Outcome]:
    from gitops_bridge.controller import looking, views  # late: one may need everything there is

    found: dict[str, Outcome] = {}
    for target, result in looking.look(ctx, environment, due, until=until):
        if isinstance(result, BridgeError):
            found[target.deployment] = _unreadable(seen.main, result)
        else:
            found[target.deployment] = answer.status(views.of_result(ctx, target, result))
    return found


def _settled(main: TreeReader, environment: Environment, identifier: str, model: Wanted) -> Outcome:
    """Nothing waits, and main holds what was delivered."""
    if isinstance(model, BridgeError):
        return _unreadable(main, model)
    known = Model(model, ExecutionType.DEDICATED) if model else None
    content = model or None
    view = View(
        identifier, State(delivered=content), main=content, model=known, commit=main.commit,
        prediction_url=f"{environment.prediction_url}/{identifier}/predictions" if model else None,
    )  # fmt: skip
    return answer.status(view)


def _unreadable(main: TreeReader, error: BridgeError) -> Outcome:
    return Outcome(Status.WARNING, DeploymentState.UNKNOWN, str(error), commit=main.commit)
