"""The one loop of a rollout: observe, step, apply, until it is quiet or the time is up.

An action, a status, `reconcile`, `release` and `hold` all run it; `plan` stops before apply.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gitops_bridge.controller import applying
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.observing import LOOK, Ask, Observer, Sight, Target, stand
from gitops_bridge.controller.reviewing import Reviewer
from gitops_bridge.errors import (
    ConfigError,
    ForgeError,
    RenderError,
    RepositoryError,
    RequestError,
    StaleBase,
)
from gitops_bridge.git import Commit
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
from gitops_bridge.rollout.situations import ANSWERS, Situation
from gitops_bridge.rollout.state import Phase, State

_MOST_STEPS = 24  # of one run; a rollout that is not quiet by then is moved by others all the time
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 15.0  # seconds between two looks at what is waited for


@dataclass
class Result:
    """What a run led to: the last look, the transitions made, and main's commit if it delivered.
    `since`: when what waited at the first look had begun to, in seconds since the epoch, or 0."""

    sight: Sight
    transitions: list[Transition] = field(default_factory=list)
    commit: Commit | None = None
    warnings: tuple[str, ...] = ()
    since: int = 0

    @property
    def state(self) -> State:
        return self.sight.stand.state

    def was(self, *situations: Situation) -> bool:
        return any(made.situation in situations for made in self.transitions)


class Loop:
    """Runs the rollout of one deployment. `fresh` tells that the mirror was fetched just now."""

    def __init__(self, ctx: Context, target: Target, *, fresh: bool = False) -> None:
        self._ctx = ctx
        self._target = target
        self._fresh = fresh
        self._has_seen_merge = False
        self._reviewer = Reviewer(ctx, target.environment, target.branch)
        self._observer = Observer(ctx, target, self._reviewer)

    def plan(self, ask: Ask) -> Result:
        """What the first step would be; nothing is changed."""
        sight, transition = self._look(ask)
        return Result(sight, [transition])

    def run(self, ask: Ask = LOOK, *, until: float = 0.0) -> Result:
        """Take steps until nothing is left to do; then look again while there is time `until`, by
        the monotonic clock, for something that may come by itself. Raises BridgeError."""
        result, pause = self._quiet(ask), _FIRST_PAUSE
        while self._is_worth_waiting(result.state):
            left = until - self._ctx.monotonic()
            if left <= 0:
                break
            self._ctx.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            self._observer.forget()
            self._fresh = False
            try:
                later = self._quiet(LOOK)
            except RepositoryError:
                if self._ctx.monotonic() >= until:
                    break
                raise
            later.transitions[:0] = result.transitions
            later.commit = later.commit or result.commit
            result = later
        return result

    def _is_worth_waiting(self, state: State) -> bool:
        if state.phase is Phase.BUILDING:
            return True
        return state.phase is Phase.IN_REVIEW and self._ctx.config.pull_request.auto_merge

    def _quiet(self, ask: Ask) -> Result:
        """Take steps until none is left. What is asked counts until its step is made."""
        made: list[Transition] = []
        commit: Commit | None = None
        since: int | None = None
        for _ in range(_MOST_STEPS):
            sight, transition = self._look(ask)
            since = sight.stand.state.since if since is None else since
            if not transition.effects:
                if not made:
                    made.append(transition)
                return Result(sight, made, commit, self._reviewer.warnings, since)
            try:
                done = self._apply(sight, transition)
            except ForgeError as error:
                if not error.retry:
                    raise
                waits = replace(sight, problem=f"the pull request waits for the provider: {error}")
                return Result(waits, made, commit, self._reviewer.warnings, since)
            if done is not None:
                made.append(transition)
                commit = done.commit or commit
                ask = ask if self._is_open(ask, sight, transition) else LOOK
        raise _moving(self._target.branch)

    def _is_open(self, ask: Ask, sight: Sight, transition: Transition) -> bool:
        """Whether what is asked has yet to be answered: what waits already was only looked at."""
        waits = ask.wish is not None and ask.wish.same(sight.stand.state.wish)
        return transition.situation not in ANSWERS and not waits

    def _look(self, ask: Ask) -> tuple[Sight, Transition]:
        """The next step. What leaves nothing to push is judged by the branches as they are now."""
        try:
            sight = self._observer.observe(self._first(ask))
            transition = step(sight.stand.state, sight.seen)
            if not self._is_behind(sight) and (transition.push or self._fresh):
                return sight, transition
        except (ConfigError, RenderError, RepositoryError, RequestError):
            if self._fresh:  # else it may be about branches as they were
                raise
        self._ctx.repository.fetch()
        self._fresh = True
        return self._look(ask)

    def _first(self, ask: Ask) -> Ask:
        """What is looked at first: a proposal that people merged is known before what is asked."""
        found = stand(self._ctx, self._target)
        review, main = found.state.review, found.content
        is_waiting = found.state.phase is not Phase.SETTLED and found.state.hold is None
        if ask.wish and is_waiting and review and main == review.content != found.state.base:
            return LOOK
        return ask

    def _is_behind(self, sight: Sight) -> bool:
        """Whether the forge has merged what main, as it was fetched, does not show yet; told once,
        for a person may have reverted it already."""
        seen = sight.seen
        merged = seen.pull is not None and seen.pull.state == "merged"
        is_news = merged and seen.main == sight.stand.state.base and not self._has_seen_merge
        self._has_seen_merge = self._has_seen_merge or is_news
        return is_news

    def _apply(self, sight: Sight, transition: Transition) -> _Done | None:
        """Carry out the effects in their order; None when the branches have moved meanwhile."""
        done = _Done()
        for effect in transition.effects:
            if isinstance(effect, Push):
                pushed = self._push(sight, transition, effect)
                if pushed is None:
                    return None
                done = pushed
            else:
                self._tell_forge(effect, sight)
        return done

    def _push(self, sight: Sight, transition: Transition, push: Push) -> _Done | None:
        repository, settings = self._ctx.repository, self._ctx.config.repository
        edit = applying.edit(self._ctx, self._target, sight, transition, push)
        delivered = repository.submit(settings.rollouts_branch, edit)
        self._fresh = delivered is not None
        if delivered is None:
            return None
        if push.branch is Branch.PUT and not sight.stand.branch_head:
            self._reviewer.expect_none()
        elif push.branch is Branch.PUT:
            self._reviewer.forget()
        if not push.deliver:
            return _Done()
        if settings.branch in delivered.commits:
            return _Done(delivered.commits[settings.branch])
        head = repository.snapshot(settings.branch, fetch=False).commit
        return _Done(next(iter(repository.log(head, self._target.home, limit=1)), None))

    def _tell_forge(self, effect: Effect, sight: Sight) -> None:
        """What changes a pull request. Raises ForgeError."""
        state = sight.stand.state
        if isinstance(effect, WritePullRequest) and state.review and sight.plan:
            self._reviewer.write(state.review, sight.plan, sight.stand.main)
        elif isinstance(effect, SetDraft):
            self._reviewer.set_draft()
        elif isinstance(effect, ClosePullRequest):
            self._reviewer.close()
        elif isinstance(effect, Comment):
            self._reviewer.comment(state, sight.seen)


@dataclass(frozen=True)
class _Done:
    commit: Commit | None = None


def _moving(branch: str) -> StaleBase:
    return StaleBase(f"the rollout on {branch} keeps moving", hint="try again later", retry=True)
