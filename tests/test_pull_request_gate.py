"""Pull requests behind the build gate: opened once the digest is known, with a real registry.

What drafts are needed for runs at every provider that has them.
"""

import pytest

from gitops_bridge.actions import DeploymentState, Status
from gitops_bridge.desired.dockerfile import Provenance, labels
from tests.gated import KEY, PACKAGE_A, PACKAGE_B, PACKAGE_C, Gated
from tests.proposing import BRANCH, GatedSite, everywhere
from tests.servers.forges.bitbucket_server import BitbucketServerServer
from tests.servers.forges.github import GitHubServer
from tests.team import MODEL_A, MODEL_B


@pytest.fixture
def site(tmp_path, host):
    with GatedSite(tmp_path, GitHubServer, team=Gated(tmp_path, host)) as site:
        yield site


def test_there_is_no_pull_request_before_there_is_an_image(site):
    outcome = site.start(package=PACKAGE_A)
    assert (outcome.status, outcome.state) == (Status.PASSING, DeploymentState.LAUNCHING)
    assert "waits for its image" in outcome.message
    assert BRANCH not in site.branches
    assert site.forge.pulls == {}
    site.status()
    assert site.forge.pulls == {}


@pytest.mark.parametrize("by", ["status", "action"])
def test_once_the_image_is_there_it_is_proposed_by_digest(site, by):
    site.start(package=PACKAGE_A)
    digest = site.team.built()
    outcome = site.status() if by == "status" else site.start(package=PACKAGE_A)
    assert "waiting for pull request 1" in outcome.message
    pull = site.only()
    assert f"Digest: `{digest}`" in pull.body
    assert "Build ✅" in pull.body
    assert site.team.jobs()[0] in pull.body
    assert site.team.record(BRANCH)["image"].endswith(digest)
    site.merge(1, "squash")
    site.status()
    assert site.on_main()["image"].endswith(digest)
    assert BRANCH not in site.branches


def test_what_the_image_says_it_is_made_of_is_its_provenance(site):
    """Labels as `fetch-model` and `append-model` write them."""
    made_of = Provenance(
        "key", PACKAGE_A, "dedicated", "datarobot", "cd" * 32,
        f"registry.example.com/pps:11.2.1@sha256:{'ef' * 32}",
    )  # fmt: skip
    site.start(package=PACKAGE_A)
    site.team.built(labels={key: text for key, text in labels(made_of).items() if key != KEY})
    site.status()
    body = site.only().body
    assert f"- Model package: `{PACKAGE_A}`\n" in body
    assert f"- SHA-256 of the package: `{'cd' * 32}`\n" in body
    assert f"- Built on: `registry.example.com/pps:11.2.1@sha256:{'ef' * 32}`\n" in body
    assert f"checksum: {'cd' * 32}\n" in body


def test_a_checksum_the_operator_states_is_shown_without_a_gate(tmp_path):
    team = Gated(tmp_path, "registry.example.com", gate="none")
    team.write_builder(**{f"sha256.{PACKAGE_A}": "cd" * 32})
    team.commit("DeploymentState the checksum")
    team.push()
    with GatedSite(tmp_path, GitHubServer, team=team) as site:
        site.start(package=PACKAGE_A)
        assert f"SHA-256 of the package: `{'cd' * 32}`\n" in site.only().body
        assert "Build: not looked at" in site.only().body


def test_labels_of_a_stranger_s_image_steer_nothing(site):
    site.start(package=PACKAGE_A)
    site.team.built(labels={"gitops-bridge.io/model-sha256": "</details>\n\n# `@all` | x"})
    site.status()
    assert "SHA-256 of the package: `</details> # '@all' ¦ x`\n" in site.only().body


def test_an_action_that_waits_long_enough_proposes_by_itself(site):
    original = site.sleep

    def sleep(seconds):
        original(seconds)
        if len(site.team.jobs()) == 1:
            site.team.built()

    site.sleep = sleep
    assert "waiting for pull request 1" in site.start(package=PACKAGE_A).message


def opened(site):
    """With a pull request for the first model, whose image is there."""
    site.start(package=PACKAGE_A)
    site.team.built()
    site.status()
    assert not site.drafted()
    return site


def built(site):
    """The digest of the newer one's image."""
    return site.team.built(sorted(site.team.jobs())[-1])


