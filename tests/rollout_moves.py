"""What may happen next in a World: the bridge's hosts at work, people, the registry."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_bridge.rollout.observed import Cause
from gitops_bridge.rollout.situations import Situation
from gitops_bridge.rollout.state import Phase, Wish
from tests.rollout_world import (
    JANE,
    Broken,
    Commit,
    Config,
    Pull,
    Seen,
    World,
    acknowledged,
    image_of,
    parts,
    run,
    start,
)


def moves(config: Config, world: World) -> Iterator[tuple[int, str, World]]:
    """What may happen next: how much of the budget it takes, its name, and the world after it."""
    yield from _bridge(config, world)
    yield from _people(config, world)
    yield from _registry(config, world)


def beginnings(config: Config) -> list[tuple[int, Cause, Wish | None]]:
    """What a process of the bridge may be started for, and how much of the budget that takes."""
    persons = (Cause.HOLD, Cause.RELEASE)
    return [
        (0, Cause.LOOK, None),
        *((1, Cause.ASKED, asked) for asked in config.asks),
        *((1, cause, None) for cause in persons if cause.value in config.people),
    ]


def _bridge(config: Config, world: World) -> Iterator[tuple[int, str, World]]:
    if world.paused:
        resumed = run(config, world._replace(paused=None), world.paused)
        yield 0, "the other host goes on", resumed
    for cost, cause, asked in beginnings(config):
        try:
            process = start(config, world, cause, asked)
        except LookupError:
            continue
        name = f"{cause.value} {_name(asked)}: {process.transition.situation.name}"
        effects = parts(config, process.transition)
        if not effects:
            if unheard := _unheard(world, process):
                raise Broken(unheard)
            if asked:
                yield cost, name, acknowledged(world, process)
            continue
        after = run(config, world, process)
        is_rollback = process.transition.situation is Situation.ROLLED_BACK
        if is_rollback and asked and after.main != asked.rollback_to:
            raise Broken("a rollback does not arrive")
        yield cost, name, after
        if world.file.review and cause is Cause.LOOK:
            blind = start(config, world, cause, asked, forge=False)
            yield 1, f"look without a forge: {name}", run(config, world, blind)
        if world.paused is None:
            for done in range(len(effects)):
                paused = process._replace(done=done)
                after = run(config, world, process, done)
                yield cost + 1, f"{name}, paused at {done}", after._replace(paused=paused)


def _unheard(world: World, process: Seen) -> str:
    """What somebody asks that must not be answered by doing nothing; "" when that is right."""
    facts, state = process.facts, world.file
    if facts.cause is Cause.HOLD:
        return "a hold is not heard"
    if facts.cause is Cause.RELEASE:
        is_due = state.phase in (Phase.HELD, Phase.REJECTED)
        return "a release is not heard" if is_due else ""
    if facts.asked is None or facts.prospect is None or facts.prospect.fulfilled:
        return ""
    if facts.asked.request is None:
        return "a rollback is not heard"
    is_replay = facts.asked.same(state.answered) and state.phase is Phase.SETTLED
    return "a replay is not held" if is_replay and world.main != state.delivered else ""


def _name(asked: Wish | None) -> str:
    if asked is None:
        return ""
    if asked.request is None:
        return f"roll back to {asked.rollback_to}"
    return f"{asked.request.action.value} {asked.model_id or ''}"


def _people(config: Config, world: World) -> Iterator[tuple[int, str, World]]:
    may, pull = config.people, world.pull
    if "main" in may:
        for content in (None, "A", "B", "P"):
            if content != world.main:
                mark = content if world.torn else world.mark
                after = world._replace(main=content, mark=mark)
                yield 1, f"a person sets main to {content}", after
    if "outer" in may and world.outer == 0:
        yield 1, "a person changes their own files", world._replace(outer=1)
    if "branch" in may:
        if world.branch and not world.branch.foreign:
            theirs = world.branch._replace(content="F", foreign=True, updated=False)
            yield 1, "a person pushes to the branch", _moved_by_person(world, theirs)
            if not world.branch.updated:
                updated = world.branch._replace(base=world.base, updated=True)
                yield 1, "the forge updates the branch", _moved_by_person(world, updated)
        if world.branch:
            yield 1, "a person deletes the branch", _moved_by_person(world, None)
        elif pull and pull.state == "closed":
            yield 1, "a person restores the branch", world._replace(branch=pull.head, restored=True)
        elif pull is None:
            theirs = Commit("F", world.base, foreign=True)
            yield 1, "a person makes the branch", world._replace(branch=theirs)
    if "review" in may and pull:
        yield from _reviewing(config, world, pull)


def _moved_by_person(world: World, to: Commit | None) -> World:
    pull = world.pull
    if pull and pull.state == "open":
        if to is None:
            return _closed(world._replace(branch=None), pull)
        pull = pull._replace(head=to)
    return world._replace(branch=to, pull=pull)


def _reviewing(config: Config, world: World, pull: Pull) -> Iterator[tuple[int, str, World]]:
    if pull.state == "open":
        if not pull.draft and f"{world.main}/" in (f"{pull.head.base.split('/')[0]}/",):
            yield 1, "a person merges", _merged(config, world, pull)
        yield 1, "a person closes", _closed(world, pull)
    elif pull.state == "closed" and world.branch == pull.head:
        rejected = world.rejected and pull.by != JANE
        reopened = pull._replace(state="open", by=None, reopened=True)
        yield 1, "a person reopens", world._replace(pull=reopened, rejected=rejected)


def _merged(config: Config, world: World, pull: Pull) -> World:
    image = image_of(config, pull.head.content)
    if image and not pull.head.foreign and image not in world.images:
        raise Broken(f"{image} is merged and not built")
    main, review = pull.head.content, world.file.review
    is_rollback = review is not None and review.wish.request is None
    is_last = review is None or review.wish.same(world.newest)
    is_over = world.file.phase is Phase.SETTLED
    mark = world.mark if is_rollback or is_over else main
    if pull.head.foreign and is_last and review:
        mark = review.content
    merged = pull._replace(state="merged", by=JANE)
    torn = pull.head.foreign and not is_last
    return world._replace(main=main, mark=mark, pull=merged, torn=torn)


def _closed(world: World, pull: Pull) -> World:
    review = world.file.review
    is_newest = review is not None and review.wish.same(world.newest) and pull.text == review.head
    is_ours = review is not None and pull.head.content == review.content
    return world._replace(
        pull=pull._replace(state="closed", by=JANE),
        rejected=world.rejected or (is_newest and is_ours and world.file.phase is Phase.IN_REVIEW),
    )


def _registry(config: Config, world: World) -> Iterator[tuple[int, str, World]]:
    for image in world.jobs - world.images - world.failed:
        yield 1, f"{image} is built", world._replace(images=world.images | {image})
        if "build" in config.people:
            yield 1, f"{image} fails", world._replace(failed=world.failed | {image})
    if "recipe" in config.people and world.recipe == 0:
        yield 1, "the recipe changes", world._replace(recipe=1)
