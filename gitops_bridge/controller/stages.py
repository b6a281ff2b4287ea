"""Carries out an action in refs alone: at once, or first the Job, then the proposal that waits.

`bridge.handle` calls `roll_out`. What waits when the action's budget ends is taken further by
`waiting.look`; the same action again finds it and goes on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from gitops_bridge.actions import Action, Outcome, Request, State, Status
from gitops_bridge.config import Environment
from gitops_bridge.controller import (
    answers,
    builds,
    gate,
    heard,
    notes,
    proposals,
    rejections,
    reviews,
    strangers,
    waiting,
)
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder
from gitops_bridge.controller.notes import Note
from gitops_bridge.controller.policy import Ready, reviewed
from gitops_bridge.controller.proposals import Progress, Proposal
from gitops_bridge.controller.reviews import Review
from gitops_bridge.controller.rollouts import Look, Planned, planner
from gitops_bridge.controller.waiting import Missing
from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import Hold
from gitops_bridge.errors import BridgeError, ConfigError, ForgeError, RegistryError, StaleBase
from gitops_bridge.git import Commit, Edit, Snapshot

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 15.0  # seconds between two questions to the registry
_RACES = 5


@dataclass(frozen=True)
class _Unchanged:
    """Git holds already what was asked for, as of a commit."""

    commit: str


def roll_out(ctx: Context, request: Request, environment: Environment, *, dry_run: bool) -> Outcome:
    """Carry out a start, replacement, relaunch or stop. Raises BridgeError."""
    if request.deployment is None:
        raise ValueError(f"{request.action.value} is not about one deployment")
    action = _Action(ctx, request, environment, ctx.monotonic() + ctx.config.actions.budget)
    return action.previewed() if dry_run else action.carried_out()


class _Action:
    """One action on its way. `until` is when its budget ends, by the monotonic clock."""

    def __init__(
        self, ctx: Context, request: Request, environment: Environment, until: float
    ) -> None:
        self._ctx, self._request, self._environment = ctx, request, environment
        self._deployment = request.deployment.id if request.deployment else ""
        self._home = folder(environment.name, self._deployment)
        self._until = until
        self._plan = planner(ctx, request, environment)
        self._reviewed = reviewed(ctx)
        self._look: Look | None = None
        self._snapshot: Snapshot | None = None  # of main, that was planned on last

    def previewed(self) -> Outcome:
        branch = self._ctx.config.repository.branch
        snapshot = self._ctx.repository.snapshot(branch, fetch=True)
        result = self._answer(snapshot)
        if isinstance(result, Missing):
            said = f"dry run, would build {result.look.image} and wait for it"
        elif isinstance(result, Ready):
            said = f"dry run, would propose: {_subject(result.planned.edit.message)}"
        elif isinstance(result, Edit):
            said = f"dry run, would commit: {_subject(result.message)}"
        else:
            return self._told(result)
        return Outcome(Status.PASSING, answers.unseen_state(self._request), said)

    def carried_out(self) -> Outcome:
        try:
            return self._carried_out()
        except BridgeError as error:
            if self._snapshot:
                error.serving = self._snapshot.id(self._home) is not None
            raise

    def _carried_out(self) -> Outcome:
        for _ in range(_RACES):
            result = self._delivered()
            try:
                if isinstance(result, Missing):
                    result = self._as_people_left_it(result)
                if isinstance(result, Ready):
                    return self._under_review(result)
                if not isinstance(result, Missing):
                    self._clear_away(result)
                    self._remember(result)
                    return self._told(result)
                proposal = self._proposed(result)
            except StaleBase:  # another process has moved or delivered the proposal: look again
                self._ctx.repository.fetch()
                continue
            return self._waited(result, proposal)
        raise StaleBase(
            f"the proposal for {self._deployment} keeps moving", hint="try again", retry=True
        )

    def _delivered(self) -> Commit | Hold | _Unchanged | Missing | Ready | None:
        branch = self._ctx.config.repository.branch
        result: Commit | Hold | _Unchanged | Missing | Ready | None
        result = self._ctx.repository.deliver(branch, self._edit)
        return result

    def _edit(self, snapshot: Snapshot) -> Edit | Hold | _Unchanged | Missing | Ready:
        """As `_answer`; what is delivered without a digest has its Job on `builds` in the same
        push, what is proposed, before."""
        result = self._answer(snapshot)
        build = self._look.build if self._look else None
        by_tag = build and self._look and self._look.image == build.image
        if not isinstance(result, (Edit, Ready)) or build is None or not by_tag:
            return result
        if isinstance(result, Edit) and (job := builds.beside(self._ctx, build)):
            return replace(result, before={self._ctx.config.repository.builds_branch: job})
        builds.order(self._ctx, build, again=False)
        return result

    def _answer(self, snapshot: Snapshot) -> Edit | Hold | _Unchanged | Missing | Ready:
        self._snapshot = snapshot
        look = self._look = self._plan(snapshot)
        if look.decision is None:
            return _Unchanged(snapshot.commit)
        if isinstance(look.decision, Hold):
            return look.decision
        standing = self._standing(look)
        moved = look.known.moved
        if standing and moved and proposals.since(self._ctx, standing, moved):
            return Hold(standing.touch(), moved, proposed=True)
        if look.image and not gate.is_open(self._ctx, look.image):
            return Missing(snapshot, look.decision, look)
        if self._reviewed(look.decision):
            return Ready(snapshot, look.decision, look)
        old = heard.forgotten(self._ctx, self._environment.name, self._deployment)
        along = (*proposals.withdrawn(self._ctx, look.waiting), *old)
        return replace(look.decision.edit, along=along)

    def _found(self) -> Proposal | None:
        return proposals.find(self._ctx, self._environment.name, self._deployment)

    def _as_people_left_it(self, missing: Missing) -> Missing | Ready:
        """Not to be built, and for the review to tell why, where people have rejected this very
        action or pushed to the branch that would wait for the image."""
        ready = Ready(missing.snapshot, missing.planned, missing.look)
        if not self._reviewed(missing.planned):
            return missing
        found = self._found()
        if found and strangers.is_foreign(self._ctx, found):
            return ready
        where = self._environment.name, self._deployment
        rejection = rejections.find_rejection(self._ctx, *where)
        return (
            ready
            if rejection and rejections.covers(self._ctx, rejection.proposal, ready)
            else missing
        )

    def _standing(self, look: Look) -> Proposal | None:
        """The proposal of this very action, when nothing newer has been delivered since."""
        found = self._found()
        if found is None or found.record is None or not isinstance(look.decision, Planned):
            return None
        after = look.decision.rollout.after
        if after is None or found.record.asked != after.asked:
            return None
        last = look.known.last
        return None if last and proposals.since(self._ctx, found, last) else found

    def _clear_away(self, result: Commit | Hold | _Unchanged | None) -> None:
        """Whatever waited for this deployment is delivered or superseded now; but a replay of what
        main holds is older than what waits, and leaves it. Raises StaleBase when that was moved or
        delivered meanwhile, so that what this action found on main is not true any more."""
        if self._look is None:
            return
        if isinstance(result, Commit):
            waiting.clear_away(self._ctx, self._environment, self._look.waiting, result)
            return
        found = self._found()
        if found is None or isinstance(result, Hold):
            return
        if self._request.model:
            last = self._look.known.last
            asked = records.of(self._request, rollout=0, restarts=0, image="").asked
            waits = found.record.asked if found.record else None
            if last and last.record and last.record.asked == asked != waits:
                return
        with suppress(ForgeError, ConfigError):  # then the next look clears away
            where = self._environment.name, self._deployment
            notes.drop(self._ctx.repository, Note.QUEUED, *where)  # whatever the provider says
            reviews.retire(self._ctx, self._environment, self._deployment, found, waiting.ENDED)
        if self._snapshot is None:
            return
        main = self._ctx.config.repository.branch
        if self._ctx.repository.snapshot(main, fetch=True).id(self._home) != self._snapshot.id(
            self._home
        ):
            raise StaleBase(f"{found.branch} reached {main} while it was withdrawn", retry=True)

    def _remember(self, result: Commit | Hold | _Unchanged | None) -> None:
        """That this action was answered without a commit."""
        if self._look and isinstance(result, _Unchanged):
            found, where = self._look.known, self._environment.name
            heard.keep(self._ctx, where, self._request, found, result.commit)

    def _proposed(self, missing: Missing) -> Proposal:
        """The standing proposal of this action, else a new one with the Job that builds for it."""
        found, standing = self._found(), self._standing(missing.look)
        image = standing.record.image if standing and standing.record else None
        if standing and standing.failed is None and image == str(missing.look.image):
            return standing
        return waiting.propose(self._ctx, self._environment, self._deployment, missing, found)

    def _under_review(self, ready: Ready) -> Outcome:
        """Proposed; where the provider may merge it by itself, the budget is there to wait."""
        review = reviews.submit(self._ctx, self._environment, self._deployment, ready)
        progress, pause = Progress(review.proposal, review=review), _FIRST_PAUSE
        while self._ctx.config.pull_request.auto_merge and progress.proposal:
            left = self._until - self._ctx.monotonic()
            if left <= 0:
                break
            self._ctx.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            progress = waiting.look(self._ctx, self._environment, progress.proposal)
        if progress.review:
            return self._of_review(progress.review, serving=ready.look.known.present)
        branch = self._ctx.config.repository.branch
        return self._told(_Unchanged(self._ctx.repository.snapshot(branch, fetch=False).commit))

    def _of_review(self, review: Review, *, serving: bool) -> Outcome:
        return answers.reviewed(self._request, self._environment, review, serving=serving)

    def _waited(self, missing: Missing, proposal: Proposal) -> Outcome:
        """Ask the registry until the budget or the deadline ends."""
        ctx, pause, problem = self._ctx, _FIRST_PAUSE, ""
        while True:
            if proposals.overdue(ctx, proposal):
                failed = waiting.given_up(ctx, proposal, waiting.reason(ctx, missing, problem))
                return self._of(Progress(failed), missing)
            left = self._until - ctx.monotonic()
            if left <= 0:
                there = waiting.place(ctx, missing)
                said = f"waiting for the image {missing.look.image}, built by {there}{problem}"
                return answers.under_way(self._request, self._environment, said, commit=None)
            ctx.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            try:
                problem = ""
                if not _shows(ctx, missing):
                    continue
            except RegistryError as error:
                problem = f"; the registry does not tell: {error}"
                continue
            progress = waiting.look(ctx, self._environment, proposal)
            if progress.image is None or progress.proposal is None:
                return self._of(progress, missing)
            proposal = progress.proposal

    def _of(self, progress: Progress, missing: Missing) -> Outcome:
        """The answer when the wait has led somewhere: to a delivery, a hold, a failure, or to
        another action that came after this one."""
        if progress.commit:
            return self._told(progress.commit)
        if progress.hold:
            return self._told(progress.hold)
        if progress.review:
            return self._of_review(progress.review, serving=missing.look.known.present)
        if progress.proposal and progress.proposal.failed:
            serving = missing.look.known.present
            reason = progress.proposal.failed
            return answers.build_failed(self._request, self._environment, reason, serving=serving)
        return Outcome(
            Status.WARNING, State.UNKNOWN, f"another action of {self._deployment} has come since"
        )

    def _told(self, result: Commit | Hold | _Unchanged | Edit | Missing | Ready | None) -> Outcome:
        if isinstance(result, Hold):
            return answers.held(self._request, self._environment, result)
        if isinstance(result, Commit):
            said, commit = f"committed {result.id[:12]}: {_subject(result.message)}", result.id
        else:
            commit = result.commit if isinstance(result, _Unchanged) else "the latest commit"
            stopped = self._request.action is Action.DEPLOYMENT_STOP
            what = "it is not in Git" if stopped else "Git holds this already"
            said = f"nothing to do: {what}, as of {commit[:12]}"
        if self._look and self._look.build:
            said += f"; {answers.UNSEEN}"
        return answers.under_way(self._request, self._environment, said, commit)


def _shows(ctx: Context, missing: Missing) -> bool:
    build = missing.look.build
    return build is not None and gate.pinned(ctx, build, None).digest is not None


def _subject(message: str) -> str:
    return message.split("\n", 1)[0]
