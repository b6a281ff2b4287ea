"""A State, and what is seen of the deployment, to words and to the Outcome that DataRobot gets.

The only place where a phase becomes either, so that an action, a status, a list, `reconcile` and
history never contradict each other. What is not seen is not claimed: without a cluster nothing is
called ready, stopped or in use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitops_bridge.actions import Action, DeploymentState, ExecutionType, Model, Outcome, Status
from gitops_bridge.desired.record import Serving
from gitops_bridge.live.verdict import LiveState, Verdict
from gitops_bridge.rollout.state import Phase, State, Who, Wish

UNSEEN = "no cluster is configured, so whether it runs is not seen (set cluster: to see it)"


@dataclass(frozen=True)
class View:
    """One deployment as a look found it.

    state     as on the branch `rollouts`
    main      what `model/` on main means, `model` the one its record names
    commit    main's commit
    mover     who moved main away from what was delivered
    job       the build Job whose image is waited for
    problem   what could not be looked at, and why
    warnings  what a person should know beside
    serving   what main's record says of what shall run
    verdict   what the cluster shows; None without one
    is_unread whether what Git says of it could not be read: then nothing else is known
    """

    deployment: str
    state: State
    main: str | None = None
    model: Model | None = None
    commit: str = ""
    prediction_url: str | None = None
    dashboard_url: str | None = None
    mover: Who | None = None
    job: str = ""
    problem: str = ""
    warnings: tuple[str, ...] = ()
    serving: Serving | None = None
    verdict: Verdict | None = None
    is_unread: bool = False

    @property
    def is_moved(self) -> bool:
        return self.main != self.state.delivered


def prediction_url(base: str, deployment: str, model: Model | None) -> str | None:
    """Where predictions go: the Portable Prediction Server and DRUM take different paths.
    https://docs.datarobot.com/en/docs/predictions/port-pred/pps/portable-pps.html"""
    if model is None:
        return None
    custom = model.execution_type is ExecutionType.CUSTOM
    return f"{base}/{deployment}/{'predict/' if custom else 'predictions'}"


# -- words


def describe(view: View) -> str:
    """Where the rollout stands, in one sentence; "" when nothing waits and nothing was moved."""
    told = _PHASES[view.state.phase](view)
    return "; ".join(part for part in (told, view.problem, *view.warnings) if part)


def _settled(view: View) -> str:
    return _moved(view) if view.is_moved and view.mover else ""


def _moved(view: View) -> str:
    who = view.mover
    by = f"{who.name} moved" if who else "somebody moved"
    where = f" in {who.where[:12]}" if who and who.where else ""
    return (
        f"{by} {view.deployment}{where} after it was delivered, and that stands "
        f"(to deliver DataRobot's last request again: gitops-bridge release {view.deployment})"
    )


def _building(view: View) -> str:
    state = view.state
    waits = f"its image {state.image}" if state.image else "the next look"
    job = f", built by {view.job}" if view.job else ""
    return f"{_subject(state.wish)} waits for {waits}{job}"


def _in_review(view: View) -> str:
    review = view.state.review
    if review is None or review.number is None:
        return f"{_subject(view.state.wish)}: proposed, without a pull request yet"
    return f"{_subject(view.state.wish)}: waiting for pull request {review.number}: {review.url}"


def _blocked(view: View) -> str:
    state = view.state
    by = state.by.name if state.by else "somebody"
    commit = f" {state.by.where[:12]}" if state.by and state.by.where else ""
    said = (
        f"{by} pushed{commit} to the proposal's branch: it is left as it is until the pull request "
        "is merged or closed, or the branch deleted"
    )
    behind = state.review is None or not state.review.wish.same(state.wish)
    return f"{said}; {_subject(state.wish)}, asked since, is proposed then" if behind else said


def _failed(view: View) -> str:
    return f"{_subject(view.state.wish)}: {view.state.reason}"


def _rejected(view: View) -> str:
    state = view.state
    by = state.by.name if state.by else "somebody"
    where = f" in {state.review.url}" if state.review and state.review.url else ""
    because = f": {state.reason}" if state.reason else ""
    return (
        f"{_subject(state.wish)} was rejected by {by}{where}{because} (any other request for the "
        "deployment is proposed anew; to propose this one again: "
        f"gitops-bridge release {view.deployment})"
    )


