"""One step of a rollout: a State and what a look sees, to the next State and what is to be done."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_bridge.rollout.effects import Effect, Push
from gitops_bridge.rollout.observed import Observed
from gitops_bridge.rollout.situations import Situation, situation
from gitops_bridge.rollout.state import State
from gitops_bridge.rollout.table import TABLE


@dataclass(frozen=True)
class Transition:
    """`event` is what history calls it, "" when that is not told; without effects nothing is left
    to do."""

    situation: Situation
    state: State
    effects: tuple[Effect, ...]
    event: str

    @property
    def push(self) -> Push | None:
        return next((effect for effect in self.effects if isinstance(effect, Push)), None)


def step(state: State, seen: Observed) -> Transition:
    """The transition for what is the case; for a quiet look, none that does anything. Total."""
    found = situation(state, seen)
    row = TABLE[state.phase, found]
    return Transition(found, row.change(state, seen), row.effects, row.event)
