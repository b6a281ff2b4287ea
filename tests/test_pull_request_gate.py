"""Pull requests behind the build gate: opened once the digest is known, with a real registry."""

import pytest

from gitops_bridge.actions import State, Status
from gitops_bridge.desired.dockerfile import Provenance, labels
from tests.gated import KEY, PACKAGE_A, PACKAGE_B, Gated
from tests.proposing import BRANCH, Proposing
from tests.servers import registry as servers
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer
from tests.team import MODEL_A, MODEL_B


class Site(Proposing):
    """A Proposing whose images come from a registry; `package` goes with an action."""

    def file(self, package=None, **info):
        return self.team.file(package, **info)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with servers.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running.host


@pytest.fixture(params=[GitHubServer, GitLabServer], ids=["github", "gitlab"])
def site(request, tmp_path, host):
    with Site(tmp_path, request.param, team=Gated(tmp_path, host)) as site:
        yield site


def test_there_is_no_pull_request_before_there_is_an_image(site):
    outcome = site.start(package=PACKAGE_A)
    assert (outcome.status, outcome.state) == (Status.PASSING, State.LAUNCHING)
    assert "waiting for the image" in outcome.message
    assert BRANCH in site.branches
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
    assert f"- Model package: `{PACKAGE_A}`; SHA-256: `{'cd' * 32}`\n" in body
    assert f"- Built on: `registry.example.com/pps:11.2.1@sha256:{'ef' * 32}`\n" in body
    assert f"checksum: {'cd' * 32}\n" in body


def test_labels_of_a_stranger_s_image_steer_nothing(site):
    site.start(package=PACKAGE_A)
    site.team.built(labels={"gitops-bridge.io/model-sha256": "</details>\n\n# `@all` | x"})
    site.status()
    assert "SHA-256: `</details> # '@all' ¦ x`\n" in site.only().body


def test_an_action_that_waits_long_enough_proposes_by_itself(site):
    original = site.sleep

    def sleep(seconds):
        original(seconds)
        if len(site.team.jobs()) == 1:
            site.team.built()

    site.sleep = sleep
    assert "waiting for pull request 1" in site.start(package=PACKAGE_A).message


def test_a_newer_model_whose_image_is_not_there_yet_says_so_on_the_pull_request(site):
    site.start(package=PACKAGE_A)
    site.team.built()
    site.status()
    outcome = site.start(MODEL_B, package=PACKAGE_B)
    assert "waiting for the image" in outcome.message
    pull = site.only()
    assert "Build ⏳ not in the registry yet" in pull.body
    assert MODEL_B in pull.body
    digest = site.team.built(sorted(site.team.jobs())[-1])
    status = site.status()
    assert "waiting for pull request 1" in status.message
    assert f"Digest: `{digest}`" in site.only().body
    assert site.only().head == site.branches[BRANCH]


def test_a_branch_somebody_pushed_to_is_not_overwritten_by_a_build_either(site):
    site.start(package=PACKAGE_A)
    site.team.built()
    site.status()
    theirs = site.push_to_branch("theirs", "1")
    outcome = site.start(MODEL_B, package=PACKAGE_B)
    assert "Jane Doe pushed" in outcome.message
    assert site.branches[BRANCH] == theirs
    assert MODEL_A in site.only().body
