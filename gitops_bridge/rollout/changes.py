"""The states that transitions lead to: each function takes a State and what a look sees."""

from __future__ import annotations

from dataclasses import replace

from gitops_bridge.rollout.observed import Head, Observed, Prospect
from gitops_bridge.rollout.state import Phase, Review, State, Wish

_EARLIER = 5  # changes of one review that somebody may still merge


def same(state: State, seen: Observed) -> State:
    return state


def settle_delivered(state: State, seen: Observed) -> State:
    """What was carried out is answered, and main has it once the push is through."""
    prospect = _prospect(seen)
    settled = _settled(state, _wish(state, seen), prospect.content, prospect.tree)
    return replace(settled, rollouts=state.rollouts + 1)


def settle_found(state: State, seen: Observed) -> State:
    """Main has it already: remembered, so that its replay after a person's revert is known."""
    return _settled(state, _wish(state, seen), seen.main, seen.main_tree)


def settle_merged(state: State, seen: Observed) -> State:
    review = _review(state)
    tree = seen.main_tree if seen.main == review.content else review.tree
    settled = _settled(state, review.wish, review.content, tree)
    return replace(settled, rollouts=state.rollouts + 1)


def settle_lifted(state: State, seen: Observed) -> State:
    return replace(state, phase=Phase.SETTLED, hold=None, by=None, reason="")


def settle_restored(state: State, seen: Observed) -> State:
    return replace(state, phase=Phase.SETTLED, wish=None, base=None, by=None, reason="")


def retire(state: State, seen: Observed) -> State:
    return replace(state, review=None, told="")


def count(state: State, seen: Observed) -> State:
    """A rollback is a person's decision: what was delivered and answered stays what it was."""
    return replace(state, rollouts=state.rollouts + 1)


def build(state: State, seen: Observed) -> State:
    """Wait for the image, or for the next look to carry it out."""
    return _waiting(Phase.BUILDING, state, seen)


def rebuild(state: State, seen: Observed) -> State:
    image = _prospect(seen).image
    return replace(state, phase=Phase.BUILDING, image=image, since=seen.now, reason="", told="")


def propose(state: State, seen: Observed) -> State:
    """Under review on its branch. The commit there is filled in by whoever writes it."""
    prospect, wish, before = _prospect(seen), _wish(state, seen), state.review
    goes_on = before is not None and state.phase is not Phase.REJECTED
    review = Review(wish, prospect.content, "", prospect.base, tree=prospect.tree)
    if before and goes_on:
        earlier = (*before.earlier, before.content)[-_EARLIER:]
        review = replace(review, number=before.number, url=before.url, earlier=earlier)
    return replace(_waiting(Phase.IN_REVIEW, state, seen), review=review)


def block(state: State, seen: Observed) -> State:
    return replace(_waiting(Phase.BLOCKED, state, seen), by=seen.pusher)


def hold(state: State, seen: Observed) -> State:
    """A person's change stands in the way of what waits, or of a replay."""
    wish = _wish(state, seen)
    base = seen.main if wish.same(state.answered) else state.base
    return replace(state, phase=Phase.HELD, wish=wish, base=base, by=seen.person)


def hold_newer(state: State, seen: Observed) -> State:
    return replace(state, wish=seen.asked, base=seen.main)


def hold_called(state: State, seen: Observed) -> State:
    base = state.base if state.wish else seen.main
    return replace(state, phase=Phase.HELD, base=base, hold=seen.person, reason=seen.reason)


def release(state: State, seen: Observed) -> State:
    """It may go over what people changed up to now."""
    wish = state.wish if state.wish and state.phase is not Phase.SETTLED else state.answered
    review = state.review if state.phase is Phase.HELD else None
    return replace(
        state, phase=Phase.BUILDING, wish=replace(wish or Wish(), over=True), base=seen.main,
        since=seen.now, review=review, reason="", by=seen.person, hold=None, told="",
    )  # fmt: skip


def fail(state: State, seen: Observed) -> State:
    return replace(state, phase=Phase.FAILED, reason=seen.build_failed, told="")


def reject(state: State, seen: Observed) -> State:
    """People closed what was under review; its branch goes, and is known if it comes back."""
    pull, review = seen.pull, _review(state)
    by, because = (pull.by, pull.because) if pull else (None, "")
    return replace(
        state, phase=Phase.REJECTED, wish=review.wish, by=by, reason=because,
        review=replace(review, head=seen.head_commit or review.head),
    )  # fmt: skip


def reopen(state: State, seen: Observed) -> State:
    return replace(state, phase=Phase.IN_REVIEW, base=seen.main, by=None, reason="", told="")


def open_pull(state: State, seen: Observed) -> State:
    pull = seen.pull
    if pull is None:
        return state
    return replace(state, review=replace(_review(state), number=pull.number, url=pull.url))


def tell(state: State, seen: Observed) -> State:
    return replace(state, told=state.reason or seen.head_commit)


def go_on(state: State, seen: Observed) -> State:
    """What waits is taken up again by the next look, on main as it is."""
    review = state.review if seen.head is Head.OURS else None
    return replace(
        state, phase=Phase.BUILDING, base=seen.main, since=seen.now, review=review, reason="",
        by=None, told="",
    )  # fmt: skip


def go_on_behind(state: State, seen: Observed) -> State:
    """The older review is over: what was asked since is taken up."""
    return replace(go_on(state, seen), review=None)


def go_on_after_merge(state: State, seen: Observed) -> State:
    """An older proposal was merged: it is what was delivered, and what was asked since goes on."""
    review = _review(state)
    answered = review.wish if seen.main == review.content else state.answered
    return replace(
        go_on_behind(state, seen), answered=answered, delivered=seen.main, tree=seen.main_tree,
        rollouts=state.rollouts + 1,
    )  # fmt: skip


def _settled(state: State, wish: Wish, content: str | None, tree: str) -> State:
    """Nothing waits any more. A rollback leaves what DataRobot was answered as it was."""
    before = State(
        answered=state.answered, delivered=state.delivered, tree=state.tree,
        rollouts=state.rollouts, review=state.review,
    )  # fmt: skip
    if wish.request is None:
        return before
    return replace(before, answered=replace(wish, over=False), delivered=content, tree=tree)


def _waiting(phase: Phase, state: State, seen: Observed) -> State:
    wish = _wish(state, seen)
    return replace(
        state, phase=phase, wish=wish, base=seen.main, image=_prospect(seen).image,
        since=seen.now, reason="", by=None, told="",
    )  # fmt: skip


def _wish(state: State, seen: Observed) -> Wish:
    return seen.asked or state.wish or Wish()


def _prospect(seen: Observed) -> Prospect:
    return seen.prospect or Prospect()


def _review(state: State) -> Review:
    return state.review or Review(Wish(), None, "")
