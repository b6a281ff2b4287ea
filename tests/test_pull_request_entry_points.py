"""Pull requests through the entry points: the agent's runner, `release`, `rollback`, documents."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jinja2.meta
import pytest
import yaml

from gitops_bridge import documents
from gitops_bridge.config import load
from gitops_bridge.desired import pull_request
from tests.proposing import PASSWORD, Proposing
from tests.servers.forges.github import GitHubServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, TOP, action_file

DOCUMENT = (TOP / "docs/pull-requests.md").read_text()


@pytest.fixture
def site(tmp_path):
    with Proposing(tmp_path, GitHubServer) as site:
        yield site


def run(site, *command):
    finished = subprocess.run(
        list(map(str, command)), cwd=site.folder, env={**os.environ, **site.environ},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in finished.stderr, finished.stderr
    for secret in (PASSWORD, site.forge.token):
        assert secret not in finished.stdout + finished.stderr
    return finished


def bridge(site, *arguments):
    return run(site, sys.executable, "-m", "gitops_bridge", *arguments)


class TestStatusFile:
    @pytest.mark.parametrize("door", ["theirs", "ours"])
    def test_the_address_of_the_pull_request_reaches_datarobot(self, site, door):
        plugin = [Path(sys.executable).parent / "bosun-plugin-runner"]
        plugin += ["--plugin", "gitops_bridge.bosun"]
        runner = plugin if door == "theirs" else [sys.executable, "-m", "gitops_bridge", "run"]
        status = site.folder / "status.yaml"
        run(
            site, *runner, "--config", action_file(site.folder), "--private-config",
            site.team.config, "--action", "deployment_start", "--status-file", status,
        )  # fmt: skip
        written = yaml.safe_load(status.read_text())
        assert (written["status"], written["state"]) == ("passing", "launching")
        url = f"{site.forge.url}/team/models/pull/1"
        assert written["data"]["dashboardUrl"] == url
        assert url in written["msg"]


class TestCommands:
    def test_release_proposes_a_rejected_change_once_more(self, site):
        site.serving()
        site.replace()
        site.forge.decline(2)
        site.status()
        finished = bridge(site, "release", DEPLOYMENT, "--output", "json")
        assert json.loads(finished.stdout)["proposed"].endswith("/pull/3")
        assert MODEL_B in site.forge.pulls[3].body

    def test_rollback_says_where_it_was_proposed(self, site):
        site.serving()
        site.replace()
        site.merge(2)
        site.status()
        finished = bridge(site, "rollback", DEPLOYMENT, "--author", "Ann <ann@example.com>")
        assert "waiting for pull request 3: " in finished.stdout
        assert MODEL_A in site.forge.pulls[3].body

    def test_release_of_a_hold_is_proposed_and_recognised_when_squashed(self, site):
        site.serving()
        site.replace()
        site.merge(2, "squash")
        site.status()
        site.revert()
        assert "held: " in site.replace().message
        finished = bridge(site, "release", DEPLOYMENT)
        assert "waiting for pull request 3: " in finished.stdout
        site.merge(3, "squash")
        site.status()
        assert site.on_main()["model"] == MODEL_B
        assert "nothing to do: Git holds this already" in site.replace().message

    def test_reconcile_looks_at_every_review(self, site):
        site.serving()
        site.act("deployment_stop")
        finished = bridge(site, "reconcile")
        assert f"prod/{DEPLOYMENT}: the stop: waiting for pull request 2: " in finished.stdout
        site.forge.decline(2, comment="not yet")
        finished = bridge(site, "reconcile")
        assert "the stop was rejected by ann" in finished.stdout
        assert "not yet" in finished.stdout


class TestDocument:
    def test_its_configuration_is_valid(self):
        repository = {"url": "https://github.com/team/models.git"}
        environments = {
            "65a0": {"name": "prod", "namespace": "ml", "prediction_url": "https://x.example"}
        }
        datarobot = {"url": "https://app.datarobot.com", "token": {"env": "T"}}
        for block in re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL):
            keys = documents.load_verbatim(block)
            keys.setdefault("pull_request", {})
            if "app" not in keys["pull_request"]:
                keys["pull_request"].setdefault("token", {"env": "T"})
            load(
                {"repository": repository, "environments": environments, "datarobot": datarobot,
                 **keys}, "docs",
            )  # fmt: skip

    def test_its_template_renders(self):
        (block,) = re.findall(r"```jinja\n(.*?)```", DOCUMENT, re.DOTALL)
        pull_request.check(block)

    def test_it_lists_every_name_a_template_may_print(self):
        names = set(re.findall(r"`([a-z_]+)(?:\(.*?\))?`", DOCUMENT))
        shipped = (TOP / "gitops_bridge/desired" / pull_request.TEMPLATE).read_text()
        used = jinja2.meta.find_undeclared_variables(jinja2.Environment().parse(shipped))  # noqa: S701
        assert used <= names
        for name in ("name", "health", "champion", "challenger", "importance", "deployment"):
            assert name in names
            pull_request.check(f"{{{{ {name} }}}}")
