"""The actions that ask how things are: an environment, one deployment, all of them.

`deployment_status` and `pe_status` also take waiting rollouts further, because the agent's polls
are the clock where nothing else looks; `deployment_list` only reads.
"""

from __future__ import annotations

from collections.abc import Collection

from gitops_bridge.actions import Action, Outcome, Request, Status
from gitops_bridge.config import Environment
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.fleet import look_at
from gitops_bridge.rollout import answer


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


def deployment_status(ctx: Context, request: Request, environment: Environment) -> Outcome:
    identifier = request.deployment.id if request.deployment else ""
    views = look_at(ctx, environment, [identifier], until=_until(ctx)).views
    return answer.status(views[identifier])


def pe_status(ctx: Context, request: Request, environment: Environment) -> Outcome:
    """The environment, and every deployment of it that DataRobot or Git knows; told are those that
    only one of them, or only the cluster, knows."""
    known = list(dict.fromkeys(request.known_deployments))
    found = look_at(ctx, environment, known or None, until=_until(ctx), others=True)
    listed = {name: answer.status(view) for name, view in found.views.items()}
    orphans = sorted(found.in_git - set(known)) if known else []
    troubles = [
        _named("in Git but unknown to DataRobot", orphans),
        _named("in the cluster but not in Git", found.unknown),
        _named("not passing", [name for name, told in listed.items() if _is_bad(told)]),
    ]
    said = "; ".join(part for part in (f"Git at {found.commit[:12]}", *troubles) if part)
    if ctx.config.cluster is None:
        said = f"{said}; {answer.UNSEEN}"
    status = Status.WARNING if any(troubles) else Status.PASSING
    return Outcome(status, message=said, commit=found.commit, deployments=listed)


def _is_bad(told: Outcome) -> bool:
    return told.status in (Status.FAILING, Status.WARNING)


def _named(what: str, names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:5]) + (", …" if len(names) > 5 else "")
    return f"{what}: {shown}" if names else ""


def deployment_list(ctx: Context, environment: Environment) -> Outcome:
    """What main holds and what waits to get there; no rollout takes a step."""
    found = look_at(ctx, environment, None, until=0.0, read_only=True, cluster=False)
    listed = {name: answer.status(view) for name, view in sorted(found.views.items())}
    return Outcome(Status.PASSING, message=f"Git at {found.commit[:12]}", deployments=listed)


def _until(ctx: Context) -> float:
    return ctx.monotonic() + ctx.config.actions.budget