def _held(view: View) -> str:
    state, by = view.state, view.state.by
    if state.hold:
        why = f": {state.reason}" if state.reason else ""
        waits = f"; {_subject(state.wish)} waits" if state.wish else ""
        return (
            f"held by {state.hold.name}{why}{waits} (to go on: gitops-bridge release "
            f"{view.deployment})"
        )
    replay = state.wish is not None and state.wish.same(state.answered)
    moved = f"{by.name if by else 'somebody'} moved {view.deployment}"
    where = f" in {by.where[:12]}" if by and by.where else ""
    after = "it was delivered" if replay else "this was asked for"
    return (
        f"held: {moved}{where} after {after}, and that stands (a newer action goes ahead; to "
        f"deliver {_subject(state.wish)} all the same: gitops-bridge release {view.deployment})"
    )


_PHASES = {
    Phase.SETTLED: _settled,
    Phase.BUILDING: _building,
    Phase.IN_REVIEW: _in_review,
    Phase.BLOCKED: _blocked,
    Phase.FAILED: _failed,
    Phase.REJECTED: _rejected,
    Phase.HELD: _held,
}


def _subject(wish: Wish | None) -> str:
    if wish is None:
        return "the request"
    if wish.rollback_to:
        return f"the rollback to {wish.rollback_to[:12]}"
    if wish.stops:
        return "the stop"
    return f"model {wish.model_id}"


# -- what a status says


def status(view: View) -> Outcome:
    """The deployment as it is: what main holds or the cluster shows, and beside it what waits."""
    if view.is_unread:
        return Outcome(
            Status.WARNING, DeploymentState.UNKNOWN, view.problem, commit=view.commit or None
        )
    found = _seen(view) if view.verdict else _from_git(view)
    told = describe(view)
    message = f"{found.message}; {told}" if told else found.message
    found = replace(found, message=message, dashboard_url=_dashboard(view))
    return _beside(view, found)


def _beside(view: View, found: Outcome) -> Outcome:
    """What serves decides the state; what waits, failed or is held weighs on the status."""
    phase = view.state.phase
    serves = view.main is not None
    if phase in (Phase.FAILED, Phase.REJECTED) and not serves:
        return replace(found, status=Status.FAILING, state=DeploymentState.ERRORED)
    if phase in (Phase.BUILDING, Phase.IN_REVIEW, Phase.BLOCKED) and not _errs(found):
        found = replace(found, state=_under_way(view))
    is_warned = phase not in (Phase.SETTLED, Phase.BUILDING) or view.problem or view.warnings
    if (is_warned or (view.is_moved and view.mover)) and found.status is not Status.FAILING:
        return replace(found, status=Status.WARNING)
    return found


def _errs(found: Outcome) -> bool:
    return found.state is DeploymentState.ERRORED


def _under_way(view: View) -> DeploymentState:
    if view.state.wish and view.state.wish.stops:
        return DeploymentState.SHUTTING_DOWN
    serves = view.main is not None
    return DeploymentState.REPLACING_MODEL if serves else DeploymentState.LAUNCHING


def _from_git(view: View) -> Outcome:
    at = f"as of {view.commit[:12]}"
    if view.main is None:
        said = f"not in Git, {at}; {UNSEEN}"
    else:
        model = view.model.id if view.model else "that cannot be read"
        said = f"Git wants model {model}, {at}; {UNSEEN}"
    return Outcome(
        Status.UNKNOWN, DeploymentState.UNKNOWN, said, prediction_url=view.prediction_url,
        commit=view.commit,
    )  # fmt: skip


_LIVE = {
    LiveState.NOTHING: DeploymentState.STOPPED,
    LiveState.LAUNCHING: DeploymentState.LAUNCHING,
    LiveState.REPLACING_MODEL: DeploymentState.REPLACING_MODEL,
    LiveState.READY: DeploymentState.READY,
    LiveState.ERRORED: DeploymentState.ERRORED,
    LiveState.STOPPING: DeploymentState.SHUTTING_DOWN,
    LiveState.STOPPED: DeploymentState.STOPPED,
    LiveState.UNKNOWN: DeploymentState.UNKNOWN,
}


