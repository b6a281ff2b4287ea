"""One step of a rollout: a State and what a look sees, to the next State and what is to be done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitops_bridge.rollout.effects import Branch, Effect, Push
from gitops_bridge.rollout.observed import Observed
from gitops_bridge.rollout.situations import Situation, situation
from gitops_bridge.rollout.state import State, Who, Wish
from gitops_bridge.rollout.table import TABLE

_OF_THE_REVIEW = frozenset(
    {
        Situation.MERGED,
        Situation.OLDER_MERGED,
        Situation.CLOSED,
        Situation.CLOSED_BEHIND,
        Situation.REOPENED,
    }
)
_BY_A_PERSON = frozenset(
    {
        Situation.REPLAYED,
        Situation.MOVED,
        Situation.RETURNED,
        Situation.RESTORED,
        Situation.HOLD_CALLED,
        Situation.RELEASED,
        Situation.LIFTED,
    }
)


@dataclass(frozen=True)
class Transition:
    """What is the case, and what follows from it.

    `event` is what history calls it, "" when that is not told; without effects nothing is left to
    do. `wish` is what the transition is about, `by` the person who caused it and `reason` why, as
    far as that is known.
    """

    situation: Situation
    state: State
    effects: tuple[Effect, ...]
    event: str
    wish: Wish | None = None
    by: Who | None = None
    reason: str = ""

    @property
    def push(self) -> Push | None:
        return next((effect for effect in self.effects if isinstance(effect, Push)), None)


def step(state: State, seen: Observed) -> Transition:
    """The transition for what is the case; for a quiet look, none that does anything. Total."""
    found = situation(state, seen)
    row = TABLE[state.phase, found]
    after = row.change(state, seen)
    wish = _wish(found, state, seen, after)
    by, reason = _cause(found, seen, wish)
    effects = tuple(_sparing(effect, seen) for effect in row.effects)
    return Transition(found, after, effects, row.event, wish, by, after.reason or reason)


def _sparing(effect: Effect, seen: Observed) -> Effect:
    """The effect without a deletion of somebody else's commits."""
    if isinstance(effect, Push) and effect.branch is Branch.DELETE and seen.keeps_branch:
        return replace(effect, branch=Branch.KEEP)
    return effect


def _wish(found: Situation, before: State, seen: Observed, after: State) -> Wish | None:
    if found in _OF_THE_REVIEW:
        return before.review.wish if before.review else None
    return seen.asked or after.wish or before.wish


def _cause(found: Situation, seen: Observed, wish: Wish | None) -> tuple[Who | None, str]:
    if found in _OF_THE_REVIEW:
        return (seen.pull.by, seen.pull.because) if seen.pull else (None, "")
    if found in _BY_A_PERSON:
        return seen.person, ""
    return (wish.by if wish else None), ""
