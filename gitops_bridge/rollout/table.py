"""The transition table: every pair of a phase and a situation that can come about, once, as data.

`step`, the drawing and the table in docs/ are all made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitops_bridge.rollout import changes
from gitops_bridge.rollout.effects import (
    Branch,
    ClosePullRequest,
    Comment,
    Effect,
    Push,
    SetDraft,
    WritePullRequest,
)
from gitops_bridge.rollout.observed import Observed
from gitops_bridge.rollout.situations import Situation as S
from gitops_bridge.rollout.state import Phase as P
from gitops_bridge.rollout.state import State

ANY = tuple(P)
_OPEN = (P.BUILDING, P.IN_REVIEW, P.BLOCKED, P.HELD)


@dataclass(frozen=True)
class Row:
    """In one of `phases`, when `situation` is the case: the next phase (None: the same), what the
    state becomes, what is done, and the word that history has for it ("": it is not told)."""

    phases: tuple[P, ...]
    situation: S
    next: P | None
    change: Callable[[State, Observed], State] = changes.same
    effects: tuple[Effect, ...] = ()
    event: str = ""


_STATE = Push()
_DELIVER = Push(deliver=True, order=True)
_PROPOSE = Push(order=True, branch=Branch.PUT)
_DELETE = Push(branch=Branch.DELETE)

ROWS = (
    Row(ANY, S.QUIET, None),
    # somebody asks
    Row(ANY, S.ASKED_READY, P.SETTLED, changes.settle_delivered, (_DELIVER,), "delivered"),
    Row(ANY, S.ASKED_REVIEW, P.IN_REVIEW, changes.propose, (_PROPOSE,), "proposed"),
    Row(ANY, S.ASKED_UNBUILT, P.BUILDING, changes.build, (Push(order=True),), "asked"),
    Row(ANY, S.ANNOUNCED, P.BUILDING, changes.build, (_STATE,), "asked"),
    Row(ANY, S.FULFILLED, P.SETTLED, changes.settle_found, (_STATE,), "found in Git"),
    Row((P.SETTLED, P.HELD), S.REPLAYED, P.HELD, changes.hold, (_STATE,), "held"),
    Row(ANY, S.ASKED_BLOCKED, P.BLOCKED, changes.block, (_STATE,), "asked"),
    Row((P.HELD,), S.ASKED_ON_HOLD, P.HELD, changes.hold_newer, (_STATE,), "asked"),
    Row(ANY, S.ROLLED_BACK, None, changes.count, (_DELIVER,), "rolled back"),
    Row(ANY, S.HOLD_CALLED, P.HELD, changes.hold_called, (_STATE,), "hold called"),
    Row(
        (P.SETTLED, P.REJECTED, P.HELD),
        S.RELEASED, P.BUILDING, changes.release, (_STATE,), "released",
    ),
    Row((P.HELD,), S.LIFTED, P.SETTLED, changes.settle_lifted, (_STATE,), "released"),
    # what waits
    Row((P.BUILDING, P.IN_REVIEW, P.FAILED), S.MOVED, P.HELD, changes.hold, (_STATE,), "held"),
    Row(
        (P.BUILDING, P.IN_REVIEW),
        S.READY, P.SETTLED, changes.settle_delivered, (_DELIVER,), "delivered",
    ),
    Row((P.BUILDING,), S.REVIEW, P.IN_REVIEW, changes.propose, (_PROPOSE,), "proposed"),
    Row(
        (P.BUILDING,),
        S.OTHER_IMAGE, P.BUILDING, changes.rebuild, (Push(order=True),), "build ordered",
    ),
    Row((P.BUILDING,), S.BUILD_FAILED, P.FAILED, changes.fail, (_STATE,), "build failed"),
    Row((P.BUILDING,), S.NO_DRAFT, P.BUILDING, changes.suspend, (SetDraft(), _STATE)),
    Row((P.HELD,), S.RETURNED, P.BUILDING, changes.go_on, (_STATE,), "resumed"),
    Row((P.HELD,), S.RESTORED, P.SETTLED, changes.settle_restored, (_STATE,), "restored"),
    # the review
    Row(
        (*_OPEN, P.FAILED, P.REJECTED),
        S.MERGED, P.SETTLED, changes.settle_merged, (_STATE,), "merged",
    ),
    Row(
        _OPEN, S.OLDER_MERGED, P.BUILDING, changes.go_on_after_merge, (_DELETE,), "merged",
    ),
    Row((P.FAILED,), S.OLDER_MERGED, P.FAILED, changes.note_merged, (_DELETE,), "merged"),
    Row(
        _OPEN, S.CLOSED, P.REJECTED, changes.reject, (_DELETE,), "rejected",
    ),
    Row((P.BLOCKED,), S.CLOSED_BEHIND, P.BUILDING, changes.go_on_behind, (_DELETE,), "rejected"),
    Row((P.REJECTED,), S.REOPENED, P.IN_REVIEW, changes.reopen, (_STATE,), "reopened"),
    Row(
        (P.BUILDING, P.IN_REVIEW),
        S.FOREIGN_PUSH, P.BLOCKED, changes.block, (_STATE,), "blocked",
    ),
    Row((P.BLOCKED,), S.HANDED_BACK, P.BUILDING, changes.go_on, (_STATE,), "handed back"),
    Row((P.IN_REVIEW,), S.OUTDATED, P.IN_REVIEW, changes.propose, (_PROPOSE,), "proposed anew"),
    Row(
        (P.IN_REVIEW,),
        S.OUTDATED_UNBUILT, P.BUILDING, changes.build, (Push(order=True),), "build ordered",
    ),
    Row((P.IN_REVIEW,), S.UNWRITTEN, P.IN_REVIEW, effects=(WritePullRequest(),)),
    Row((P.IN_REVIEW,), S.OPENED, P.IN_REVIEW, changes.open_pull, (_STATE,), "pull request opened"),
    Row((P.BLOCKED, P.FAILED), S.UNTOLD, None, changes.tell, (Comment(), _STATE), "told"),
    Row((P.SETTLED,), S.RETIRED, P.SETTLED, changes.retire, (ClosePullRequest(), _DELETE)),
)  # fmt: skip

TABLE = {(phase, row.situation): row for row in ROWS for phase in row.phases}