class TestANewerModelWithoutItsImage:
    """A pull request is open when the next model's image has still to be built."""

    @everywhere("draft")
    def anywhere(self, request, tmp_path, host):
        with GatedSite(tmp_path, request.param, team=Gated(tmp_path, host)) as site:
            yield opened(site)

    @pytest.fixture
    def open_one(self, site):
        return opened(site)

    def test_the_pull_request_is_a_draft_until_it_is_there(self, anywhere):
        outcome = anywhere.start(MODEL_B, package=PACKAGE_B)
        assert "waits for its image" in outcome.message
        pull = anywhere.only()
        assert anywhere.drafted()
        assert "a draft; then it is about the newer request" in pull.comments[-1][1]
        digest = built(anywhere)
        assert "waiting for pull request 1" in anywhere.status().message
        pull = anywhere.only()
        assert not anywhere.drafted()
        assert pull.title.startswith("Start churn in prod")
        assert f"Digest: `{digest}`" in pull.body
        assert pull.head == anywhere.branches[BRANCH]
        assert anywhere.phase() != "building"
        anywhere.merge(1, "squash")
        anywhere.status()
        assert anywhere.on_main()["image"].endswith(digest)

    def test_it_is_a_draft_before_its_branch_moves(self, open_one):
        """Between the two auto-merge, or a person, could merge what was superseded."""
        open_one.rule("#!/bin/sh\nexit 1\n")
        open_one.start(MODEL_B, package=PACKAGE_B)
        assert not open_one.drafted()  # nothing could be pushed: nothing was done
        open_one.rule("#!/bin/sh\nexit 0\n")
        open_one.start(MODEL_B, package=PACKAGE_B)
        assert open_one.drafted()
        assert open_one.team.record(BRANCH)["model"] == MODEL_A
        built(open_one)
        open_one.status()
        assert not open_one.drafted()

    def test_a_provider_that_is_down_is_waited_for(self, anywhere):
        anywhere.forge.fail(503, times=99)
        outcome = anywhere.start(MODEL_B, package=PACKAGE_B)
        assert "waits for its image" in outcome.message
        assert anywhere.team.record(BRANCH)["model"] == MODEL_A
        anywhere.forge.calm()
        anywhere.status()
        assert anywhere.drafted()
        digest = built(anywhere)
        anywhere.status()
        assert digest in anywhere.only().body
        assert not anywhere.drafted()

    def test_a_pushed_stop_supersedes_what_waits_for_the_provider(self, open_one):
        open_one.merge(1)
        open_one.status()
        open_one.replace(package=PACKAGE_B)
        built(open_one)
        open_one.status()
        open_one.forge.fail(503, times=99)
        open_one.replace(new="65a000000000000000000022", package=PACKAGE_C)
        assert open_one.phase() == "building"
        open_one.rule("#!/bin/sh\nexit 0\n")
        open_one.configure(delivery={"default": "pull-request", "stop": "push"})
        open_one.act("deployment_stop")
        open_one.forge.calm()
        open_one.status()
        assert open_one.on_main() == {}
        assert BRANCH not in open_one.branches
        assert open_one.phase() == "settled"

    def test_what_was_merged_before_it_was_a_draft_is_the_base_of_the_newer(self, open_one):
        open_one.forge.fail(503, times=99)
        open_one.start(MODEL_B, package=PACKAGE_B)
        open_one.forge.calm()
        open_one.merge(1, "squash")
        open_one.forge.delete_branch(BRANCH)
        open_one.status()
        assert open_one.on_main()["model"] == MODEL_A
        built(open_one)
        assert "waiting for pull request 2" in open_one.status().message
        assert f"`{MODEL_A}` → `{MODEL_B}`" in open_one.forge.pulls[2].body

    def test_a_build_that_fails_is_told_once_and_the_draft_stays_one(self, open_one):
        open_one.start(MODEL_B, package=PACKAGE_B)
        open_one.now += 100_000
        for _ in range(3):
            status = open_one.status()
        assert status.status is Status.FAILING
        assert "the build has failed" in status.message
        _, said = [text for _, text in open_one.only().comments]
        assert "The build of its image has failed: `the build has failed: " in said
        assert open_one.drafted()
        outcome = open_one.start(MODEL_B, package=PACKAGE_B)
        assert "waits for its image" in outcome.message
        built(open_one)
        open_one.status()
        assert not open_one.drafted()

    def test_closing_the_draft_ends_the_older_change_alone(self, anywhere):
        anywhere.start(MODEL_B, package=PACKAGE_B)
        anywhere.forge.decline(1, comment="no")
        anywhere.status()
        assert anywhere.phase() == "building"
        built(anywhere)
        assert "waiting for pull request 2" in anywhere.status().message
        assert MODEL_B in anywhere.forge.pulls[2].body


def test_drafts_that_the_team_wants_stay_drafts(tmp_path, host):
    wanted = {"draft": "true"}
    with GatedSite(tmp_path, GitHubServer, team=Gated(tmp_path, host), pull_request=wanted) as site:
        for model, package in ((MODEL_A, PACKAGE_A), (MODEL_B, PACKAGE_B)):
            site.start(model, package=package)
            built(site)
            site.status()
        assert site.only().draft
        assert "pending" not in site.only().title


@pytest.mark.parametrize("kind", [GitHubServer, BitbucketServerServer])
def test_where_there_are_no_drafts_it_is_closed_and_another_one_opened(tmp_path, host, kind):
    """In private repositories of some plans, and in older versions."""
    with GatedSite(tmp_path, kind, team=Gated(tmp_path, host)) as site:
        site.forge.drafts_allowed = False
        opened(site)
        outcome = site.start(MODEL_B, package=PACKAGE_B)
        assert "waits for its image" in outcome.message
        assert site.only().state == "closed"
        assert "its image is not built yet" in site.only().comments[-1][1]
        site.status()
        assert len(site.forge.pulls) == 1
        built(site)
        assert "waiting for pull request 2" in site.status().message
        assert MODEL_B in site.forge.pulls[2].body


@everywhere("draft", "auto-merge")
def merging(request, tmp_path, host):
    team = Gated(tmp_path, host)
    with GatedSite(tmp_path, request.param, team=team, pull_request={"auto_merge": True}) as site:
        yield opened(site)


def test_auto_merge_takes_nothing_without_an_image(merging):
    handed = merging.only().auto_merge
    assert handed == merging.branches[BRANCH]
    merging.start(MODEL_B, package=PACKAGE_B)
    assert merging.drafted()
    assert merging.only().auto_merge in (handed, None)  # some drop it for a push
    built(merging)
    merging.status()
    assert not merging.drafted()
    assert merging.only().auto_merge == merging.branches[BRANCH] != handed


def test_a_branch_somebody_pushed_to_is_not_overwritten_by_a_build_either(site):
    site.start(package=PACKAGE_A)
    site.team.built()
    site.status()
    theirs = site.push_to_branch("theirs", "1")
    outcome = site.start(MODEL_B, package=PACKAGE_B)
    assert "Jane Doe pushed" in outcome.message
    assert site.branches[BRANCH] == theirs
    assert MODEL_A in site.only().body
