"""What DataRobot wants of a prediction environment, to the requests a management agent would send.

For teams that run no agent. What people hold stays held, because the newest request is compared and
not what main holds since their change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitops_bridge.actions import Request, Status
from gitops_bridge.config import Environment
from gitops_bridge.controller import acting
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.observing import Target, stand
from gitops_bridge.datarobot import (
    DataRobot,
    Difference,
    differences,
    in_environment,
    is_gone,
    request,
)
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.rollout.state import Phase, State, Wish
from gitops_bridge.serving import LookResult

_SECONDS = 60.0  # of all questions of one look


def requests(ctx: Context, environment: Environment) -> Iterator[LookResult]:
    """Raise the requests that DataRobot's list asks for, after a fetch. Raises ConfigError when
    DataRobot is not configured."""
    api = ctx.datarobot(_SECONDS)
    if api is None:
        raise ConfigError(
            "DataRobot is not configured, so its deployments cannot be listed",
            hint="set datarobot.url and datarobot.token in gitops-bridge.yaml",
        )
    wishes = dict(_wishes(ctx, environment))
    asked = {name: wish.model_id or "" for name, wish in wishes.items() if not wish.stops}
    try:
        listed = in_environment(api, environment.id)
    except BridgeError as error:
        yield LookResult(environment.name, "", "problem", problem=str(error))
        return
    for difference in differences(listed, asked):
        yield _raised(ctx, api, environment, difference, wishes.get(difference.deployment))


def _wishes(ctx: Context, environment: Environment) -> Iterable[tuple[str, Wish]]:
    """The newest request of each deployment that Git knows."""
    repository, settings = ctx.repository, ctx.config.repository
    main = repository.tree_reader(settings.branch, fetch=False)
    names = set(ctx.listing.deployments(main, environment.name))
    rollouts = repository.reader_of_last_seen(settings.rollouts_branch)
    names |= {
        it.removesuffix(".yaml") for it in (rollouts.files(environment.name) if rollouts else ())
    }
    for name in sorted(names):
        try:
            wish = newest(stand(ctx, Target(environment, name)).state)
        except BridgeError:
            continue  # told by its status
        if wish is not None:
            yield name, wish


def newest(state: State) -> Wish | None:
    """The request that came last: what waits, failed, was rejected or is held, else the answered
    one."""
    waits = state.wish if state.phase is not Phase.SETTLED else None
    return waits if waits and waits.request else state.answered


def _raised(
    ctx: Context,
    api: DataRobot,
    environment: Environment,
    difference: Difference,
    before: Wish | None,
) -> LookResult:
    where = environment.name, difference.deployment
    try:
        if difference.listed is None and not is_gone(api, difference.deployment):
            return LookResult(*where, "left alone", "DataRobot did not list it, and still has it")
        raised = _request(api, environment, difference, before)
        outcome = acting.act(ctx, raised, environment, dry_run=False)
    except BridgeError as error:
        return LookResult(*where, "problem", problem=str(error))
    said = outcome.message or ""
    is_bad = outcome.status is Status.FAILING
    return LookResult(*where, raised.action.value, said, problem=said if is_bad else None)


def _request(
    api: DataRobot, environment: Environment, difference: Difference, before: Wish | None
) -> Request:
    """With the replicas that the newest request had: DataRobot's API does not tell them."""
    known = before.request if before else None
    values: dict[str, str] = {}
    if known is not None:
        values["replicas"] = str(known.scale.replicas)
        if known.scale.autoscaled:
            values |= {
                "minReplicas": str(known.scale.minimum), "maxReplicas": str(known.scale.maximum)
            }  # fmt: skip
    return request(
        api, environment.id, difference, key_values=values,
        monitoring=known.monitoring if known else False,
    )  # fmt: skip
