"""Every state of small worlds, walked whole: whatever comes in between, and wherever it is cut."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.actions import Action
from gitops_bridge.rollout.effects import Branch
from gitops_bridge.rollout.machine import step
from gitops_bridge.rollout.observed import Cause, Head, Observed, Prospect, PullState
from gitops_bridge.rollout.situations import Situation, situation
from gitops_bridge.rollout.state import Phase, Review, State, Who
from gitops_bridge.rollout.table import TABLE
from tests.rollout_check import verify
from tests.rollout_moves import moves
from tests.rollout_world import (
    A_TO_B,
    BACK_TO_A,
    JANE,
    RELAUNCH_A,
    START_A,
    START_B,
    STOP,
    Broken,
    Config,
    World,
    run,
    start,
)

_MOST_LOOKS = 10
_STOPS, _ALL = frozenset({Action.DEPLOYMENT_STOP}), frozenset({*Action, None})
_HOLDS = frozenset({"main", "hold", "release"})
_REVIEWS = frozenset({"main", "branch", "review", "release"})
_BUILDS = frozenset({"recipe", "build"})
CONFIGS = {
    "push": (Config((START_A, A_TO_B, STOP, BACK_TO_A), people=_HOLDS), 4),
    "relaunch": (Config((START_A, RELAUNCH_A), people=_HOLDS), 5),
    "gate": (Config((START_A, A_TO_B, STOP), gate=True, people=_HOLDS | _BUILDS), 4),
    "review": (
        Config((START_A, START_B, BACK_TO_A), _ALL, people=_REVIEWS | {"outer"}, start="B"),
        3,
    ),
    "stops pushed": (Config((START_A, STOP), _ALL - _STOPS, people=_REVIEWS | _HOLDS), 4),
    "drafts": (Config((START_A, START_B), _ALL, gate=True, people=_REVIEWS | _BUILDS), 4),
    "no drafts": (Config((START_A, START_B), _ALL, gate=True, drafts=False, people=_REVIEWS), 4),
    "no transactions": (Config((START_A, A_TO_B), gate=True, atomic=False, people=_HOLDS), 4),
    "review, no transactions": (Config((START_A, STOP), _ALL, atomic=False, people=_REVIEWS), 3),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_whatever_happens_ends_well(name):
    reached = explore(*CONFIGS[name])
    assert len(reached) > 300


def explore(config: Config, budget: int, begin: Iterable[World] = ()) -> dict:
    """Every world within the budget, by the cheapest way there. Raises Broken with that way."""
    first = list(begin) or [World(main=config.start, mark=config.start)]
    reached = dict.fromkeys(first, (0, None, "begin"))
    queue = [(0, number, world) for number, world in enumerate(first)]
    numbers, fine = itertools.count(len(queue)), set()
    while queue:
        cost, _, world = heapq.heappop(queue)
        if reached[world][0] < cost:
            continue
        try:
            settle(config, world, fine)
            for more, name, after in moves(config, world):
                total = cost + more
                if total <= budget and (after not in reached or reached[after][0] > total):
                    reached[after] = (total, world, name)
                    heapq.heappush(queue, (total, next(numbers), after))
        except Broken as error:
            raise Broken(f"{error}\n{_story(reached, world)}") from None
    return reached


def settle(config: Config, world: World, fine: set[World]) -> None:
    """Look until nothing is left to do, nobody else being there, and verify what is left then."""
    world = world._replace(paused=None)
    seen: list[World] = []
    for _ in range(_MOST_LOOKS):
        if world in fine:
            break
        seen.append(world)
        process = start(config, world, Cause.LOOK)
        if not process.transition.effects:
            verify(config, world)
            break
        after = run(config, world, process)
        if after == world:
            raise Broken(f"a step changes nothing: {process.transition.situation.name}")
        world = after
    else:
        raise Broken(f"the looks never end: {[_name(config, item) for item in seen]}")
    fine.update(seen)


def _name(config: Config, world: World) -> str:
    return start(config, world, Cause.LOOK).transition.situation.name


def _story(reached: dict, world: World | None) -> str:
    told = []
    while world is not None:
        _, before, name = reached[world]
        told.append(f"- {name}\n    {world}")
        world = before
    return "\n".join(reversed(told))


# -- total

_WISHES = st.sampled_from([None, START_A, START_B, STOP, RELAUNCH_A, BACK_TO_A])
_CONTENTS = st.sampled_from([None, "A", "B", "P"])
_REVIEW = st.builds(
    Review,
    wish=st.sampled_from([START_A, START_B, STOP, BACK_TO_A]),
    content=_CONTENTS,
    head=st.sampled_from(["h", "i"]),
    number=st.sampled_from([None, 1, 2]),
    earlier=st.tuples() | st.tuples(_CONTENTS),
    ended=st.sampled_from([None, 1]),
    suspended=st.booleans(),
)
_STATES = st.builds(
    State,
    phase=st.sampled_from(Phase),
    answered=_WISHES,
    delivered=_CONTENTS,
    wish=_WISHES,
    base=_CONTENTS,
    image=_CONTENTS,
    review=st.none() | _REVIEW,
    reason=st.sampled_from(["", "built"]),
    told=st.sampled_from(["", "h", "built"]),
)
_PULLS = st.builds(
    PullState,
    state=st.sampled_from(["open", "closed", "merged"]),
    number=st.sampled_from([1, 2]),
    url=st.just("https://forge.example.com/1"),
    current=st.booleans(),
    at_head=st.booleans(),
    written=st.booleans(),
    draft=st.booleans(),
    by_us=st.booleans(),
)
_PROSPECTS = st.builds(
    Prospect,
    fulfilled=st.booleans(),
    content=_CONTENTS,
    image=_CONTENTS,
    built=st.booleans(),
    reviewed=st.booleans(),
    applies=st.booleans(),
)
_OBSERVED = st.builds(
    Observed,
    main=_CONTENTS,
    cause=st.sampled_from(Cause),
    asked=_WISHES,
    prospect=st.none() | _PROSPECTS,
    build_failed=st.sampled_from(["", "built"]),
    head=st.sampled_from(Head),
    head_commit=st.sampled_from(["", "h"]),
    pull=st.none() | _PULLS,
    asked_forge=st.booleans(),
    person=st.none() | st.just(Who("Jane Doe")),
    atomic=st.booleans(),
)


@given(_STATES, st.none() | st.just(JANE), _OBSERVED)
def test_every_pair_has_a_row_and_nothing_unplanned_is_pushed(state, hold, seen):
    if hold:
        state = replace(state, phase=Phase.HELD, hold=hold)
    found = situation(state, seen)
    row = TABLE[state.phase, found]
    made = step(state, seen)
    assert made.state.phase is (row.next or state.phase)
    push = made.push
    if push and (push.deliver or push.branch is Branch.PUT):
        assert seen.prospect is not None
    if push and push.branch is not Branch.KEEP:
        assert not seen.keeps_branch
    if state.hold and push and push.deliver:
        assert found is Situation.ROLLED_BACK
    if not made.effects:
        assert made.state == state
