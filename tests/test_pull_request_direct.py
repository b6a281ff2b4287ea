"""Deliveries that need no review, over a pull request that is still open; and stops of what people
merge in the same moment."""

import pytest

from tests.git_team import interrupted
from tests.proposing import BRANCH, Proposing
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer
from tests.team import MODEL_A

MODEL_C = "65a000000000000000000022"


class Site(Proposing):
    """`interrupt` happens once in the next action, before its push to main or to a branch;
    `afterwards` after a delivery to main."""

    interrupt = afterwards = None

    def shop(self):
        shop = super().shop()
        interrupted(shop.repository).meanwhile = self.interrupt
        shop.repository.afterwards = self.afterwards
        self.interrupt = self.afterwards = None
        return shop


@pytest.fixture(params=[GitHubServer, GitLabServer], ids=["github", "gitlab"])
def site(request, tmp_path):
    """Other models are reviewed, other settings are not."""
    delivery = {"default": "pull-request", "scale": "push", "stop": "push"}
    with Site(tmp_path, request.param, protected=False, delivery=delivery) as site:
        yield site


def test_it_ends_the_review_and_says_why(site):
    site.serving()
    site.replace()
    scaled = site.start(keyValueConfig={"replicas": "3"})
    assert scaled.message.startswith("committed ")
    assert site.team.log()[0] == "Scale churn to 3 replicas in prod"
    assert site.on_main()["model"] == MODEL_A
    assert site.forge.pulls[2].state == "closed"
    assert any("not needed any more" in text for text in comments(site, 2))
    assert BRANCH not in site.branches


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
    assert (stopped.status.value, stopped.state.value) == ("passing", "stopped")
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


def comments(site, number):
    return [str(item) for item in site.forge.pulls[number].comments]