def _seen(view: View) -> Outcome:
    verdict = view.verdict or Verdict(LiveState.UNKNOWN, Status.UNKNOWN)
    state = _LIVE.get(verdict.state)
    if state is None:  # a person's model took the place of ours: it is judged by what runs
        complete = 0 < verdict.wanted_pods <= verdict.ready_pods
        state = DeploymentState.READY if complete else DeploymentState.REPLACING_MODEL
    at = f"as of {view.commit[:12]}"
    model = f"Git wants model {view.model.id}, {at}" if view.model else f"not in Git, {at}"
    running = f"model {verdict.running_model} answers" if verdict.running_model else ""
    log = "its log ends: " + " | ".join(verdict.log[-3:]) if verdict.log else ""
    parts = (model, running, verdict.reason or "", log, *(str(item) for item in verdict.unseen))
    return Outcome(
        verdict.status, state, "; ".join(part for part in parts if part),
        prediction_url=view.prediction_url, commit=view.commit,
        current_model_id=verdict.running_model, old_model_in_use=verdict.old_model_in_use or None,
    )  # fmt: skip


def _dashboard(view: View) -> str | None:
    review = view.state.review
    return (review.url or None) if review else view.dashboard_url


# -- what an action says


def action(view: View, wish: Wish, kind: Action, *, commit: str, subject: str) -> Outcome:
    """What became of an action: `commit` is main's with its `subject`, "" when it made none."""
    phase, state = view.state.phase, view.state
    found = Outcome(
        Status.PASSING, _expected(kind), prediction_url=view.prediction_url,
        dashboard_url=_dashboard(view),
    )  # fmt: skip
    if view.verdict:
        found = replace(
            found, current_model_id=view.verdict.running_model,
            old_model_in_use=view.verdict.old_model_in_use or None,
        )  # fmt: skip
    if commit:
        said = f"committed {commit[:12]}: {subject}"
        return _told(view, replace(found, message=said, commit=commit))
    if phase is Phase.SETTLED or not _is_about(state, wish):
        return _without_commit(view, found, wish, kind)
    weight = {
        Phase.BUILDING: Status.PASSING,
        Phase.IN_REVIEW: Status.PASSING,
        Phase.FAILED: Status.FAILING,
        Phase.REJECTED: Status.FAILING,
    }.get(phase, Status.WARNING)
    if phase in (Phase.FAILED, Phase.REJECTED):
        found = replace(found, state=DeploymentState.ERRORED)
    elif phase is Phase.HELD:
        found = replace(found, state=DeploymentState.UNKNOWN)
    if phase is Phase.IN_REVIEW and (view.problem or view.warnings):
        weight = Status.WARNING
    return replace(found, status=weight, message=describe(view))


def _told(view: View, found: Outcome) -> Outcome:
    unseen = "" if view.verdict else UNSEEN
    message = "; ".join(part for part in (found.message, unseen, *view.warnings) if part)
    return replace(found, message=message)


def _without_commit(view: View, found: Outcome, wish: Wish, kind: Action) -> Outcome:
    """Main holds it, or the answer is older than what has come since."""
    answered = view.state.answered
    if wish.same(answered) and not view.is_moved:
        what = "it is not in Git" if kind is Action.DEPLOYMENT_STOP else "Git holds this already"
        said = f"nothing to do: {what}, as of {view.commit[:12]}"
        waits = describe(view) if view.state.phase is not Phase.SETTLED else ""
        message = f"{said}; {waits}" if waits else said
        return _told(view, replace(found, message=message, commit=view.commit))
    since = describe(view) or "it is delivered"
    return replace(
        found, status=Status.WARNING, state=DeploymentState.UNKNOWN,
        message=f"another request for {view.deployment} has come since: {since}",
    )  # fmt: skip


def _is_about(state: State, wish: Wish) -> bool:
    return state.wish is not None and wish.same(state.wish)


def _expected(kind: Action) -> DeploymentState:
    """The state an action leads to, as far as it may be claimed without seeing the cluster."""
    if kind is Action.DEPLOYMENT_STOP:
        return DeploymentState.SHUTTING_DOWN
    if kind is Action.DEPLOYMENT_REPLACE_MODEL:
        return DeploymentState.REPLACING_MODEL
    return DeploymentState.LAUNCHING
