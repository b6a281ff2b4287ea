"""Pull requests when something fails: the provider, the token, a crash, two bridges at once."""

import json
import logging
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from gitops_bridge.actions import State, Status
from gitops_bridge.bridge import notes
from gitops_bridge.bridge.notes import Note
from tests.proposing import BRANCH, PASSWORD, Proposing
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, action_file, git


@pytest.fixture(params=[GitHubServer, GitLabServer], ids=["github", "gitlab"])
def site(request, tmp_path):
    with Proposing(tmp_path, request.param) as site:
        yield site


def posts(request):
    return request.method == "POST"


class TestProviderFails:
    def test_the_proposal_waits_for_it_and_the_next_look_goes_on(self, site):
        site.forge.fail(503, times=99)
        outcome = site.start()
        assert (outcome.status, outcome.state) == (Status.WARNING, State.LAUNCHING)
        assert "proposed, without a pull request yet" in outcome.message
        assert BRANCH in site.branches
        site.forge.calm()
        assert "waiting for pull request 1" in site.status().message
        assert site.only().head == site.branches[BRANCH]

    def test_a_creation_whose_answer_was_lost_is_found_again(self, site):
        site.forge.fail(None, when=posts, after=True)
        site.start()
        assert "waiting for pull request 1" in site.status().message
        site.replace()
        assert len(site.forge.pulls) == 1

    def test_an_update_that_failed_is_made_by_the_next_look(self, site):
        site.serving()
        site.replace()
        site.forge.fail(502, times=99, when=lambda request: request.method in ("PATCH", "PUT"))
        site.replace(new="65a000000000000000000022")
        site.forge.calm()
        site.status()
        assert "65a000000000000000000022" in site.forge.pulls[2].body

    def test_a_look_that_fails_tells_what_is_known(self, site):
        site.serving()
        site.replace()
        site.forge.fail(500, times=99)
        status = site.status()
        assert (status.status, status.state) == (Status.WARNING, State.REPLACING_MODEL)
        assert f"Git wants model {MODEL_A}" in status.message

    def test_a_rejection_that_could_not_be_read_is_read_later(self, site):
        site.start()
        site.forge.decline(1, comment="no")
        site.forge.fail(500, times=99, when=lambda request: "/issues/" in request.path
                        or "/notes" in request.path)  # fmt: skip
        site.status()
        assert BRANCH in site.branches
        site.forge.calm()
        assert "was rejected by ann" in site.status().message
        assert BRANCH not in site.branches


class TestToken:
    @pytest.mark.parametrize("level", ["read", "none"])
    def test_too_few_rights_are_told_with_the_cure(self, site, level):
        site.forge.level = level
        outcome = site.start()
        assert (outcome.status, outcome.state) == (Status.FAILING, State.ERRORED)
        assert "token" in outcome.message
        assert site.forge.token not in outcome.message
        site.forge.level = "write"
        assert "waiting for pull request 1" in site.status().message

    def test_a_wrong_one_is_told_and_not_repeated(self, site):
        site.environ["FORGE_TOKEN"] = "canary-wrong"
        outcome = site.start()
        assert outcome.status is Status.FAILING
        assert "token is wrong" in outcome.message
        assert "canary" not in outcome.message
        site.environ["FORGE_TOKEN"] = site.forge.token
        assert "waiting for pull request 1" in site.start().message

    def test_a_missing_one_is_told_by_its_setting(self, site):
        del site.environ["FORGE_TOKEN"]
        outcome = site.start()
        assert "pull_request.token: the environment variable FORGE_TOKEN is not set" in (
            outcome.message
        )

    def test_an_unknown_provider(self, site):
        config = yaml.safe_load(site.team.config.read_text())
        config["pull_request"]["provider"] = "sourceforge"
        site.team.config.write_text(yaml.safe_dump(config))
        assert (
            "pull_request.provider: 'sourceforge' is unknown (one of github,"
            in site.start().message
        )

    def test_the_two_credentials_are_apart(self, site):
        """A wrong token for git does not matter to the API, and the other way round."""
        site.start()
        authorizations = {sent for _, _, sent in site.git.requests if sent}
        assert not any(site.forge.token in sent for sent in authorizations)


class TestCrashes:
    """What a process that was killed leaves behind, and the next one makes of it."""

    def converged(self, site):
        pull = site.only()
        assert pull.state == "open"
        assert pull.head == site.branches[BRANCH]
        assert site.branches[BRANCH] in pull.body
        ref = notes.name(Note.PROPOSED, "prod", DEPLOYMENT)
        assert git(site.team.remote, "rev-parse", ref).strip() == site.branches[BRANCH]
        assert pull.comments == []

    def forget_note(self, site):
        ref = notes.name(Note.PROPOSED, "prod", DEPLOYMENT)
        git(site.team.remote, "update-ref", "-d", ref)

    def forget_cache(self, site):
        for path in (site.folder / "cache" / "pull-requests").rglob("*.json"):
            path.unlink()

    @pytest.mark.parametrize("by", ["status", "start"])
    def test_after_the_branch(self, site, by):
        site.start()
        self.forget_note(site)
        self.forget_cache(site)
        site.forge.pulls.clear()
        getattr(site, by)()
        self.converged(site)

    @pytest.mark.parametrize("by", ["status", "start"])
    def test_after_the_note(self, site, by):
        site.start()
        self.forget_cache(site)
        site.forge.pulls.clear()
        getattr(site, by)()
        self.converged(site)

    @pytest.mark.parametrize("by", ["status", "start"])
    def test_after_the_creation(self, site, by):
        site.start()
        self.forget_cache(site)
        getattr(site, by)()
        self.converged(site)

    def test_after_the_branch_of_a_newer_action(self, site):
        """The branch is newer than note, pull request and memory."""
        site.start()
        note = git(site.team.remote, "rev-parse", BRANCH).strip()
        memory = {
            path: path.read_bytes()
            for path in (site.folder / "cache" / "pull-requests").rglob("*.json")
        }
        old = site.only().body
        site.start(MODEL_B)
        git(site.team.remote, "update-ref", notes.name(Note.PROPOSED, "prod", DEPLOYMENT), note)
        for path, content in memory.items():
            path.write_bytes(content)
        site.only().body = old
        site.status()
        self.converged(site)
        assert MODEL_B in site.only().body

    def test_on_another_machine(self, site):
        site.start()
        import shutil

        shutil.rmtree(site.folder / "cache")
        site.start()
        self.converged(site)

    def test_a_damaged_memory_is_no_matter(self, site):
        site.start()
        for path in (site.folder / "cache" / "pull-requests").rglob("*.json"):
            path.write_text("{")
        site.status()
        self.converged(site)


class TestAtOnce:
    def test_two_bridges_open_one_pull_request(self, site):
        def act(number):
            config = yaml.safe_load(site.team.config.read_text())
            config["repository"]["cache"] = str(site.folder / f"cache-{number}")
            path = site.folder / f"config-{number}.yaml"
            path.write_text(yaml.safe_dump(config))
            from gitops_bridge import agent
            from gitops_bridge.bridge import handle, open_workshop

            shop = open_workshop(agent.read_config(path), site.environ)
            return handle(shop, agent.read_request("deployment_start", files[number]))

        files = [action_file(site.folder) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            outcomes = list(pool.map(act, range(3)))
        assert {outcome.state for outcome in outcomes} == {State.LAUNCHING}
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
