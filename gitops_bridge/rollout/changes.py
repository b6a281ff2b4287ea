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
    review = _numbered(state, seen)
    tree = seen.main_tree if seen.main == review.content else review.tree
    settled = _settled(replace(state, review=review), review.wish, review.content, tree)
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
    """Under review on its branch. The commit there is filled in by whoever writes it. The number of
    an older request's pull request is forgotten: who closed that has not seen this change."""
    prospect, before = _prospect(seen), state.review
    after = _waiting(Phase.IN_REVIEW, state, seen)
    review = Review(_wish(state, seen), prospect.content, "", prospect.base, tree=prospect.tree)
    if before:
        earlier = (*before.earlier, before.content)[-_EARLIER:]
        review = replace(review, earlier=earlier, ended=before.ended, suspended=before.suspended)
        is_over = state.phase in (Phase.SETTLED, Phase.REJECTED)
        if not is_over and not replace(after, review=before).is_behind:
            before = _numbered(state, seen)
            review = replace(review, number=before.number, url=before.url)
    return replace(after, review=review)


def block(state: State, seen: Observed) -> State:
    return replace(_waiting(Phase.BLOCKED, state, seen), by=seen.pusher)


def hold(state: State, seen: Observed) -> State:
    """A person's change stands in the way of what waits, or of a replay."""
    return replace(state, phase=Phase.HELD, wish=_wish(state, seen), by=seen.person)


def hold_newer(state: State, seen: Observed) -> State:
    return replace(_superseded(state, seen), wish=seen.asked, base=seen.main)


def hold_called(state: State, seen: Observed) -> State:
    base = state.base if state.wish else seen.main
    return replace(state, phase=Phase.HELD, base=base, hold=seen.person, reason=seen.reason)


def release(state: State, seen: Observed) -> State:
    """It may go over what people changed up to now."""
    wish = state.wish if state.wish and state.phase is not Phase.SETTLED else state.answered
    review = state.review
    if review and state.phase in (Phase.SETTLED, Phase.REJECTED):
        ended = _numbered(state, seen).number
        review = replace(review, number=None, url="", ended=ended)
    return replace(
        state, phase=Phase.BUILDING, wish=replace(wish or Wish(), over=True), base=seen.main,
        image=None, since=seen.now, review=review, reason="", by=seen.person, hold=None, told="",
    )  # fmt: skip


def fail(state: State, seen: Observed) -> State:
    return replace(state, phase=Phase.FAILED, reason=seen.build_failed, told="")


def reject(state: State, seen: Observed) -> State:
    """People closed what was under review; its branch goes, and is known if it comes back."""
    pull, review = seen.pull, _numbered(state, seen)
    by, because = (pull.by, pull.because) if pull else (None, "")
    if seen.head is Head.OURS:
        review = replace(review, head=seen.head_commit)
    return replace(
        state, phase=Phase.REJECTED, wish=review.wish, by=by, reason=because, review=review
    )


def reopen(state: State, seen: Observed) -> State:
    return replace(state, phase=Phase.IN_REVIEW, by=None, reason="", told="")


def open_pull(state: State, seen: Observed) -> State:
    return replace(state, review=replace(_numbered(state, seen), suspended=False))


def suspend(state: State, seen: Observed) -> State:
    """The pull request is a draft from now on, and it is ours to make it ready again."""
    return replace(state, review=replace(_numbered(state, seen), suspended=True))


def tell(state: State, seen: Observed) -> State:
    return replace(state, told=state.reason or seen.head_commit)


def go_on(state: State, seen: Observed) -> State:
    """What waits is taken up again by the next look, which orders its image where none is there."""
    review = None if seen.head is Head.GONE else state.review
    return replace(
        state, phase=Phase.BUILDING, image=None, since=seen.now, review=review, reason="", by=None,
        told="",
    )  # fmt: skip


def go_on_behind(state: State, seen: Observed) -> State:
    """The older review is over: what was asked since is taken up."""
    return replace(go_on(state, seen), review=None)


def go_on_after_merge(state: State, seen: Observed) -> State:
    """An older proposal was merged: it is what was delivered, and what was asked since goes on."""
    after = note_merged(state, seen)
    return replace(go_on(after, seen), review=after.review)


def note_merged(state: State, seen: Observed) -> State:
    """An older proposal was merged. What main holds instead of it by now is a person's."""
    review, pull = _review(state), seen.pull
    is_merged = pull is not None and pull.state == "merged" and pull.current
    is_ours = (is_merged and seen.head is not Head.FOREIGN) or seen.main == review.content
    answered = review.wish if is_ours and review.wish.request else state.answered
    merged = review.content if is_ours else seen.main
    ended = pull.number if pull and pull.state == "merged" else review.ended
    return replace(
        state, answered=answered, delivered=merged, base=merged, rollouts=state.rollouts + 1,
        tree=seen.main_tree if seen.main == merged else review.tree,
        review=replace(review, ended=ended) if seen.keeps_branch else None,
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
        _superseded(state, seen), phase=phase, wish=wish, base=seen.main,
        image=_prospect(seen).image, since=seen.now, reason="", by=None, told="",
    )  # fmt: skip


def _superseded(state: State, seen: Observed) -> State:
    """A rollback that takes the place of a request answers it: that one sent again is a replay."""
    asked, wish = seen.asked, state.wish
    if asked is None or asked.request or wish is None or wish.request is None:
        return state
    return replace(state, answered=replace(wish, over=False), delivered=seen.main)


def _wish(state: State, seen: Observed) -> Wish:
    return seen.asked or state.wish or Wish()


def _prospect(seen: Observed) -> Prospect:
    return seen.prospect or Prospect()


def _review(state: State) -> Review:
    return state.review or Review(Wish(), None, "")


def _numbered(state: State, seen: Observed) -> Review:
    """The review with its pull request, as far as the forge was asked for it."""
    review, pull = _review(state), seen.pull
    return replace(review, number=pull.number, url=pull.url) if pull else review
