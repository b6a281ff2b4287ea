"""What has to hold in a World once the bridge has nothing left to do: one story, and nothing lost.

Raises Broken that names what does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gitops_bridge.rollout.observed import Head
from gitops_bridge.rollout.state import Phase
from tests.rollout_world import JANE, Broken, Config, World, head_of, image_of

Finding = tuple[object, str]


def verify(config: Config, world: World) -> None:
    of_phase = _PHASES[world.file.phase](config, world)
    for holds, what in (*_hold(world), *_newest(world), *_branch(world), *of_phase):
        if not holds:
            raise Broken(f"nothing is left to do, but {what}: {world}")


def _is_open(world: World) -> bool:
    return world.pull is not None and world.pull.state == "open"


def _hold(world: World) -> Iterator[Finding]:
    is_held = world.file.phase is Phase.HELD and world.file.hold is not None
    yield is_held or not world.hold, "a hold is forgotten"
    yield world.hold or not world.file.hold, "a hold was lifted and stands"


def _newest(world: World) -> Iterator[Finding]:
    """The newest request is never forgotten unless a person's rollback took its place."""
    state, newest = world.file, world.newest
    if newest is None or world.undone:
        return
    known = [state.answered, state.wish, state.review and state.review.wish]
    yield any(newest.same(item) for item in known), "the newest request is lost"
    is_done = state.phase is Phase.SETTLED and newest.same(state.answered)
    if is_done and world.main == world.mark:
        yield _letter(world.main) == _letter(newest.model_id), "the newest request is not done"


def _branch(world: World) -> Iterator[Finding]:
    """A branch that nothing under review needs is gone, unless it is people's."""
    branch, state = world.branch, world.file
    is_needed = state.review is not None and state.phase is not Phase.REJECTED
    is_theirs = branch is not None and (branch.foreign or world.restored)
    yield branch is None or is_needed or is_theirs, "a branch is left"


def _letter(content: str | None) -> str | None:
    return content[0] if content else None


def _settled(config: Config, world: World) -> Iterator[Finding]:
    pull = world.pull
    yield not world.file.wish and not world.file.review, "something waits that is settled"
    is_theirs = pull is not None and (pull.head.foreign or pull.reopened)
    yield not _is_open(world) or is_theirs, "a pull request is left open"


def _building(config: Config, world: World) -> Iterator[Finding]:
    on_their_way = world.jobs - world.images - world.failed
    yield world.file.image in on_their_way, "nothing is built"
    pull = world.pull
    yield not _is_open(world) or (pull and pull.draft), "people can merge what is out of date"


def _in_review(config: Config, world: World) -> Iterator[Finding]:
    state, pull, branch = world.file, world.pull, world.branch
    review = state.review
    if review is None or pull is None or branch is None:
        yield False, "nothing is under review"
        return
    yield branch.content == review.content, "the branch is at something else"
    yield _is_open(world) and not pull.draft, "no pull request is open"
    yield pull.text == review.head, "the pull request is about something else"
    yield pull.number == review.number, "the pull request's number is not known"
    yield image_of(config, review.content) in {*world.images, None}, "it is not built"
    yield not world.rejected, "it was rejected"
    yield review.wish == state.wish, "another request waits"
    is_persons = state.wish is not None and state.wish.request is None
    yield is_persons or world.main == world.mark, "it would go over a person's change"


def _blocked(config: Config, world: World) -> Iterator[Finding]:
    yield head_of(world, None) is Head.FOREIGN, "nobody blocks"
    is_told = world.branch and world.pull and world.pull.told == world.branch.id
    yield not _is_open(world) or not world.file.review or is_told, "people were not told"
    pull, review = world.pull, world.file.review
    if pull and review and pull.head == world.branch and pull.by == JANE:
        is_this = pull.number == review.number or pull.text == review.head
        yield pull.state != "closed" or not is_this, "a closing is not noticed"


def _failed(config: Config, world: World) -> Iterator[Finding]:
    state, pull = world.file, world.pull
    yield state.reason, "it is not told why the build failed"
    is_told = not state.review or (pull and pull.told == state.reason)
    yield not _is_open(world) or is_told, "people were not told"
    is_merged = (
        state.review and pull and (pull.state, pull.head.id) == ("merged", state.review.head)
    )
    is_known = not is_merged or pull.number == state.review.ended
    yield state.told or is_known, "a merge is not noticed"


def _rejected(config: Config, world: World) -> Iterator[Finding]:
    is_theirs = world.branch is not None and world.branch.foreign
    yield not _is_open(world) or is_theirs, "what was rejected can be merged"


def _held(config: Config, world: World) -> Iterator[Finding]:
    is_back = world.file.is_replay and world.main == world.file.delivered
    yield world.file.hold or not is_back, "what is back is held"
    moved = {world.mark, world.file.base} != {world.main}
    yield world.file.hold or moved, "nobody stands in the way"


_PHASES: dict[Phase, Callable[[Config, World], Iterator[Finding]]] = {
    Phase.SETTLED: _settled,
    Phase.BUILDING: _building,
    Phase.IN_REVIEW: _in_review,
    Phase.BLOCKED: _blocked,
    Phase.FAILED: _failed,
    Phase.REJECTED: _rejected,
    Phase.HELD: _held,
}
