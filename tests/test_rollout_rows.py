"""Every row of the transition table is needed: whatever is wrong with one is noticed somewhere."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import pytest

from gitops_bridge.rollout import changes
from gitops_bridge.rollout.effects import Push
from gitops_bridge.rollout.observed import Observed
from gitops_bridge.rollout.situations import Situation
from gitops_bridge.rollout.state import Phase, State
from gitops_bridge.rollout.table import ROWS, TABLE, Row
from tests.rollout_moves import beginnings, moves
from tests.rollout_world import Broken, Config, World, start
from tests.test_rollout_space import CONFIGS, explore


def _stays(row: Row) -> Row:
    return replace(row, change=changes.same, effects=())


def _is_told_only(row: Row) -> Row:
    return replace(row, effects=(Push(),))


def _goes_elsewhere(row: Row) -> Row:
    def change(state: State, seen: Observed) -> State:
        after = row.change(state, seen)
        wrong = Phase.SETTLED if after.phase is not Phase.SETTLED else Phase.FAILED
        return replace(after, phase=wrong)

    is_pushed = any(isinstance(effect, Push) for effect in row.effects)
    effects = row.effects if is_pushed else (*row.effects, Push())
    return replace(row, change=change, effects=effects)


def _is_plain(row: Row) -> bool:
    """Whether nothing but the state is written."""
    return row.effects == (Push(),)


# the next look finds that the branch is not there, and puts it there
_HEALED = {(_is_told_only, Situation.REVIEW)}
MUTATIONS = [
    (mutate, row)
    for mutate in (_stays, _is_told_only, _goes_elsewhere)
    for row in ROWS
    if not (mutate is _is_told_only and _is_plain(row))
    and (mutate, row.situation) not in _HEALED
    and not (mutate is _stays and row.situation is Situation.QUIET)
]


_TO_REVIEW = ("asked deployment_start A", "A is built", "look : REVIEW", "look : UNWRITTEN")
_FURTHER = (  # than the budgets reach
    ("drafts", (*_TO_REVIEW, "asked deployment_start B", "B fails", "look : BUILD_FAILED",
                "a person sets main to A")),
    ("drafts", (*_TO_REVIEW, "a person pushes", "asked deployment_start B", "a person closes")),
)  # fmt: skip


def reach(config: Config, names: Iterable[str]) -> World:
    """The world after the moves whose names begin so."""
    world = World(main=config.start, mark=config.start)
    for wanted in names:
        world = next(after for _, name, after in moves(config, world) if name.startswith(wanted))
    return world


@pytest.fixture(scope="module")
def witnesses():
    """Worlds in which a row is taken, by row: the first few of each configuration."""
    found = defaultdict(list)
    further = [(CONFIGS[name][0], [reach(CONFIGS[name][0], names)]) for name, names in _FURTHER]
    for config, worlds in [
        *((it, explore(it, budget)) for it, budget in CONFIGS.values()),
        *further,
    ]:
        counted = defaultdict(int)
        for world, (_, cause, asked) in itertools.product(worlds, beginnings(config)):
            try:
                taken = start(config, world, cause, asked).transition.situation
            except LookupError:
                continue
            row = TABLE[world.file.phase, taken]
            if counted[row] < 6:
                counted[row] += 1
                found[row].append((config, world))
    return found


@pytest.mark.parametrize(
    ("mutate", "row"), MUTATIONS, ids=lambda it: getattr(it, "__name__", None) or it.situation.name
)
def test_a_mutated_row_is_noticed(mutate, row, witnesses, monkeypatch):
    assert witnesses[row], f"no world takes {row.situation.name}"
    for phase in row.phases:
        monkeypatch.setitem(TABLE, (phase, row.situation), mutate(row))
    for config, world in witnesses[row]:
        try:
            explore(config, 1, [world])
        except Broken:
            return
    pytest.fail(f"nothing depends on {row.situation.name}")
