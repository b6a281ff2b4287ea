"""`gitops-bridge doctor`: each need of the first rollout, green or red with its cure."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from gitops_bridge.controller import doctor
from tests.proposing import BRANCHES_AND_TAGS, PASSWORD, Proposing
from tests.servers.datarobot_monitoring import MonitoredDataRobot
from tests.servers.forges.bitbucket_cloud import BitbucketCloudServer
from tests.servers.forges.github import GitHubServer
from tests.servers.forges.gitlab import GitLabServer
from tests.team import git


@pytest.fixture(params=[GitHubServer, GitLabServer], ids=["github", "gitlab"])
def site(request, tmp_path):
    with Proposing(tmp_path, request.param) as site:
        yield site


def examined(site):
    return {finding.check: finding for finding in doctor.examine(site.ctx())}


def red(findings):
    return {name: found for name, found in findings.items() if found.ok is False}


class TestHealthy:
    def test_everything_is_green_and_nothing_is_left_behind(self, site):
        before = site.branches
        findings = examined(site)
        assert red(findings) == {}
        assert list(findings) == [
            "kustomize", "repository", "initialised", "Argo CD", "environment prod", "overlays",
            "push to builds",
            "push to rollouts", "push of proposal branches",
            *(["gitlab: version 15.0 or newer"] if site.forge.provider == "gitlab" else []),
            *(f"{site.forge.provider}: {right}" for right in (
                "push branches", "propose pull requests", "set labels",
                "report commit statuses")),
        ]  # fmt: skip
        assert findings["kustomize"].said.startswith("version v5.")
        assert "images go to registry.example.com/" in findings["environment prod"].said
        after = site.branches
        written = "rollouts", "rollouts~"  # a commit that changes nothing: only a push asks rules
        now, earlier = (git(site.team.remote, "rev-parse", f"{it}^{{tree}}") for it in written)
        assert now == earlier
        assert {**after, "rollouts": before["rollouts"]} == before
        assert site.forge.pulls == {}

    @pytest.mark.parametrize("wanted", [False, True])
    def test_the_right_to_report_commit_statuses_counts_where_they_are_wanted(self, site, wanted):
        site.configure(controller={"commit_status": wanted})
        site.forge.level = "read"
        found = examined(site)[f"{site.forge.provider}: report commit statuses"]
        assert found.ok is (False if wanted else None)
        assert found.said == "not granted"
        assert found.hint

    def test_a_branch_left_behind_by_a_doctor_that_was_killed_is_cleared(self, site):
        git(site.team.remote, "branch", doctor.SCRATCH, "main")
        assert red(examined(site)) == {}
        assert "_doctor" not in git(site.team.remote, "for-each-ref")

    def test_with_push_the_branch_itself_is_tried_and_no_provider(self, site):
        site.configure(delivery="push")
        site.forge.log.clear()
        findings = examined(site)
        assert "its rules for this branch are asked at a real push" in findings["push to main"].said
        assert findings["push to main"].ok
        assert site.forge.log == []
        assert "push of proposal branches" not in findings

    def test_registry_and_datarobot_are_looked_at_when_they_are_configured(self, site):
        with MonitoredDataRobot() as server:
            site.environ["DR"] = server.token
            site.configure(datarobot={"url": server.url, "token": {"env": "DR"}})
            found = examined(site)["DataRobot"]
            assert found.ok
            assert found.said == "version 2.36.0; the token may list deployments"
            site.environ["DR"] = "canary-wrong"
            found = examined(site)["DataRobot"]
            assert found.ok is False
            assert "canary" not in str(found)


class TestSick:
    def test_a_wrong_git_password(self, site):
        site.environ["GIT_PASSWORD"] = "canary-wrong"
        findings = examined(site)
        assert "did not accept the credentials" in findings["repository"].said
        assert findings["environment prod"].ok is None
        assert "canary" not in str(findings)

    def test_a_repository_that_was_never_initialised(self, site):
        site._sync()
        git(site.team.clone, "rm", "-r", "--quiet", "base", "overlays")
        (site.team.clone / "README").write_text("empty\n")
        site.team.commit("Nothing yet")
        site.team.push()
        git(site.team.remote, "branch", "-D", "builds")
        findings = examined(site)
        assert findings["initialised"].said == "base, overlays, branch builds missing"
        assert findings["initialised"].hint == "gitops-bridge init"
        assert findings["environment prod"].ok is False
        assert findings["push to builds"].ok is None

    def test_an_environment_that_does_not_render(self, site):
        path = "overlays/prod/environment/serving/kustomization.yaml"
        site.commit_to_main(path, "components: [nowhere]\n")
        findings = examined(site)
        assert "'nowhere' is not in the repository" in findings["environment prod"].said
        assert findings["environment prod"].hint

    def test_a_server_that_refuses_the_proposal_s_branch(self, site):
        site.rule("#!/bin/sh\necho 'branch names are restricted by policy' >&2\nexit 1\n")
        found = examined(site)["push of proposal branches"]
        assert found.ok is False
        assert "branch names are restricted by policy" in found.said
        assert found.hint

    def test_a_server_that_takes_branches_only_is_enough(self, site):
        site.rule(BRANCHES_AND_TAGS)
        assert red(examined(site)) == {}
        assert "_doctor" not in git(site.team.remote, "for-each-ref")

    def test_a_server_that_lets_nothing_be_deleted(self, site):
        site.rule("#!/bin/sh\n[ $3 != 0000000000000000000000000000000000000000 ]\n")
        findings = examined(site)
        assert findings["push of proposal branches"].ok is False
        assert "declined the push" in findings["push of proposal branches"].said

    def test_a_user_who_may_only_read(self, site):
        """As the providers do it: reading is answered, the first request to write is not."""
        site.configure(delivery="push")
        site.git.fail("status", on="git-receive-pack", value=403, times=9)
        findings = examined(site)
        for branch in ("main", "builds"):
            found = findings[f"push to {branch}"]
            assert found.ok is False
            assert "declined" in found.said or "denies" in found.said

    def test_an_api_token_with_too_few_rights(self, site):
        site.forge.level = "read"
        findings = red(examined(site))
        right = findings[f"{site.forge.provider}: propose pull requests"]
        assert right.said == "not granted"
        assert right.hint

    def test_a_wrong_api_token_is_not_repeated(self, site):
        site.environ["FORGE_TOKEN"] = "canary-wrong"
        found = examined(site)["pull requests"]
        assert found.ok is False
        assert "token" in found.hint
        assert "canary" not in str(found)

    def test_an_unknown_provider(self, site):
        config = yaml.safe_load(site.team.config.read_text())
        config["pull_request"] |= {"provider": "sourceforge"}
        site.team.config.write_text(yaml.safe_dump(config))
        assert "'sourceforge' is unknown" in examined(site)["pull requests"].said

    def test_a_template_that_cannot_be_used(self, site):
        site.commit_to_main("templates/pull_request.md.j2", "{{ nmae }}")
        assert "'nmae' is undefined" in examined(site)["template"].said
        site.commit_to_main("templates/pull_request.md.j2", "{{ name }}")
        assert examined(site)["template"].ok

    def test_a_key_that_cannot_sign(self, site, tmp_path):
        key = tmp_path / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "sesame", "-f", str(key)], check=True
        )
        site.configure(signing={"format": "ssh", "key": str(key)})
        found = examined(site)["signing"]
        assert found.ok is False
        assert "no passphrase" in found.hint

    def test_a_registry_that_cannot_be_reached(self, site):
        site.configure(build={"gate": "registry"})
        findings = examined(site)
        (name,) = [name for name in findings if name.startswith("registry ")]
        assert findings[name].ok is False
        assert findings["push to builds"].ok


def test_what_the_provider_has_not_is_told(tmp_path):
    wanted = {"auto_merge": "true", "labels": ["models"]}
    with Proposing(tmp_path, BitbucketCloudServer, pull_request=wanted) as site:
        findings = examined(site)
        assert findings["bitbucket-cloud: auto-merge"].ok is False
        assert findings["bitbucket-cloud: auto-merge"].hint == "remove pull_request.auto_merge"
        assert findings["bitbucket-cloud: labels"].ok is None


class TestCommand:
    def run(self, site, *arguments):
        finished = subprocess.run(
            [sys.executable, "-m", "gitops_bridge", "doctor", *arguments], cwd=site.folder,
            env={**os.environ, **site.environ}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert "Traceback" not in finished.stderr, finished.stderr
        for secret in (PASSWORD, site.forge.token):
            assert secret not in finished.stdout + finished.stderr
        return finished

    def test_green_exits_0_red_exits_1_with_the_cure(self, site):
        finished = self.run(site)
        assert finished.returncode == 0, finished.stdout
        assert "✓ repository: main is at " in finished.stdout
        assert finished.stdout.splitlines()[-1].endswith("checks, 0 red")
        site.forge.level = "read"
        finished = self.run(site)
        assert finished.returncode == 1
        assert f"✗ {site.forge.provider}: propose pull requests: not granted" in finished.stdout
        assert "    hint: " in finished.stdout

    def test_for_programs(self, site):
        site.forge.level = "read"
        finished = self.run(site, "--output", "json")
        found = json.loads(finished.stdout)
        assert finished.returncode == 1
        assert not found["ok"]
        assert {"check", "ok", "said", "hint"} == set(found["checks"][0])

    def test_a_wrong_configuration_is_the_first_line(self, site):
        site.team.config.write_text("repository: {}\n")
        finished = self.run(site)
        assert finished.returncode == 1
        assert finished.stdout.startswith("✗ configuration: ")
        assert "repository.url: is missing" in finished.stdout
