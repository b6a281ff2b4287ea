"""Pull requests when something fails: the provider, the token, a crash, two bridges at once.

Over every provider, but for what is the same whoever it is.
"""

import json
import logging
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from gitops_bridge import agent
from gitops_bridge.actions import DeploymentState, Status
from gitops_bridge.controller import handle, open_context
from tests.proposing import BRANCH, PASSWORD, Proposing, everywhere
from tests.servers.forges.gitea import GiteaServer
from tests.servers.forges.github import GitHubServer
from tests.team import MODEL_A, MODEL_B, action_file

MODEL_C = "65a000000000000000000022"


@everywhere()
def site(request, tmp_path):
    with Proposing(tmp_path, request.param) as site:
        yield site


@pytest.fixture
def one(tmp_path):
    """Whoever it is."""
    with Proposing(tmp_path, GitHubServer) as site:
        yield site


def posts(request):
    return request.method == "POST"


def changes(request):
    return request.method in ("PATCH", "PUT")


class TestProviderFails:
    def test_down_from_the_start_the_proposal_waits_and_the_next_look_goes_on(self, site):
        site.forge.fail(503, times=99)
        outcome = site.start()
        assert (outcome.status, outcome.state) == (Status.WARNING, DeploymentState.LAUNCHING)
        assert "proposed, without a pull request yet" in outcome.message
        assert BRANCH in site.branches
        site.forge.calm()
        assert "waiting for pull request 1" in site.status().message
        assert site.only().head == site.branches[BRANCH]

    def test_down_in_the_middle_there_are_never_two(self, site):
        site.forge.fail(None, when=posts, after=True)
        site.start()
        site.forge.fail(503, times=99)
        assert site.status().status is Status.WARNING
        site.forge.calm()
        assert "waiting for pull request 1" in site.status().message
        site.forge.fail(502, times=99, when=changes)
        site.start(MODEL_B)
        site.forge.calm()
        site.status()
        assert len(site.forge.pulls) == 1
        assert site.only().head == site.branches[BRANCH]
        assert MODEL_B in site.only().body

    def test_a_look_that_fails_tells_what_is_known(self, site):
        site.serving()
        site.replace()
        site.forge.fail(500, times=99)
        status = site.status()
        assert (status.status, status.state) == (Status.WARNING, DeploymentState.REPLACING_MODEL)
        assert f"Git wants model {MODEL_A}" in status.message

    def test_a_reason_that_could_not_be_read_is_read_later(self, site):
        """The end is known by then, and nothing is cleared away before the reason is."""
        site.start()
        site.forge.decline(1, comment="no")
        site.forge.fail(500, times=99, when=lambda request: not shows(request))
        site.status()
        assert BRANCH in site.branches
        site.forge.calm()
        status = site.status()
        assert f"was rejected by {site.forge.shown('ann')} in {status.dashboard_url}: no (" in (
            status.message
        )
        assert BRANCH not in site.branches

    def test_down_behind_somebody_else_s_push(self, one):
        """What is asked then waits as it does when the provider is there to tell them."""
        one.serving()
        one.replace()
        one.push_to_branch("theirs", "1")
        one.forge.fail(503, times=99)
        outcome = one.replace(new=MODEL_C)
        assert (outcome.status, outcome.state) == (Status.WARNING, DeploymentState.REPLACING_MODEL)
        assert "the pull request waits for the provider" in outcome.message
        one.forge.calm()
        assert "Jane Doe pushed" in one.status().message
        one.forge.decline(2)
        one.status()
        assert "waiting for pull request 3" in one.status().message
        assert MODEL_C in one.forge.pulls[3].body

    def test_asked_to_slow_down_it_waits_or_comes_again(self, site):
        site.forge.fail(429, headers={"Retry-After": "7"}, when=posts)
        assert "waiting for pull request 1" in site.start().message
        site.forge.fail(429, times=99, headers={"Retry-After": "3600"})
        outcome = site.start(MODEL_B)
        assert (outcome.status, outcome.state) == (Status.WARNING, DeploymentState.LAUNCHING)
        assert "asks to wait 3600 s" in outcome.message
        site.forge.calm()
        site.status()
        assert len(site.forge.pulls) == 1
        assert MODEL_B in site.only().body


def shows(request):
    """Whether it asks for pull requests themselves, and not for what was said on one."""
    return request.path.rstrip("0123456789/").endswith(("/pulls", "requests"))


