"""Auto-merge, at every provider that has it: it takes what was proposed and nothing else."""

import pytest

from gitops_bridge.actions import DeploymentState, Status
from tests.proposing import BRANCH, Proposing, everywhere
from tests.servers.forges.github import GitHubServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B

AUTO = {"auto_merge": True}


@everywhere("auto-merge")
def site(request, tmp_path):
    with Proposing(tmp_path, request.param, pull_request=AUTO) as site:
        yield site


@everywhere()
def anywhere(request, tmp_path):
    with Proposing(tmp_path, request.param, pull_request=AUTO) as site:
        yield site


@pytest.fixture
def one(tmp_path):
    with Proposing(tmp_path, GitHubServer, pull_request=AUTO) as site:
        yield site


def test_a_newer_head_is_handed_over_anew(site):
    assert "waiting for pull request 1" in site.start().message
    first = site.branches[BRANCH]
    assert site.only().auto_merge == first
    site.start(MODEL_B)
    once = site.forge.provider == "gitea"  # schedules it once, for whatever comes
    assert site.only().auto_merge == (first if once else site.branches[BRANCH])
    assert site.branches[BRANCH] != first


def test_merged_within_the_budget_is_delivered_at_once(one):
    original = one.sleep

    def sleep(seconds):
        original(seconds)
        if one.only().state == "open":
            one.merge(1, "squash")

    one.sleep = sleep
    outcome = one.start()
    assert "nothing to do: Git holds this already" in outcome.message
    assert one.on_main()["model"] == MODEL_A


def test_closed_within_the_budget_it_fails_at_once(one):
    one.serving()
    original = one.sleep

    def sleep(seconds):
        original(seconds)
        if one.forge.pulls[2].state == "open":
            one.forge.decline(2, comment="The AUC fell")

    one.sleep = sleep
    outcome = one.replace()
    assert (outcome.status, outcome.state) == (Status.FAILING, DeploymentState.ERRORED)
    assert outcome.old_model_in_use is None  # nobody looked
    assert "was rejected by ann" in outcome.message
    assert "The AUC fell" in outcome.message


def test_with_nothing_left_to_wait_for_it_is_merged_at_once(site):
    site.forge.checks_pending = False
    assert "nothing to do: Git holds this already" in site.start().message
    assert site.only().state == "merged"
    assert site.on_main()["model"] == MODEL_A
    assert BRANCH not in site.branches


def test_where_it_cannot_be_that_is_told_and_people_merge(anywhere):
    """Not there, not allowed here, or not yet: providers tell these apart as far as they do."""
    anywhere.forge.auto_merge_allowed = False
    outcome = anywhere.start()
    assert outcome.status is Status.WARNING
    assert "waiting for pull request 1" in outcome.message
    assert ("it has to be merged by hand: " in outcome.message) != (
        "auto-merge is not set yet: " in outcome.message
    )
    assert (anywhere.only().state, anywhere.only().auto_merge) == ("open", None)
    anywhere.merge(1)
    assert f"Git wants model {MODEL_A}" in anywhere.status().message


def test_the_setting_that_allows_it_is_named(one):
    one.forge.auto_merge_allowed = False
    assert "Allow auto-merge" in one.start().message


def test_only_what_was_proposed_merges_by_itself(site):
    site.start()
    assert site.only().auto_merge == site.branches[BRANCH]
    theirs = site.push_to_branch(f"overlays/prod/{DEPLOYMENT}/extra.yaml", "a: b\n")
    site.status()
    assert site.only().auto_merge is None
    assert (site.only().state, site.branches[BRANCH]) == ("open", theirs)
    site.status()
    site.start()
    assert site.only().auto_merge is None


def test_a_push_that_the_provider_has_not_seen_yet(site):
    """Nothing older is merged in its place, and the next look hands it over."""
    site.start()
    first = site.branches[BRANCH]
    site.forge.head_lag = 10_000
    outcome = site.start(MODEL_B)
    assert "waiting for pull request 1" in outcome.message
    assert "auto-merge is not set yet" in outcome.message
    assert "by hand" not in outcome.message
    assert site.only().auto_merge in {None, first}
    site.forge.head_lag = 0
    site.status()
    pull = site.only()
    assert (pull.head, pull.state) == (site.branches[BRANCH], "open")
    assert MODEL_B in pull.body
    assert len(site.forge.pulls) == 1
    once = site.forge.provider == "gitea"  # schedules it once, for whatever comes
    assert pull.auto_merge == (first if once else pull.head)


def test_a_provider_that_is_down_is_asked_again(site):
    site.start()
    site.push_to_branch(f"overlays/prod/{DEPLOYMENT}/extra.yaml", "a: b\n")
    site.forge.fail(500, times=99, when=lambda request: request.method != "GET")
    site.status()
    assert site.only().auto_merge or site.forge.drops_auto_merge
    site.forge.calm()
    site.status()
    assert site.only().auto_merge is None
    assert len(site.only().comments) == 1
