"""What became of an action, as the Outcome its door reports; `stages` and `reports` word it here.

Without a cluster to look at nothing is called ready and no model is named as the current one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitops_bridge.actions import Action, ExecutionType, Outcome, Request, State, Status
from gitops_bridge.config import Environment
from gitops_bridge.desired import messages
from gitops_bridge.desired.rollout import Hold

if TYPE_CHECKING:
    from gitops_bridge.controller.reviews import Review

UNSEEN = "no cluster is configured, so whether it runs is not seen"


def unseen_state(request: Request) -> State:
    """The state an action leads to, as far as it may be claimed without seeing the cluster."""
    if request.action is Action.DEPLOYMENT_STOP:
        return State.STOPPED
    if request.action is Action.DEPLOYMENT_REPLACE_MODEL:
        return State.REPLACING_MODEL
    return State.LAUNCHING


def prediction_url(environment: Environment, request: Request) -> str | None:
    """Where predictions go: the Portable Prediction Server and DRUM take different paths.
    https://docs.datarobot.com/en/docs/predictions/port-pred/pps/portable-pps.html"""
    if request.deployment is None or request.model is None:
        return None
    custom = request.model.execution_type is ExecutionType.CUSTOM
    path = "predict/" if custom else "predictions"
    return f"{environment.prediction_url}/{request.deployment.id}/{path}"


def under_way(request: Request, environment: Environment, said: str, commit: str | None) -> Outcome:
    """It is in Git, or waits for its image: whether it runs is for later."""
    return Outcome(
        Status.PASSING,
        unseen_state(request),
        said,
        prediction_url=prediction_url(environment, request),
        commit=commit,
    )


def held(request: Request, environment: Environment, hold: Hold) -> Outcome:
    happened, cure = messages.held(hold, request.deployment.id if request.deployment else "")
    record = hold.by.record
    return Outcome(
        Status.WARNING,
        State.STOPPED if record is None else State.UNKNOWN,
        f"{happened} ({cure})",
        prediction_url=prediction_url(environment, request),
        old_model_in_use=True if request.previous_model_id and record else None,
    )


def build_failed(
    request: Request, environment: Environment, reason: str, *, serving: bool
) -> Outcome:
    """The action has failed and changed nothing: what main holds serves on."""
    return Outcome(
        Status.FAILING,
        State.ERRORED,
        reason,
        prediction_url=prediction_url(environment, request),
        old_model_in_use=True if serving else None,
    )


def reviewed(
    request: Request, environment: Environment, review: Review, *, serving: bool
) -> Outcome:
    """The action waits for people, or they have turned it down."""
    found = Outcome(
        Status.PASSING,
        State.SHUTTING_DOWN if request.action is Action.DEPLOYMENT_STOP else unseen_state(request),
        review_said(review),
        prediction_url=prediction_url(environment, request),
        dashboard_url=review.url,
    )
    if review.rejection:
        deployment = request.deployment.id if request.deployment else ""
        return replace(
            found, status=Status.FAILING, state=State.ERRORED,
            message=f"{review.rejection} ({rejection_cure(deployment)})",
            old_model_in_use=True if serving else None,
        )  # fmt: skip
    return replace(found, status=Status.WARNING) if review.said else found


def review_said(review: Review) -> str:
    """Where a review that goes on stands."""
    if review.pull is None:
        first = "proposed, without a pull request yet"
    elif review.merged:
        first = f"pull request {review.pull.number} is merged: {review.pull.url}"
    else:
        first = f"waiting for pull request {review.pull.number}: {review.pull.url}"
    return "; ".join([first, *review.said])


def rejection_cure(deployment: str) -> str:
    return (
        "any other request for the deployment is proposed anew; to propose this one again: "
        f"gitops-bridge release {deployment}"
    )
