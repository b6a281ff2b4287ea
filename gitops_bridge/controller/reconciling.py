"""Every rollout that waits, each taken as far as it goes, to one line each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitops_bridge.controller import verbs, views
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.loop import Result
from gitops_bridge.controller.observing import Target
from gitops_bridge.errors import BridgeError
from gitops_bridge.rollout import answer
from gitops_bridge.rollout.state import Phase


@dataclass(frozen=True)
class Step:
    """What became of one rollout; `commit` is its delivery's, when this look delivered it."""

    environment: str
    deployment: str
    phase: str
    said: str
    commit: str | None = None
    is_problem: bool = False


def reconcile(ctx: Context, deployment: str | None, environment: str | None) -> Iterator[Step]:
    """The steps of all rollouts that wait, or of the one."""
    for target, result in verbs.reconcile(ctx, deployment, environment):
        yield _step(ctx, target, result)


def _step(ctx: Context, target: Target, result: Result | BridgeError) -> Step:
    where = (target.environment.name, target.deployment)
    if isinstance(result, BridgeError):
        return Step(*where, "", str(result), is_problem=True)
    view = views.of_result(ctx, target, result)
    phase = result.state.phase
    if result.commit:
        subject = result.commit.message.split("\n", 1)[0]
        said = f"delivered in {result.commit.id[:12]}: {subject}"
        return Step(*where, phase.value, said, result.commit.id)
    said = answer.describe(view) or "nothing waits any more: main holds what was asked for"
    is_problem = phase is Phase.FAILED or bool(view.problem)
    return Step(*where, phase.value, said, is_problem=is_problem)
