"""What the bridge remembers beside branches, on a server that takes branches and tags only."""

import pytest

from tests.proposing import BRANCH, BRANCHES_AND_TAGS, Proposing
from tests.servers.forges.bitbucket_cloud import BitbucketCloudServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git


@pytest.fixture
def site(tmp_path):
    with Proposing(tmp_path, BitbucketCloudServer, protected=False) as site:
        site.rule(BRANCHES_AND_TAGS)
        yield site


def kept(site):
    """Kinds of notes that lie in branches."""
    assert git(site.team.remote, "for-each-ref", "refs/gitops-bridge") == ""
    return sorted(name.split("/")[1][1:] for name in site.branches if "/_" in name)


def test_a_review_from_its_start_to_the_merge(site):
    assert "waiting for pull request 1" in site.start().message
    assert kept(site) == ["proposed"]
    site.merge(1, "squash")
    assert f"Git wants model {MODEL_A}" in site.status().message
    assert kept(site) == ["delivered"]  # a squash says not whose it was
    assert "nothing to do" in site.start().message
    assert BRANCH not in site.branches


def test_a_rejection_is_remembered_and_obeyed(site):
    site.serving()
    site.replace()
    site.forge.decline(2, comment="no")
    assert "was rejected by ann" in site.status().message
    assert kept(site) == ["rejected"]
    assert "was rejected by ann" in site.replace().message
    assert len(site.forge.pulls) == 2


def test_somebody_else_s_push_is_told_once(site):
    site.start()
    site.push_to_branch("theirs", "1")
    for _ in range(2):
        assert "Jane Doe pushed" in site.status().message
    assert len(site.only().comments) == 1
    assert kept(site) == ["proposed", "warned"]


def test_notes_from_before_the_server_took_refs_no_more_are_found(site):
    site.rule("#!/bin/sh\nexit 0\n")
    site.start()
    site.rule(BRANCHES_AND_TAGS.replace("case", "[ $3 = " + 40 * "0" + " ] && exit 0\ncase", 1))
    site.start(MODEL_B)
    assert "waiting for pull request 1" in site.status().message
    site.merge(1)
    site.status()
    assert kept(site) == []
    assert DEPLOYMENT not in str(site.branches)
