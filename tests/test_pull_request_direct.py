"""Deliveries that need no review, over a pull request that is still open; and stops of what people
merge in the same moment."""

import pytest

from tests.git_team import Meanwhile
from tests.proposing import BRANCH, Proposing, everywhere
from tests.servers.forges.github import GitHubServer
from tests.team import MODEL_A

MODEL_C = "65a000000000000000000022"
MODELS_ONLY = {"default": "pull-request", "scale": "push", "stop": "push"}
"""Other models are reviewed, other settings are not."""


class Site(Meanwhile, Proposing):
    pass


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path, GitHubServer, protected=False, delivery=MODELS_ONLY) as site:
        yield site


@everywhere()
def reviewed(request, tmp_path):
    with Proposing(tmp_path, request.param, protected=False, delivery=MODELS_ONLY) as site:
        site.serving()
        site.replace()
        yield site


def test_it_ends_the_review_and_says_why(reviewed):
    scaled = reviewed.start(keyValueConfig={"replicas": "3"})
    assert scaled.message.startswith("committed ")
    assert reviewed.team.log()[0] == "Scale churn to 3 replicas in prod"
    assert reviewed.on_main()["model"] == MODEL_A
    pull = reviewed.forge.pulls[2]
    assert pull.state == "closed"
    assert "not needed any more" in pull.comments[-1][1]
    assert BRANCH not in reviewed.branches


def test_a_provider_that_is_down_keeps_no_delivery_back(reviewed):
    """The next look ends the review."""
    reviewed.forge.fail(503, times=99)
    assert reviewed.act("deployment_stop").message.startswith("committed ")
    reviewed.forge.calm()
    assert "waiting for" not in reviewed.status().message
    assert reviewed.forge.pulls[2].state == "closed"
    assert BRANCH not in reviewed.branches
    assert reviewed.on_main() == {}


def test_somebody_pushes_to_the_branch_meanwhile(site):
    """It is superseded all the same, and what was pushed is not mistaken for what was there."""
    site.serving()
    site.replace()
    site.interrupt = lambda: site.push_to_branch("notes.md", "mine")
    scaled = site.start(keyValueConfig={"replicas": "3"})
    assert scaled.message.startswith("committed ")
    assert site.team.log()[0] == "Scale churn to 3 replicas in prod"
    assert site.team.log().count("Scale churn to 3 replicas in prod") == 1
    site.status()
    assert site.forge.pulls[2].state == "closed"


def test_a_stop_of_a_start_that_people_merge_in_the_same_moment(site):
    site.start()
    site.interrupt = lambda: site.merge(1)
    stopped = site.act("deployment_stop")
    assert (stopped.status.value, stopped.state.value) == ("passing", "shuttingDown")
    assert site.on_main() == {}
    assert site.team.log()[0] == "Stop churn in prod"
    assert BRANCH not in site.branches


@pytest.mark.parametrize("waited", [True, False], ids=["over-a-review", "over-nothing"])
def test_what_is_proposed_right_behind_a_delivery_is_not_taken_for_superseded(site, waited):
    """By another process, before this one has cleared away behind its push."""
    site.serving()
    if waited:
        site.replace()
    site.afterwards = lambda: site.replace(new=MODEL_C)
    assert site.start(keyValueConfig={"replicas": "3"}).message.startswith("committed ")
    said = site.status().message
    assert f"model {MODEL_C}: waiting for pull request 2" in said
    assert site.forge.pulls[2].state == "open"
