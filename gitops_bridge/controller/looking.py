"""Deployments whose rollout is not settled, each taken as far as it goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress

from gitops_bridge.config import Environment
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.loop import Loop, Result
from gitops_bridge.controller.observing import Sight, Stand, Target, stand
from gitops_bridge.errors import BridgeError, ConfigError, ForgeError
from gitops_bridge.rollout.observed import Observed
from gitops_bridge.rollout.state import Phase

_WORTH_A_LIST = 3  # looks at pull requests; a list costs two requests or more


def look(
    ctx: Context,
    environment: Environment,
    deployments: Collection[str],
    *,
    until: float,
    read_only: bool = False,
) -> Iterator[tuple[Target, Result | BridgeError]]:
    """Take each rollout as far as it goes, after one fetch for all; what the time `until`, by the
    monotonic clock, does not suffice for is left to the next look. With `read_only` none takes a
    step: it is told as it stands."""
    ctx.digests.clear()
    targets = [Target(environment, deployment) for deployment in sorted(deployments)]
    stands = {target.deployment: _stand(ctx, target) for target in targets}
    known = [] if read_only else [it for it in stands.values() if isinstance(it, Stand)]
    with _lists(ctx, environment, known):
        for target in targets:
            found = stands[target.deployment]
            if read_only and isinstance(found, Stand):
                yield target, Result(Sight(found, Observed()))
                continue
            if isinstance(found, BridgeError) or ctx.monotonic() >= until:
                yield target, found if isinstance(found, BridgeError) else _untaken()
                continue
            try:
                yield target, Loop(ctx, target, fresh=True).run()
            except BridgeError as error:
                yield target, error


def _stand(ctx: Context, target: Target) -> Stand | BridgeError:
    try:
        return stand(ctx, target)
    except BridgeError as error:
        return error


def _untaken() -> BridgeError:
    return BridgeError(
        "there was no time left to look at it", hint="the next look does", retry=True
    )


@contextmanager
def _lists(ctx: Context, environment: Environment, stands: Collection[Stand]) -> Iterator[None]:
    """In the block, the pull requests of several rollouts are looked at with lists."""
    with ExitStack() as stack:
        if sum(_is_asked_for(found) for found in stands) >= _WORTH_A_LIST:
            with suppress(ForgeError, ConfigError):  # each look tells it
                listing = ctx.pulls().listing(f"gitops-bridge/{environment.name}/")
                stack.enter_context(listing)
        yield


def _is_asked_for(found: Stand) -> bool:
    return found.state.review is not None and found.state.phase is not Phase.REJECTED
