"""Which planned changes people review first, as the configuration's `delivery` says."""

from __future__ import annotations

from collections.abc import Callable

from gitops_bridge.config import Mode
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.planning import Planned
from gitops_bridge.errors import DataRobotError

PATIENCE = 15.0
"""Seconds for a question to DataRobot whose answer people can do without."""


def reviewed(ctx: Context) -> Callable[[Planned], bool]:
    """Whether a planned change goes by pull request, for changes of one deployment. DataRobot is
    asked at most once, and only when the policy wants to know how important that is."""
    importance: list[str | None] = []

    def wanted(planned: Planned) -> bool:
        delivery = ctx.config.delivery
        if not delivery.proposes:
            return False
        if delivery.by_importance and not importance:
            importance.append(_importance(ctx, planned.home.rpartition("/")[2]))
        known = next(iter(importance), None)
        modes = {delivery.mode(kind.value, known) for kind in planned.rollout.kinds}
        return Mode.PULL_REQUEST in modes

    return wanted


def _importance(ctx: Context, deployment: str) -> str | None:
    try:
        client = ctx.datarobot(PATIENCE)
        return client.importance(deployment) if client else None
    except DataRobotError:
        return None
