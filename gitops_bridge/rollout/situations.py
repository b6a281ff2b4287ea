"""A State and what a look sees, to the one Situation that counts: the first that applies.

Total: every pair of a phase and an observation leads to a situation for which the table has a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from gitops_bridge.rollout.observed import Cause, Head, Observed, Prospect, PullState
from gitops_bridge.rollout.state import Phase, Review, State


class Situation(str, Enum):
    """What is the case, in words for the table in docs/."""

    QUIET = "nothing has happened that needs a step"
    # somebody asks
    FULFILLED = "main holds already what is asked for"
    REPLAYED = "the request answered last comes again, and a person has moved main since"
    ASKED_READY = "a newer request may be delivered"
    ASKED_REVIEW = "a newer request may be delivered once people have reviewed it"
    ASKED_UNBUILT = "a newer request needs an image that is not there"
    ANNOUNCED = "a newer request, and the server cannot move several branches at once"
    ASKED_BLOCKED = "a newer request, but somebody else pushed to the proposal's branch"
    ASKED_ON_HOLD = "a newer request, but a person has called a hold"
    ROLLED_BACK = "a person rolls back"
    HOLD_CALLED = "a person calls a hold"
    RELEASED = "a person releases what is held, was rejected or was undone"
    LIFTED = "a person releases, and nothing waits"
    # what waits
    MOVED = "a person has moved main since the request came"
    READY = "it may be delivered"
    REVIEW = "it may be reviewed"
    OTHER_IMAGE = "the environment builds another image for it by now"
    BUILD_FAILED = "the build of its image has failed"
    RETURNED = "main is again what it was when the request came"
    RESTORED = "main is again what was delivered"
    # the review
    MERGED = "main holds what was proposed, or the pull request is merged"
    OLDER_MERGED = "main holds what was proposed for an older request"
    CLOSED = "people closed the pull request"
    CLOSED_BEHIND = "people closed the pull request, and a newer request waits"
    REOPENED = "people opened the pull request again"
    FOREIGN_PUSH = "somebody else pushed to the proposal's branch"
    HANDED_BACK = "the proposal's branch is ours again or was deleted"
    OUTDATED = "the proposal is not the change to main as it is now"
    OUTDATED_UNBUILT = "the proposal is outdated, and its new image is not there"
    UNWRITTEN = "the pull request is missing, or its text is about an older change"
    OPENED = "the pull request is open or ready again, and that is not noted yet"
    NO_DRAFT = "the pull request could be merged while a newer request waits"
    UNTOLD = "people have not been told on the pull request"
    RETIRED = "the review is over, and its branch or pull request is left"


ANSWERS = frozenset(
    {
        Situation.FULFILLED,
        Situation.REPLAYED,
        Situation.ASKED_READY,
        Situation.ASKED_REVIEW,
        Situation.ASKED_UNBUILT,
        Situation.ANNOUNCED,
        Situation.ASKED_BLOCKED,
        Situation.ASKED_ON_HOLD,
        Situation.ROLLED_BACK,
        Situation.HOLD_CALLED,
        Situation.RELEASED,
        Situation.LIFTED,
    }
)
"""The situations whose transition answers what was asked; after any other it is asked again."""


def situation(state: State, seen: Observed) -> Situation:
    """The first situation that applies."""
    return next(iter(_situations(state, seen)), Situation.QUIET)


def _situations(state: State, seen: Observed) -> Iterator[Situation]:
    if seen.cause is Cause.HOLD:
        yield Situation.HOLD_CALLED
    elif seen.cause is Cause.RELEASE:
        yield from _released(state, seen)
    elif seen.asked and is_newer(state, seen):
        yield from _asked(state, seen)
    elif seen.asked is None or (state.wish and state.wish.same(seen.asked)):
        yield from _BY_PHASE[state.phase](state, seen)


def is_newer(state: State, seen: Observed) -> bool:
    """Whether what is asked is not the request that waits already; a failed one begins anew."""
    if seen.asked is None:
        return False
    waits = state.wish is not None and state.wish.same(seen.asked)
    return not waits or state.phase is Phase.FAILED


def is_moved(state: State, seen: Observed) -> bool:
    """Whether a person moved main away from what was delivered or found last."""
    return seen.main != state.delivered


def _released(state: State, seen: Observed) -> Iterator[Situation]:
    if state.phase is Phase.HELD and state.wish is None:
        yield Situation.LIFTED
        return
    is_undone = state.phase is Phase.SETTLED and state.answered and is_moved(state, seen)
    if is_undone or state.phase in (Phase.HELD, Phase.REJECTED):
        yield Situation.RELEASED


def _asked(state: State, seen: Observed) -> Iterator[Situation]:
    """A replay of what was answered counts only where it would change something, and never against
    what came later."""
    prospect, asked = seen.prospect, seen.asked
    if prospect is None or asked is None:
        return
    if asked.request is None and prospect.fulfilled:
        return
    if asked.request is None and not prospect.reviewed:
        yield Situation.ROLLED_BACK
    if asked.same(state.answered):
        if _is_followed(state) or (prospect.fulfilled and not is_moved(state, seen)):
            return
        if is_moved(state, seen) and not prospect.fulfilled:
            if not state.hold:
                yield Situation.REPLAYED
            return
    if state.hold:
        yield Situation.ASKED_ON_HOLD
    if prospect.fulfilled:
        yield Situation.FULFILLED
    if asked.same(state.wish) and seen.main != state.base:
        yield Situation.MOVED
    if prospect.reviewed and seen.head is Head.FOREIGN:
        yield Situation.ASKED_BLOCKED
    if not prospect.built:
        yield Situation.ASKED_UNBUILT
    if not seen.atomic:
        yield Situation.ANNOUNCED
    yield Situation.ASKED_REVIEW if prospect.reviewed else Situation.ASKED_READY


def _is_followed(state: State) -> bool:
    """Whether something newer than what was answered waits, has failed or was rejected."""
    return state.wish is not None and not state.wish.same(state.answered)


def _settled(state: State, seen: Observed) -> Iterator[Situation]:
    if state.review and seen.asked_forge:
        yield Situation.RETIRED


def _building(state: State, seen: Observed) -> Iterator[Situation]:
    prospect = seen.prospect or Prospect(built=False, image=state.image)
    yield from _merged(state, seen)
    if prospect.fulfilled:
        yield Situation.FULFILLED
    if seen.main != state.base:
        yield Situation.MOVED
    yield from _closed(state, seen)
    is_unclosed = seen.asked_forge or state.review is None or state.is_behind
    if prospect.built and prospect.reviewed and seen.head is Head.FOREIGN:
        yield Situation.FOREIGN_PUSH
    if prospect.built and is_unclosed:
        yield Situation.REVIEW if prospect.reviewed else Situation.READY
    if prospect.image != state.image:
        yield Situation.OTHER_IMAGE
    if seen.build_failed:
        yield Situation.BUILD_FAILED
    if seen.pull and seen.pull.state == "open" and not seen.pull.draft:
        yield Situation.NO_DRAFT


def _in_review(state: State, seen: Observed) -> Iterator[Situation]:
    prospect = seen.prospect
    yield from _merged(state, seen)
    if prospect and prospect.fulfilled:
        yield Situation.FULFILLED
    if seen.main != state.base:
        yield Situation.MOVED
    yield from _closed(state, seen)
    if seen.head is Head.FOREIGN:
        yield Situation.FOREIGN_PUSH
    if not seen.asked_forge:
        return  # people may have closed it
    if prospect and prospect.built and not prospect.reviewed:
        yield Situation.READY
    if prospect and (seen.head is Head.GONE or not prospect.applies):
        yield Situation.OUTDATED if prospect.built else Situation.OUTDATED_UNBUILT
    pull = seen.pull
    if not (pull and pull.state == "open" and pull.written):
        yield Situation.UNWRITTEN
    if pull and pull.state == "open" and state.review and _is_news(state.review, pull):
        yield Situation.OPENED


def _is_news(review: Review, pull: PullState) -> bool:
    """Whether its number is not known yet, or it is ready again after it was a draft."""
    return pull.number != review.number or (review.suspended and not pull.draft)


def _blocked(state: State, seen: Observed) -> Iterator[Situation]:
    yield from _merged(state, seen)
    if seen.head is not Head.FOREIGN:
        yield Situation.HANDED_BACK
    yield from _closed(state, seen)
    if seen.pull and seen.pull.state == "open" and state.told != seen.head_commit:
        yield Situation.UNTOLD


def _failed(state: State, seen: Observed) -> Iterator[Situation]:
    yield from _merged(state, seen)
    if seen.pull and seen.pull.state == "open" and state.told != state.reason:
        yield Situation.UNTOLD


def _rejected(state: State, seen: Observed) -> Iterator[Situation]:
    yield from _merged(state, seen)
    is_back = seen.head is Head.OURS
    if is_back and seen.pull and seen.pull.state == "open" and seen.pull.current:
        yield Situation.REOPENED


def _held(state: State, seen: Observed) -> Iterator[Situation]:
    if state.hold:
        return
    yield from _merged(state, seen)
    if state.is_replay:
        if not is_moved(state, seen):
            yield Situation.RESTORED
        return
    if seen.main == state.base:
        yield Situation.RETURNED
    yield from _closed(state, seen)


def _merged(state: State, seen: Observed) -> Iterator[Situation]:
    """Main holds what was under review, or the forge says that it was merged: then what main holds
    instead is a person's."""
    review, pull = state.review, seen.pull
    if review is None:
        return
    is_there = seen.main == review.content and seen.main != state.base
    is_merged = pull is not None and pull.state == "merged" and _is_at(review, pull)
    if is_there or is_merged:
        yield Situation.OLDER_MERGED if state.is_behind else Situation.MERGED
    elif seen.main != state.base and seen.main in review.earlier:
        yield Situation.OLDER_MERGED


def _closed(state: State, seen: Observed) -> Iterator[Situation]:
    """People closed what is under review; what the bridge closed itself is opened again."""
    review, pull = state.review, seen.pull
    if review is None or pull is None or pull.state != "closed" or pull.by_us:
        return
    is_this = _is_at(review, pull) or pull.number == review.number
    if not is_this:
        return
    if not state.is_behind:
        yield Situation.CLOSED
    elif state.phase is Phase.BLOCKED and not seen.keeps_branch:
        yield Situation.CLOSED_BEHIND


def _is_at(review: Review, pull: PullState) -> bool:
    """Whether a pull request ended with the change under review, and that is not known already."""
    return (pull.current or pull.written) and pull.number != review.ended


_BY_PHASE = {
    Phase.SETTLED: _settled,
    Phase.BUILDING: _building,
    Phase.IN_REVIEW: _in_review,
    Phase.BLOCKED: _blocked,
    Phase.FAILED: _failed,
    Phase.REJECTED: _rejected,
    Phase.HELD: _held,
}
