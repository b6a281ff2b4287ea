"""A small world around one rollout: branches, a forge, a registry, people, and the bridge's hosts.

A World is a value. What the bridge does in it is what its controller does with a transition of the
pure machine; `rollout_moves` lists all that may happen next. Ghost fields remember what people
decided and what was acknowledged, by the order of events alone, and `Broken` is raised when the
bridge goes against that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from gitops_bridge.actions import Action, Deployment, ExecutionType, Model, Request
from gitops_bridge.rollout.effects import (
    Branch,
    ClosePullRequest,
    Comment,
    Effect,
    Push,
    SetDraft,
    WritePullRequest,
)
from gitops_bridge.rollout.machine import Transition, step
from gitops_bridge.rollout.observed import Cause, Head, Observed, Prospect, PullState
from gitops_bridge.rollout.situations import Situation, is_newer
from gitops_bridge.rollout.state import Phase, State, Who, Wish

_FOUND = (Situation.FULFILLED, Situation.MERGED, Situation.OLDER_MERGED)
US, JANE = Who("gitops-bridge"), Who("Jane Doe")


class Broken(AssertionError):
    """The bridge has done, or left, what it must not."""


def wish(action: Action, model: str | None = None, previous: str | None = None) -> Wish:
    about = Model(model, ExecutionType.CUSTOM) if model else None
    return Wish(Request(action, "pe", Deployment("d", "churn", previous), about))


START_A = wish(Action.DEPLOYMENT_START, "A")
START_B = wish(Action.DEPLOYMENT_START, "B")
A_TO_B = wish(Action.DEPLOYMENT_REPLACE_MODEL, "B", "A")
B_TO_A = wish(Action.DEPLOYMENT_REPLACE_MODEL, "A", "B")
RELAUNCH_A = wish(Action.DEPLOYMENT_RELAUNCH, "A")
STOP = wish(Action.DEPLOYMENT_STOP)
BACK_TO_A = Wish(rollback_to="A", by=JANE)


class Config(NamedTuple):
    """`reviewed` are the actions that go by pull request, None being a rollback; `gate` whether an
    image has to be built first; `asks` what DataRobot and people ask."""

    asks: tuple[Wish, ...]
    reviewed: frozenset[Action | None] = frozenset()
    gate: bool = False
    drafts: bool = True
    atomic: bool = True
    people: frozenset[str] = frozenset()
    start: str | None = None


class Commit(NamedTuple):
    """A commit on the proposal's branch: what `model/` means there and the folder it leans on.
    `foreign`: somebody else's; `updated`: ours, brought up to main by the forge; `again`: the same
    change, made anew after it was merged."""

    content: str | None
    base: str
    foreign: bool = False
    updated: bool = False
    again: bool = False

    @property
    def id(self) -> str:
        who = "theirs" if self.foreign else "updated" if self.updated else "ours"
        return f"{who}:{self.content}:{self.base}{'*' * self.again}"


class Pull(NamedTuple):
    """`text` is the commit that title and text were written for; `by` who closed or merged it;
    `reopened`: by people; `told`: what the
    bridge commented on last."""

    number: int
    state: str
    head: Commit
    text: str = ""
    draft: bool = False
    by: Who | None = None
    reopened: bool = False
    told: str = ""


class Seen(NamedTuple):
    """What a process has in hand: the branches it saw, its facts and its transition; whether the
    `forge` answers it, and how many parts of its effects are `done`."""

    refs: tuple[str | None, int, State, Commit | None]
    facts: Observed
    transition: Transition
    forge: bool = True
    again: bool = False
    done: int = 0


class World(NamedTuple):
    """`outer` counts changes to people's files of the folder, `recipe` those of the image's recipe;
    `paused` is a process that stands still between two effects, perhaps for ever.

    Ghosts: `newest` is the newest acknowledged request and `mark` what main held then, or what it
    was given for it; `rejected` was closed by people, `hold` is in force, `undone`: a person's
    rollback has taken the place of the newest request; `torn`: main has moved in a way that the
    state can only learn by the next look, and what a person does to main before that cannot be told
    apart (a server without transactions, or somebody else's commit merged before a newer request).
    """

    main: str | None = None
    outer: int = 0
    file: State = State()
    branch: Commit | None = None
    pull: Pull | None = None
    recipe: int = 0
    jobs: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    paused: Seen | None = None
    newest: Wish | None = None
    mark: str | None = None
    rejected: bool = False
    hold: bool = False
    undone: bool = False
    torn: bool = False
    restored: bool = False

    @property
    def refs(self) -> tuple[str | None, int, State, Commit | None]:
        return self.main, self.outer, self.file, self.branch

    @property
    def base(self) -> str:
        return f"{self.main}/{self.outer}"


# -- the bridge: observe, step, apply


def image_of(config: Config, content: str | None) -> str | None:
    return content.rstrip("'") if content and config.gate else None


def target(config: Config, world: World, asked: Wish) -> str | None:
    """What `model/` shall mean. Raises LookupError where a replacement finds nothing to replace."""
    if asked.request is None:
        return asked.rollback_to
    action, model = asked.request.action, asked.model_id
    if action is Action.DEPLOYMENT_STOP:
        return None
    if action is Action.DEPLOYMENT_REPLACE_MODEL and world.main is None:
        raise LookupError
    built = f"{model}{world.recipe or ''}" if config.gate else str(model)
    if action is Action.DEPLOYMENT_RELAUNCH:
        return built + "'" * (asked.restarts or 0)
    kept = world.main or ""
    return kept if kept.rstrip("'") == built else built


def prospect(config: Config, world: World, asked: Wish) -> Prospect:
    content = target(config, world, asked)
    if content == world.main:
        return Prospect(fulfilled=True, content=content)
    image, review = image_of(config, content), world.file.review
    applies = bool(
        review and world.branch and review.base == world.base and world.branch.content == content
    )
    return Prospect(
        content=content, base=world.base, image=image,
        built=image is None or image in world.images,
        reviewed=(asked.request.action if asked.request else None) in config.reviewed,
        applies=applies or world.file.phase is not Phase.IN_REVIEW,
    )  # fmt: skip


def head_of(world: World, planned: Prospect | None) -> Head:
    if world.branch is None:
        return Head.GONE
    review, known = world.file.review, set[str | None]()
    if review:
        known |= {review.content, *review.earlier}
        if world.branch.id == review.head:
            return Head.OURS
    if planned and not planned.fulfilled:
        known.add(planned.content)
    return Head.OURS if world.branch.content in known else Head.FOREIGN


def pull_of(world: World, *, newer: bool) -> PullState | None:
    review, pull, state = world.file.review, world.pull, world.file
    if review is None or pull is None or newer:
        return None
    if state.phase is Phase.FAILED and state.told == state.reason:
        return None
    if state.phase is Phase.REJECTED and (world.branch is None or world.branch.id != review.head):
        return None
    at_head = pull.head == world.branch
    return PullState(
        pull.state, pull.number, "", current=at_head or pull.head.id == review.head,
        at_head=at_head, written=pull.text == review.head, draft=pull.draft, by=pull.by,
        by_us=pull.by == US,
    )  # fmt: skip


def observe(
    config: Config, world: World, cause: Cause, asked: Wish | None, *, forge: bool
) -> Observed:
    if asked == RELAUNCH_A:
        asked = replace(asked, restarts=(world.main or "").count("'") + 1)
    seen = Observed(world.main, cause, asked, person=JANE, atomic=config.atomic)
    newer = is_newer(world.file, seen)
    waits = asked if newer else world.file.wish
    planned, failed = None, ""
    if waits and (newer or world.file.phase in (Phase.BUILDING, Phase.IN_REVIEW)):
        try:
            planned = prospect(config, world, waits)
        except LookupError:
            if newer:
                raise
            failed = "nothing to replace"
    if world.file.phase is Phase.BUILDING and world.file.image in world.failed:
        failed = "build"
    pull = pull_of(world, newer=newer) if forge else None
    return replace(
        seen, prospect=planned, build_failed=failed, head=head_of(world, planned),
        head_commit=world.branch.id if world.branch else "", pull=pull,
        asked_forge=forge and world.file.review is not None and not newer,
    )  # fmt: skip


def start(
    config: Config, world: World, cause: Cause, asked: Wish | None = None, *, forge: bool = True
) -> Seen:
    facts = observe(config, world, cause, asked, forge=forge)
    pull = world.pull
    again = pull is not None and pull.state == "merged" and not pull.head.again
    return Seen(world.refs, facts, step(world.file, facts), forge, again)


def parts(config: Config, transition: Transition) -> tuple[Effect | str, ...]:
    """The effects, a push in the parts in which a server without transactions takes it."""
    found: list[Effect | str] = []
    for effect in transition.effects:
        if not isinstance(effect, Push) or config.atomic:
            found.append(effect)
            continue
        found += ["builds"] if effect.order else []
        found += ["branch"] if effect.branch is Branch.DELETE else []
        found += ["main"] if effect.deliver else []
        found.append("rollouts")
        found += ["branch"] if effect.branch is Branch.PUT else []
    return tuple(found)


def run(config: Config, world: World, process: Seen, until: int | None = None) -> World:
    """Carry out the effects up to the one numbered `until`. A process whose push is refused ends:
    it would look anew."""
    effects = parts(config, process.transition)
    push = process.transition.push or Push()
    for effect in effects[process.done : until]:
        if isinstance(effect, (str, Push)):
            pushed = _pushed(
                config, world, process, push, effect if isinstance(effect, str) else ""
            )
            if pushed is None:
                return world
            world = pushed
        elif process.forge:
            world = _told(config, world, process, effect)
        else:
            return world
    return world


def _pushed(config: Config, world: World, process: Seen, push: Push, part: str) -> World | None:
    """The world after a push, or one part of it; None when it was refused."""
    main, outer, file, branch = process.refs
    planned = process.facts.prospect or Prospect()
    moves_branch = push.branch is not Branch.KEEP
    if (
        part in ("", "builds")
        and push.order
        and planned.image
        and planned.image not in world.images
    ):
        jobs, failed = world.jobs | {planned.image}, world.failed - {planned.image}
        ordered = world._replace(jobs=jobs, failed=failed)
    else:
        ordered = world
    if part == "builds":
        return ordered
    is_late = part == "branch" and push.branch is Branch.PUT
    if part and world.file != file and not is_late:
        return None  # it looks once more before each part
    if part in ("", "branch") and moves_branch and world.branch != branch:
        return None
    if is_late and world.file != _written(process, push):
        return None
    if part in ("", "main") and push.deliver and (world.main, world.outer) != (main, outer):
        return None
    if part in ("", "rollouts") and world.file != file:
        return None
    world = ordered
    if part in ("", "branch") and moves_branch:
        world = _branch_moved(world, None if push.branch is Branch.DELETE else _commit(process))
    if part in ("", "main") and push.deliver:
        world = _delivered(world, process, planned.content)._replace(torn=bool(part))
    if part in ("", "rollouts"):
        state = _written(process, push)
        if part and push.deliver and planned.content != world.main:
            world = world._replace(mark=planned.content)
        world = acknowledged(world, process)._replace(file=state, torn=False)
    return world


def _commit(process: Seen) -> Commit:
    planned = process.facts.prospect or Prospect()
    return Commit(planned.content, str(planned.base), again=process.again)


def _written(process: Seen, push: Push) -> State:
    """The state as it is written: with the commit that is put on the branch."""
    state = replace(process.transition.state, rollouts=0)
    if push.branch is Branch.PUT and state.review:
        state = replace(state, review=replace(state.review, head=_commit(process).id))
    return state


def _branch_moved(world: World, to: Commit | None) -> World:
    if world.branch and world.branch.foreign and not _is_over(world):
        raise Broken("somebody else's commit on the proposal's branch is overwritten")
    pull = world.pull
    if pull and pull.state == "open":
        pull = pull._replace(head=to) if to else pull._replace(state="closed", by=US)
    return world._replace(branch=to, pull=pull)


def _is_over(world: World) -> bool:
    """Whether people have ended the pull request with the commit that the branch is at."""
    pull = world.pull
    return (
        pull is not None and pull.state != "open" and pull.head == world.branch and pull.by == JANE
    )


def _delivered(world: World, process: Seen, content: str | None) -> World:
    facts = process.facts
    is_persons = facts.asked is not None and facts.asked.request is None
    is_newer_request = facts.asked is not None and not facts.asked.same(world.newest)
    if not is_persons and not is_newer_request:
        if world.main != world.mark:
            raise Broken("a replay overrules a person's change to main")
        if world.rejected:
            raise Broken("a rejected request is delivered")
    if not is_persons and world.hold:
        raise Broken("something is delivered over a hold")
    mark = world.mark if is_persons else content
    return world._replace(main=content, mark=mark)


def acknowledged(world: World, process: Seen) -> World:
    """The process tells its caller that it was heard, and it is remembered by the order of events
    what that means."""
    facts, asked, main = process.facts, process.facts.asked, process.refs[0]
    if process.transition.push and process.transition.push.deliver and facts.prospect:
        main = facts.prospect.content
    if facts.cause is Cause.HOLD:
        return world._replace(hold=True)
    if facts.cause is Cause.RELEASE:
        mark = main if process.transition.state.wish else world.mark
        return world._replace(hold=False, rejected=False, mark=mark, undone=False)
    is_found = process.transition.situation in _FOUND
    if is_found and process.transition.state.delivered == main:
        world = world._replace(mark=main)
    if asked is None:
        return world
    if asked.request is None:
        return world._replace(undone=world.undone or _is_reviewed(process), rejected=False)
    older = asked.same(process.refs[2].answered) and process.refs[2].phase is not Phase.SETTLED
    if asked.same(world.newest) or older:
        return world
    return world._replace(newest=asked, mark=main, rejected=False, undone=False)


def _is_reviewed(process: Seen) -> bool:
    return process.facts.prospect is not None and process.facts.prospect.reviewed


def _told(config: Config, world: World, process: Seen, effect: Effect) -> World:
    """The forge after an effect on the pull request."""
    pull, review, facts = world.pull, process.refs[2].review, process.facts
    is_open = pull is not None and pull.state == "open"
    if isinstance(effect, WritePullRequest) and review:
        if is_open and pull:
            return world._replace(pull=pull._replace(text=review.head, draft=False))
        is_known = pull is None or (
            facts.pull and (facts.pull.number, facts.pull.state) == (pull.number, pull.state)
        )
        if world.branch is None or world.branch.content == world.main or not is_known:
            return world
        number = pull.number % 3 + 1 if pull else 1
        return world._replace(pull=Pull(number, "open", world.branch, review.head))
    if isinstance(effect, SetDraft) and is_open and pull:
        changed = (
            pull._replace(draft=True, text="")
            if config.drafts
            else pull._replace(state="closed", by=US)
        )
        return world._replace(pull=changed)
    if isinstance(effect, ClosePullRequest) and is_open and pull:
        return world._replace(pull=pull._replace(state="closed", by=US))
    if isinstance(effect, Comment) and is_open and pull:
        return world._replace(pull=pull._replace(told=process.refs[2].reason or facts.head_commit))
    return world