class TestToken:
    def test_a_wrong_one_and_one_with_too_few_rights_are_told_with_the_cure(self, site):
        site.environ["FORGE_TOKEN"] = "canary-wrong"
        outcome = site.start()
        assert (outcome.status, outcome.state) == (Status.FAILING, DeploymentState.ERRORED)
        assert "token is wrong" in outcome.message
        assert "canary" not in outcome.message
        site.environ["FORGE_TOKEN"] = site.forge.token
        for site.forge.level in ("read", "none"):
            outcome = site.start()
            assert (outcome.status, outcome.state) == (Status.FAILING, DeploymentState.ERRORED)
            assert "token" in outcome.message
            assert site.forge.token not in outcome.message
        site.forge.level = "write"
        assert "waiting for pull request 1" in site.status().message

    def test_a_missing_one_is_told_by_its_setting(self, one):
        del one.environ["FORGE_TOKEN"]
        outcome = one.start()
        assert "pull_request.token: the environment variable FORGE_TOKEN is not set" in (
            outcome.message
        )

    def test_an_unknown_provider(self, one):
        config = yaml.safe_load(one.team.config.read_text())
        config["pull_request"]["provider"] = "sourceforge"
        one.team.config.write_text(yaml.safe_dump(config))
        assert (
            "pull_request.provider: 'sourceforge' is unknown (one of github," in one.start().message
        )

    def test_the_two_credentials_are_apart(self, one):
        """A wrong token for git does not matter to the API, and the other way round."""
        one.start()
        authorizations = {sent for _, _, sent in one.git.requests if sent}
        assert not any(one.forge.token in sent for sent in authorizations)


class TestCrashes:
    """What a process that was killed leaves behind, and the next one makes of it."""

    def converged(self, site, model=MODEL_A):
        pull = site.only()
        assert pull.state == "open"
        assert pull.head == site.branches[BRANCH]
        assert site.branches[BRANCH] in pull.body
        assert model in pull.body
        assert site.team.state()["review"]["head"] == site.branches[BRANCH]
        assert pull.comments == []

    def memories(self, site):
        return [it for it in (site.folder / "cache").glob("pull-requests-*/*") if it.is_file()]

    def forget(self, site):
        for path in self.memories(site):
            path.unlink()

    @pytest.mark.parametrize("by", ["status", "start"])
    def test_after_the_push(self, one, by):
        one.start()
        self.forget(one)
        one.forge.pulls.clear()
        getattr(one, by)()
        self.converged(one)

    def test_after_the_creation(self, site):
        site.start()
        self.forget(site)
        site.status()
        self.converged(site)

    def test_after_the_branch_of_a_newer_action(self, site):
        """The branch is newer than pull request and memory."""
        site.start()
        memory = {path: path.read_bytes() for path in self.memories(site)}
        old = site.only().body
        site.start(MODEL_B)
        for path, content in memory.items():
            path.write_bytes(content)
        site.only().body = old
        site.status()
        self.converged(site, MODEL_B)

    def test_on_another_machine(self, site):
        site.start()
        shutil.rmtree(site.folder / "cache")
        site.start(MODEL_B)
        self.converged(site, MODEL_B)

    def test_a_damaged_memory_is_no_matter(self, one):
        one.start()
        for path in self.memories(one):
            path.write_text("{")
        one.status()
        self.converged(one)


class TestAtOnce:
    def test_three_bridges_open_one_pull_request(self, site):
        def act(number):
            config = yaml.safe_load(site.team.config.read_text())
            config["repository"]["cache"] = str(site.folder / f"cache-{number}")
            path = site.folder / f"config-{number}.yaml"
            path.write_text(yaml.safe_dump(config))
            ctx = open_context(agent.read_config(path), site.environ)
            return handle(ctx, agent.read_request("deployment_start", files[number]))

        files = [action_file(site.folder) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            outcomes = list(pool.map(act, range(3)))
        assert {outcome.state for outcome in outcomes} == {DeploymentState.LAUNCHING}
        assert len(site.forge.pulls) == 1
        site.status()
        pull = site.only()
        assert (pull.state, pull.head) == ("open", site.branches[BRANCH])
        assert pull.comments == []


def test_no_secret_anywhere(site, caplog):
    caplog.set_level(logging.DEBUG)
    outcomes = [site.start(), site.status(), site.start(MODEL_B)]
    site.forge.fail(500, message=f"oops {site.forge.token}", times=99)
    outcomes += [site.status(), site.start()]
    site.forge.calm()
    site.forge.decline(1, comment=f"leaked {PASSWORD}?")
    outcomes.append(site.status())
    secrets = (site.forge.token.encode(), PASSWORD.encode(), site.forge.sent_token.encode())
    said = "\n".join(map(str, outcomes[:-1])) + caplog.text
    bodies = json.dumps([pull.body for pull in site.forge.pulls.values()])
    for secret in secrets:
        assert secret.decode() not in said
        assert secret.decode() not in bodies
        for path in (site.folder / "cache").rglob("*"):
            if path.is_file():
                assert secret not in path.read_bytes(), path
    objects = subprocess.run(
        ["git", "-C", site.team.remote, "cat-file", "--batch", "--batch-all-objects"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert site.forge.token.encode() not in objects


class TestGiteaWithoutTimeline:
    @pytest.fixture
    def site(self, tmp_path):
        with Proposing(tmp_path, GiteaServer) as site:
            site.forge.has_timeline = False
            yield site

    def test_a_rejection_there_holds_no_later_rollout_up(self, site):
        site.serving()
        site.replace()
        site.forge.decline(2, comment="Drift is too high")
        rejected = site.replace()
        assert rejected.status is Status.FAILING
        assert "was rejected by somebody" in rejected.message
        site.start(MODEL_C)
        assert site.forge.pulls[3].state == "open"
