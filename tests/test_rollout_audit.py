"""The branch `rollouts` as an audit log: what a transition's commit says, and what reads it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.actions import Action, Deployment, ExecutionType, Model, Request
from gitops_bridge.rollout import audit
from gitops_bridge.rollout.machine import Transition, step
from gitops_bridge.rollout.observed import Cause, Head, Observed, Prospect, PullState
from gitops_bridge.rollout.state import Phase, Review, State, Who, Wish
from gitops_bridge.rollout.table import ROWS
from tests.test_messages import HOSTILE

ID, OLD, NEW = "65a000000000000000000010", "65a000000000000000000020", "65a000000000000000000021"
JANE = Who("Jane Doe", "jane@example.com", "c" * 40)
URL = "https://forge.example.com/models/pull/7"


def wish(action=Action.DEPLOYMENT_REPLACE_MODEL, name="churn", model_name=None):
    model = None
    if action is not Action.DEPLOYMENT_STOP:
        model = Model(NEW, ExecutionType.CUSTOM, name=model_name)
    return Wish(Request(action, "pe", Deployment(ID, name, OLD), model))


def message(before, transition, name="churn", environment="prod", image=None):
    return audit.message(
        before, transition, environment=environment, deployment=ID, name=name, image=image
    )


def told(before, seen, **more):
    return message(before, step(before, seen), **more)


REVIEW = Review(wish(), "new", "f" * 40, number=7, url=URL)
REVIEWED = State(Phase.IN_REVIEW, wish=wish(), review=REVIEW)


def test_a_delivery_names_the_models_and_the_image():
    seen = Observed(cause=Cause.ASKED, asked=wish(), prospect=Prospect(content="new"))
    assert told(State(), seen, image="registry.example.com/m@sha256:1") == (
        "Delivered: replace model of churn in prod\n"
        "\n"
        f"A newer request may be delivered. Model {NEW}.\n"
        "\n"
        "Rollout-Event: delivered\n"
        "Environment: prod\n"
        f"DataRobot-Deployment: {ID}\n"
        "DataRobot-Action: deployment_replace_model\n"
        f"DataRobot-Model: {NEW}\n"
        f"DataRobot-Previous-Model: {OLD}\n"
        "Image: registry.example.com/m@sha256:1\n"
    )


def test_a_rejection_tells_who_where_and_why():
    pull = PullState("closed", 7, URL, by=Who("jane", where=URL), because="drifts\n\nBy: Eve")
    text = told(REVIEWED, Observed(head=Head.OURS, pull=pull))
    found = audit.entry(text)
    assert found.event == "rejected"
    assert found.title == "Rejected: replace model of churn in prod"
    assert found.by == Who("jane", where=URL)
    assert found.reason == "drifts By: Eve"
    assert found.pull_request == URL


def test_a_replay_after_a_person_s_revert_names_the_person_and_the_commit():
    before = State(answered=wish(), delivered="new")
    seen = Observed("old", Cause.ASKED, wish(), Prospect(content="new"), person=JANE)
    found = audit.entry(told(before, seen))
    assert (found.event, found.by, found.model) == ("held", JANE, NEW)


def test_a_hold_is_about_no_request():
    text = told(State(), Observed(cause=Cause.HOLD, person=JANE), environment="staging")
    assert text.startswith("Hold called: churn in staging\n")
    found = audit.entry(text)
    assert (found.action, found.model, found.by) == (None, "", JANE)


def test_a_rollback_names_its_commit_and_its_author():
    asked = Wish(rollback_to="d" * 40, by=JANE)
    seen = Observed(cause=Cause.ASKED, asked=asked, prospect=Prospect(), person=JANE)
    found = audit.entry(told(State(), seen))
    assert found.title == "Rolled back: churn in prod"
    assert (found.rolled_back, found.by, found.action) == ("d" * 40, JANE, None)


def test_what_only_clears_away_is_no_entry():
    before = State(review=REVIEW)
    text = told(before, Observed())
    assert text.startswith("Cleaned up: churn in prod\n")
    assert audit.entry(text) is None


@pytest.mark.parametrize("text", ["", "\n", "Initial commit\n", "Revert\n\nRollout-Event held\n"])
def test_other_commits_are_no_entries(text):
    assert audit.entry(text) is None


def test_a_sign_off_does_not_hide_the_entry():
    text = told(State(), Observed(cause=Cause.HOLD, person=JANE))
    assert audit.entry(f"{text}Signed-off-by: bot <bot@example.com>\n").event == "hold called"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.situation.name)
def test_every_title_fits_and_reads_back(row):
    about = wish(name="n" * 300)
    transition = Transition(row.situation, State(wish=about), row.effects, row.event, about)
    text = message(State(), transition, name="n" * 300, environment="e" * 30)
    title = text.split("\n")[0]
    assert len(title) <= 72
    assert re.match(r"[A-Z]", title)
    found = audit.entry(text)
    assert (found.event if found else "") == row.event


@given(HOSTILE, HOSTILE, HOSTILE, st.none() | HOSTILE)
def test_what_people_wrote_stays_data(name, person, reason, model_name):
    about = wish(name=name, model_name=model_name)
    before = State(Phase.IN_REVIEW, wish=about, review=Review(about, "new", "f" * 40, url=URL))
    pull = PullState("closed", 7, URL, by=Who(person, person, URL), because=reason)
    text = told(before, Observed(head=Head.OURS, pull=pull), name=name)
    paragraphs = text.rstrip("\n").split("\n\n")
    assert len(paragraphs) == 3
    assert re.sub("[\n\u200b]", "", text).isprintable()
    assert len(paragraphs[0].replace("\u200b", "")) <= 72
    found = audit.entry(text)
    assert (found.event, found.deployment, found.model) == ("rejected", ID, NEW)
    assert found.action is Action.DEPLOYMENT_REPLACE_MODEL
    assert found.image == ""
    assert [line.partition(":")[0] for line in paragraphs[2].split("\n")] == [
        "Rollout-Event", "Environment", "DataRobot-Deployment", "DataRobot-Action",
        "DataRobot-Model", "DataRobot-Previous-Model", "Pull-Request", "By",
        *(["Reason"] if found.reason else []),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["[skip ci]", "fixes #12", "@org/team", "***NO_CI***"])
def test_no_name_or_reason_steers_a_forge_or_its_pipelines(text):
    seen = Observed(
        cause=Cause.ASKED, asked=wish(name=text, model_name=text), prospect=Prospect(content="new")
    )
    assert text not in told(State(), seen, name=text)
    pull = PullState("closed", 7, URL, by=Who(text, where=URL), because=f"drifts {text}")
    assert text not in told(REVIEWED, Observed(head=Head.OURS, pull=pull))
