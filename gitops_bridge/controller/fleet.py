"""The deployments of an environment, in Git and in the cluster, to a View of each.

What is settled is told from few reads of whole folders; only what is not takes a look of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from gitops_bridge.actions import ExecutionType, Model
from gitops_bridge.config import Environment
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.listing import Found
from gitops_bridge.desired.record import Serving
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import TreeReader
from gitops_bridge.rollout import answer
from gitops_bridge.rollout.answer import View
from gitops_bridge.rollout.state import State


@dataclass
class Fleet:
    """`commit` is main's; `in_git` the deployments with a folder there; `unknown` those of which
    something runs although Git does not know them."""

    commit: str
    in_git: frozenset[str]
    views: dict[str, View] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def look_at(
    ctx: Context,
    environment: Environment,
    deployments: Collection[str] | None,
    *,
    until: float,
    others: bool = False,
    read_only: bool = False,
    cluster: bool = True,
    fetch: bool = True,
) -> Fleet:
    """A View of each of the deployments, None for all that Git knows; after one fetch.

    Rollouts that wait take their next steps first, with `others` also those of the environment that
    are not asked about, unless it is `read_only`. Without `cluster` that is not looked at. Raises
    BridgeError when Git cannot be read.
    """
    settings = ctx.config.repository
    main = ctx.repository.tree_reader(
        settings.branch, fetch=fetch, max_age=ctx.config.actions.status_age
    )
    rollouts = ctx.repository.reader_of_last_seen(settings.rollouts_branch)
    unsettled = ctx.listing.unsettled(main, rollouts, environment.name)
    in_git = frozenset(ctx.listing.deployments(main, environment.name))
    asked = sorted(in_git | unsettled) if deployments is None else list(deployments)
    found = Fleet(main.commit, in_git)
    due = unsettled if others else unsettled.intersection(asked)
    if due:
        taken = _taken(ctx, environment, due, main, until, read_only=read_only)
        found.views |= {name: view for name, view in taken.items() if name in asked}
        main = ctx.repository.tree_reader(settings.branch, fetch=False)
        found.commit = main.commit
    settled = [name for name in asked if name not in found.views]
    serving = ctx.listing.serving(main, environment.name, settled)
    is_gone = rollouts is not None and any(serving.get(name) is None for name in settled)
    files = rollouts.files(environment.name) if rollouts and is_gone else {}
    found.views |= {
        name: _settled(main, environment, name, serving.get(name), f"{name}.yaml" in files)
        for name in settled
    }
    if cluster:
        _judge(ctx, environment, found, main, until, others=others)
    return found


def _taken(
    ctx: Context,
    environment: Environment,
    due: Collection[str],
    main: TreeReader,
    until: float,
    *,
    read_only: bool,
) -> dict[str, View]:
    from gitops_bridge.controller import looking, views  # late: one may need everything there is

    found: dict[str, View] = {}
    for target, result in looking.look(ctx, environment, due, until=until, read_only=read_only):
        if isinstance(result, BridgeError):
            found[target.deployment] = _broken(main, target.deployment, result)
        else:
            found[target.deployment] = views.of_result(ctx, target, result)
    return found


def _settled(
    main: TreeReader, environment: Environment, name: str, found: Found, has_state: bool
) -> View:
    """Nothing waits, and main holds what was delivered. `has_state` tells what was stopped from
    what Git never held."""
    if isinstance(found, BridgeError):
        return _broken(main, name, found)
    if found is None:
        return View(name, State(rollouts=int(has_state)), commit=main.commit)
    kind = ExecutionType.CUSTOM if found.is_custom else ExecutionType.DEDICATED
    model = Model(found.model, kind)
    url = answer.prediction_url(environment.prediction_url, name, model)
    return View(
        name, State(delivered=found.model, rollouts=1), main=found.model, model=model,
        commit=main.commit, prediction_url=url, serving=found,
    )  # fmt: skip


def _broken(main: TreeReader, name: str, error: BridgeError) -> View:
    return View(name, State(), commit=main.commit, problem=str(error), is_unread=True)


def _judge(
    ctx: Context,
    environment: Environment,
    found: Fleet,
    main: TreeReader,
    until: float,
    *,
    others: bool,
) -> None:
    """What the cluster shows, if there is one; one deployment is looked at by lists of its own,
    unless `others` are of interest."""
    if ctx.config.cluster is None:
        return
    from gitops_bridge.controller.judging import Judge

    judge = Judge(ctx, environment, main, until)
    known: dict[str, tuple[Serving | None, State]] = {
        name: (view.serving, view.state) for name, view in found.views.items()
    }
    if len(known) == 1 and not others:
        ((name, (serving, state)),) = known.items()
        verdict = judge.one(name, serving, state)
        verdicts = {name: verdict} if verdict else {}
    else:
        verdicts = judge.all(known, found.in_git)
        found.unknown = judge.unknown
    for name, verdict in verdicts.items():
        dashboard = _dashboard(ctx, verdict.application)
        found.views[name] = replace(found.views[name], verdict=verdict, dashboard_url=dashboard)


def _dashboard(ctx: Context, application: str | None) -> str | None:
    """The page of an Application, given as namespace/name."""
    cluster = ctx.config.cluster
    if cluster is None or cluster.argocd_url is None or application is None:
        return None
    return f"{cluster.argocd_url}/applications/{application}"
