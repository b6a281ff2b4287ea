"""What was handed to a provider's auto-merge is taken back when somebody pushes to the branch."""

import pytest

from tests.proposing import BRANCH, Proposing
from tests.servers.forges.bitbucket_cloud import BitbucketCloudServer
from tests.servers.forges.contract import SERVERS
from tests.team import DEPLOYMENT, MODEL_B

PROVIDERS = [kind for kind in SERVERS if not issubclass(kind, BitbucketCloudServer)]


@pytest.fixture(params=PROVIDERS, ids=lambda kind: kind.provider)
def site(request, tmp_path):
    with Proposing(tmp_path, request.param, pull_request={"auto_merge": True}) as site:
        yield site


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
