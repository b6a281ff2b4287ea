"""Commits of real actions are signed, signed off and committed as the configuration says."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli import act, bridge
from tests.proposing import BRANCH, Proposing
from tests.servers.forges.github import GitHubServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git

PERSON = "Jane Doe <jane@example.com>"


def configure(team, **keys):
    config = yaml.safe_load(team.config.read_text())
    team.config.write_text(yaml.safe_dump({**config, **keys}))


def shown(team, form, revision="main"):
    return git(team.remote, "log", "-1", f"--format={form}", revision).rstrip("\n")


@pytest.fixture
def ssh_key(tmp_path):
    key = tmp_path / "signing_key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True
    )
    return key


def trust(team, key, email):
    """git on the remote's side trusts this key for that address."""
    signers = team.folder / "allowed_signers"
    signers.write_text(f"{email} {Path(f'{key}.pub').read_text()}")
    git(team.remote, "config", "gpg.format", "ssh")
    git(team.remote, "config", "gpg.ssh.allowedSignersFile", str(signers))


class TestSsh:
    def test_git_verifies_the_commit_of_an_action(self, team, ssh_key):
        configure(team, signing={"format": "ssh", "key": str(ssh_key)},
                  author={"name": "Bridge", "email": "bridge@example.com"})  # fmt: skip
        assert act(team, "deployment_start")["status"] == "passing"
        trust(team, ssh_key, "bridge@example.com")
        git(team.remote, "verify-commit", "main")
        assert shown(team, "%G? %GS") == "G bridge@example.com"

    def test_a_missing_key_is_told_by_its_setting(self, team):
        configure(team, signing={"format": "ssh", "key": "/nowhere/key"})
        status = act(team, "deployment_start")
        assert status["status"] == "failing"
        assert "signing.key: the file /nowhere/key is not there" in status["msg"]
        assert team.log() == ["Set up"]

    def test_a_key_with_a_passphrase_delivers_nothing_and_waits_for_nobody(self, team, tmp_path):
        key = tmp_path / "locked"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "sesame", "-f", str(key)], check=True
        )
        configure(team, signing={"format": "ssh", "key": str(key)})
        status = act(team, "deployment_start")
        assert status["status"] == "failing"
        assert "no passphrase" in status["msg"]
        assert team.log() == ["Set up"]


class TestUnderReview:
    def test_git_verifies_proposals_jobs_and_what_is_remembered(self, tmp_path, ssh_key):
        with Proposing(
            tmp_path, GitHubServer, signing={"format": "ssh", "key": str(ssh_key)},
            author={"name": "Bridge", "email": "bridge@example.com"}, sign_off="true",
        ) as site:  # fmt: skip
            trust(site.team, ssh_key, "bridge@example.com")
            package = site.folder / "package.json"
            package.write_text('{"id": "65f0aa11bb22cc33dd44ee50"}')
            site.start(modelPackageDetails=str(package))
            written = [BRANCH, "builds"]
            site.forge.decline(1, comment="no")
            for _ in range(2):
                for ref in written:
                    git(site.team.remote, "verify-commit", ref)
                    signed = shown(site.team, "%(trailers:key=Signed-off-by,valueonly)", ref)
                    assert signed.strip() == "Bridge <bridge@example.com>"
                site.status()
                written = ["rollouts"]


class TestGpg:
    @pytest.fixture
    def home(self, tmp_path):
        """A GnuPG folder with one key; its agent ends with the test."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="gpg") as home:  # its sockets need a short path
            self.gpg(home, "--quick-gen-key", "Bridge <bridge@example.com>", "ed25519", "sign")
            yield Path(home)
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)

    def gpg(self, home, *arguments):
        subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", *arguments],
            check=True, capture_output=True,
        )  # fmt: skip

    def test_git_verifies_the_commit_of_an_action(self, team, home):
        configure(
            team, signing={"format": "gpg", "key": "bridge@example.com", "home": str(home)},
            committer={"name": "Bridge", "email": "bridge@example.com"},
        )  # fmt: skip
        assert act(team, "deployment_start")["status"] == "passing"
        git(team.remote, "verify-commit", "main", GNUPGHOME=str(home))

    def test_an_unknown_key_delivers_nothing(self, team, home):
        signing = {"format": "gpg", "key": "nobody@example.com", "home": str(home)}
        configure(team, signing=signing)
        status = act(team, "deployment_start")
        assert status["status"] == "failing"
        assert "could not be signed by gpg" in status["msg"]
        assert team.log() == ["Set up"]


class TestPeople:
    def test_author_and_committer_are_the_configured_ones(self, team):
        configure(team, author={"name": "Ann", "email": "ann@example.com"},
                  committer={"name": "Bot", "email": "bot@example.com"})  # fmt: skip
        act(team, "deployment_start")
        assert shown(team, "%an <%ae> %cn <%ce>") == ("Ann <ann@example.com> Bot <bot@example.com>")

    def test_without_a_committer_the_author_commits(self, team):
        configure(team, author={"name": "Ann", "email": "ann@example.com"})
        act(team, "deployment_start")
        assert shown(team, "%cn <%ce>") == "Ann <ann@example.com>"

    def test_a_sign_off_is_a_trailer_beside_the_others(self, team):
        configure(team, sign_off="true", author={"name": "Ann", "email": "ann@example.com"})
        act(team, "deployment_start")
        trailers = shown(team, "%(trailers:only,unfold)").splitlines()
        assert trailers[-1] == "Signed-off-by: Ann <ann@example.com>"
        assert f"DataRobot-Deployment: {DEPLOYMENT}" in trailers

    def test_an_action_done_twice_is_one_commit_with_sign_off_too(self, team, ssh_key):
        configure(team, sign_off="true", signing={"format": "ssh", "key": str(ssh_key)})
        act(team, "deployment_start")
        act(team, "deployment_start")
        assert len(team.log()) == 2

    def test_a_person_s_rollback_is_signed_off_by_that_person(self, team):
        configure(team, sign_off="true")
        act(team, "deployment_start", modelId=MODEL_A)
        act(team, "deployment_replace_model", modelId=MODEL_A, newModelId=MODEL_B)
        bridge(team, "rollback", DEPLOYMENT, "--author", PERSON)
        assert shown(team, "%an <%ae>") == PERSON
        assert shown(team, "%(trailers:key=Signed-off-by,valueonly)").strip() == PERSON

    def test_without_the_policy_nobody_signs_off(self, team):
        act(team, "deployment_start")
        assert "Signed-off-by" not in shown(team, "%B")
