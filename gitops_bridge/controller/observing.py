"""One deployment's place in Git, at the registry and at the forge, to the facts a step needs.

Only what the phase asks for is looked at: a quiet rollout costs no request and no render.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gitops_bridge.actions import Model
from gitops_bridge.config import Environment, Gate
from gitops_bridge.controller import builds, images, movers, planning, policy, rollbacks
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.planning import Plan
from gitops_bridge.controller.reviewing import Reviewer
from gitops_bridge.desired import messages
from gitops_bridge.desired.record import Record, request
from gitops_bridge.desired.rollout import MODEL, OverlayFiles, Touch
from gitops_bridge.errors import BridgeError, RegistryError
from gitops_bridge.git import Snapshot
from gitops_bridge.rollout import state_file
from gitops_bridge.rollout.observed import Cause, Head, Observed, Prospect
from gitops_bridge.rollout.situations import is_newer
from gitops_bridge.rollout.state import Phase, State, Who, Wish, content, tree_id

_PLANNED = (Phase.BUILDING, Phase.IN_REVIEW)
_CLUSTER_SECONDS = 20.0  # of one look at a build Job


def folder(environment: str, deployment: str) -> str:
    return f"overlays/{environment}/{deployment}"


@dataclass(frozen=True)
class Target:
    """One deployment of an environment."""

    environment: Environment
    deployment: str

    @property
    def home(self) -> str:
        return folder(self.environment.name, self.deployment)

    @property
    def branch(self) -> str:
        return f"gitops-bridge/{self.environment.name}/{self.deployment}"

    @property
    def state_path(self) -> str:
        return state_file.path(self.environment.name, self.deployment)


@dataclass(frozen=True)
class Ask:
    """Why a look is taken: what is asked for, by whom and, for a hold, why."""

    cause: Cause = Cause.LOOK
    wish: Wish | None = None
    by: Who | None = None
    reason: str = ""


LOOK = Ask()


@dataclass(frozen=True)
class Stand:
    """A deployment in Git as the mirror has last seen it. `files` are its folder's on main,
    `state_id` is the state file's blob, None when there is none."""

    main: Snapshot
    rollouts: Snapshot
    branch_head: str | None
    files: dict[str, bytes]
    state: State
    state_id: str | None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What the mirror would have to see differently for another look to tell more."""
        return self.main.commit, self.rollouts.commit, self.branch_head

    @property
    def content(self) -> str | None:
        return content(self.files)

    @property
    def record(self) -> Record | None:
        return OverlayFiles(self.files).record()


@dataclass(frozen=True)
class Sight:
    """What a look saw: the stand in Git, the facts for the step, and what would be pushed.
    `problem`: why the registry or the forge could not tell all there is to know."""

    stand: Stand
    seen: Observed
    plan: Plan | None = None
    problem: str = ""


def stand(ctx: Context, target: Target) -> Stand:
    """Where the deployment stands; nobody is asked unless nothing was ever fetched."""
    repository, settings = ctx.repository, ctx.config.repository
    main = repository.snapshot(settings.branch, fetch=False)
    rollouts = repository.last_seen(settings.rollouts_branch)
    files = main.files(target.home)
    text = rollouts.read(target.state_path)
    state = state_file.read(text, target.state_path) if text else _delivered(files)
    state_id = rollouts.id(target.state_path) if text else None
    return Stand(main, rollouts, repository.branch(target.branch), files, state, state_id)


def _delivered(files: dict[str, bytes]) -> State:
    """Without a file nothing waits, and what main holds was delivered by us."""
    record = OverlayFiles(files).record()
    return State(
        answered=Wish(request(record)) if record else None,
        delivered=content(files),
        tree=tree_id(files),
        rollouts=record.rollout if record else 0,
    )


class Observer:
    """Looks at one deployment, again and again until its rollout is quiet.

    What was planned, and what registry and forge said, is kept until `forget`, which is called
    when time has passed.
    """

    def __init__(self, ctx: Context, target: Target, reviewer: Reviewer) -> None:
        self._ctx = ctx
        self._target = target
        self._reviewer = reviewer
        self._is_reviewed = policy.reviewed(ctx)
        self._plans: dict[object, Plan] = {}
        self._models: list[Model] = []

    def forget(self) -> None:
        self._plans.clear()
        self._ctx.digests.clear()
        self._reviewer.forget()

    def observe(self, ask: Ask) -> Sight:
        """The facts for a step. Raises BridgeError when it cannot be planned or proven."""
        found = stand(self._ctx, self._target)
        seen = Observed(
            main=found.content, main_tree=tree_id(found.files), cause=ask.cause, asked=ask.wish,
            now=int(self._ctx.clock()), person=ask.by, reason=ask.reason,
            atomic=self._ctx.repository.atomic, head_commit=found.branch_head or "",
        )  # fmt: skip
        newer = is_newer(found.state, seen)
        touches = self._touches(found, newer=newer)
        if ask.by is None and touches:
            seen = replace(seen, person=Who(touches[0].author, where=touches[0].commit))
        plan, problem = self._planned(found, seen, touches, newer=newer)
        if plan:
            seen = replace(seen, prospect=self._prospect(found, plan))
            if newer and ask.wish and plan.request:
                seen = replace(seen, asked=replace(ask.wish, request=plan.request))
        elif newer:
            seen = replace(seen, prospect=Prospect())
        seen = replace(seen, head=self._head(found, plan))
        if seen.head is Head.FOREIGN:
            pusher = self._reviewer.pusher(seen.head_commit)
            seen = replace(seen, pusher=Who(pusher, where=seen.head_commit))
        seen, told = self._reviewer.observed(found.state, seen, newer=newer)
        if found.state.phase is Phase.BUILDING and not newer:
            seen = replace(seen, build_failed=self._build_failed(found, plan, problem))
        return Sight(found, seen, plan, problem or told)

    def _touches(self, found: Stand, *, newer: bool) -> tuple[Touch, ...]:
        """Who moved main: since what waits was asked, else since what was delivered."""
        state, main = found.state, found.content
        waits = state.phase in _PLANNED and not newer and main != state.base
        unmoved = state.base if waits else state.delivered
        if main == unmoved:
            return ()
        return movers.movers(self._ctx.repository, found.main.commit, self._target.home, unmoved)

    def _planned(
        self, found: Stand, seen: Observed, touches: tuple[Touch, ...], *, newer: bool
    ) -> tuple[Plan | None, str]:
        """The plan of what is asked or waits, and why there is none although there should be."""
        wish = seen.asked if newer else found.state.wish
        is_due = newer or found.state.phase in _PLANNED
        if wish is None or not is_due or seen.cause in (Cause.RELEASE, Cause.HOLD):
            return None, ""
        key = (found.main.commit, wish, found.state.rollouts, touches)
        if key in self._plans:
            plan = self._plans[key]
            return plan, images.unseen(self._ctx, plan.image) if plan.image else ""
        try:
            plan = self._plan(found, wish, touches)
        except RegistryError as error:
            if newer:
                raise
            return None, f"the registry does not tell: {error}"
        except BridgeError:
            if not newer or not self._is_replay(found, wish):
                raise
            return None, ""  # it is held, whether or not it could be carried out
        self._plans[key] = plan
        return plan, images.unseen(self._ctx, plan.image) if plan.image else ""

    def _is_replay(self, found: Stand, wish: Wish) -> bool:
        return wish.same(found.state.answered) and found.content != found.state.delivered

    def _plan(self, found: Stand, wish: Wish, touches: tuple[Touch, ...]) -> Plan:
        folder = self._folder(found, wish, touches)
        reader = self._ctx.reader(found.main)
        where, home = self._target.environment, self._target.home
        if wish.request is None:
            return rollbacks.plan(self._ctx, wish, where, reader, home, folder)
        known = [*_models(found.state), *self._models]
        plan = planning.plan_request(
            self._ctx, wish.request, where, reader, home, folder, wish.restarts, known
        )
        if plan.request and plan.request.model:  # its package is asked for once
            self._models.append(plan.request.model)
        return plan

    def _folder(self, found: Stand, wish: Wish, touches: tuple[Touch, ...]) -> OverlayFiles:
        state = found.state
        record = OverlayFiles(found.files).record()
        remembered = None
        if not found.files and not wish.stops:
            remembered = movers.left_behind(
                self._ctx.repository, found.main.commit, self._target.home
            )
        return OverlayFiles(
            found.files,
            remembered,
            max(state.rollouts, record.rollout if record else 0),
            proposed=state.wish is not None and not state.wish.stops,
            overridden=touches,
        )

    def _prospect(self, found: Stand, plan: Plan) -> Prospect:
        planned, review = plan.planned, found.state.review
        if planned is None:
            return Prospect(fulfilled=True, content=found.content)
        base = found.main.id(self._target.home)
        applies = True
        if found.state.phase is Phase.IN_REVIEW and review and found.branch_head:
            at_head = self._ctx.repository.at(found.branch_head).files(self._target.home)
            applies = review.base == base and at_head == planned.files
        return Prospect(
            content=content(planned.files),
            tree=tree_id(planned.files),
            base=base,
            image=str(plan.build.image) if plan.build else None,
            built=plan.image is None or images.is_open(self._ctx, plan.image),
            reviewed=self._is_reviewed(planned),
            applies=applies,
        )

    def _head(self, found: Stand, plan: Plan | None) -> Head:
        """Whose commit the proposal's branch is at. A forge's "update branch", by merge or rebase,
        leaves our change to the folder as it is and brings nothing but main's own commits."""
        review, head = found.state.review, found.branch_head
        if head is None:
            return Head.GONE
        if review and head == review.head:
            return Head.OURS
        repository, home = self._ctx.repository, self._target.home
        files = repository.at(head).files(home)
        base = repository.merge_base(head, found.main.commit)
        if review is None or base is None or content(files) != review.content:
            return Head.FOREIGN
        planned = plan.planned.files if plan and plan.planned else {}
        theirs = [_peoples(known) for known in (repository.at(base).files(home), planned)]
        changed = repository.differences(base, head)
        inside = all(path.startswith(f"{home}/") for path in changed)
        return Head.OURS if inside and _peoples(files) in theirs else Head.FOREIGN

    def _build_failed(self, found: Stand, plan: Plan | None, problem: str) -> str:
        """Why the image will not come any more; "" as long as it may."""
        state, build = found.state, self._ctx.config.build
        if build.gate is Gate.NONE or (plan and plan.image and plan.image.digest):
            return ""
        if failed := self._failed_job(found):
            return failed
        if self._ctx.clock() - state.since <= build.deadline:
            return ""
        job = builds.standing(self._ctx, plan.build) if plan and plan.build else None
        where = f"{job} on {self._ctx.config.repository.builds_branch}" if job else "no Job"
        told = f"; {problem}" if problem else ""
        return (
            f"the build has failed: {state.image} was not in the registry {build.deadline} s after "
            f"it was ordered, see the log of {where}{told}; the same action again builds once more"
        )

    def _failed_job(self, found: Stand) -> str:
        """What the cluster says of the build Job once that has failed."""
        if self._ctx.config.cluster is None:
            return ""
        from gitops_bridge.controller.judging import Judge  # late: few environments are building
        from gitops_bridge.live.verdict import LiveState

        ctx, where = self._ctx, self._target.environment
        main = ctx.repository.reader_of(found.main.commit)
        judge = Judge(ctx, where, main, ctx.monotonic() + _CLUSTER_SECONDS)
        verdict = judge.one(self._target.deployment, None, found.state)
        if verdict is None or verdict.state is not LiveState.ERRORED:
            return ""
        lines = " | ".join(verdict.log[-3:])
        told = f"{verdict.reason}" + (f": {lines}" if lines else "")
        return messages.clean(
            f"the build has failed: {told}; the same action again builds once more", 1000
        )


def _peoples(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a deployment's folder that are not ours."""
    return {path: text for path, text in files.items() if not path.startswith(MODEL)}


def _models(state: State) -> list[Model]:
    """The models whose package a request may leave out."""
    wishes = (state.wish, state.answered)
    return [wish.request.model for wish in wishes if wish and wish.request and wish.request.model]
