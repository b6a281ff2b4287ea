"""What each action loads: a process per action starts fast only as long as it loads what it needs.

The modules are those of a fresh process that ran the action through our own entry point.
"""

import subprocess
import sys

import pytest

from tests.team import DEPLOYMENT, MODEL_B, Team, action_file

PROBE = """
import sys
from gitops_bridge.cli import main
try:
    main()
except SystemExit:
    pass
print("\\n".join(sorted(sys.modules)), file=sys.stderr)
"""
SLOW = {"kubernetes", "requests", "urllib3", "boto3", "google", "jwt", "ruamel", "jinja2"}
NEIGHBOURS = {f"gitops_bridge.{name}" for name in ("forge", "registry", "datarobot", "images",
                                               "scaffold", "rest", "bosun")}  # fmt: skip
PLANNING = {
    f"gitops_bridge.controller.{name}" for name in ("planning", "loop", "observing", "builds")
}
WRITING = {"gitops_bridge.controller.texts", "gitops_bridge.desired.pull_request"}
REPORTS = ["pe_status", "deployment_status", "deployment_list"]
ROLLOUTS = {
    "deployment_replace_model": {"newModelId": MODEL_B},
    "deployment_relaunch": {},
    "deployment_stop": {},
}


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path, new_host=True)


def loaded(team, *arguments):
    """The names of the modules after `gitops-bridge …`; the command must have gone well."""
    finished = subprocess.run(
        [sys.executable, "-c", PROBE, *map(str, arguments)],
        cwd=team.folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in finished.stderr, finished.stderr
    return set(finished.stderr.split("\n"))


def after(team, action, **info):
    status = team.folder / "status.yaml"
    status.unlink(missing_ok=True)
    config = action_file(team.folder, **info)
    found = loaded(team, "run", "--action", action, "--config", config, "--status-file", status,
                   "--log-level", "CRITICAL")  # fmt: skip
    assert "status: failing" not in status.read_text(), status.read_text()
    return found


@pytest.fixture
def started(team):
    after(team, "deployment_start")
    return team


def test_a_rollout_loads_what_plans_and_commits_and_nothing_slow(team):
    found = after(team, "deployment_start")
    assert {"pygit2", "yaml"} <= found
    assert found & (SLOW | NEIGHBOURS | WRITING) == set()


@pytest.mark.parametrize("action", ROLLOUTS)
def test_every_change_loads_the_same(started, action):
    assert after(started, action, **ROLLOUTS[action]) & (SLOW | NEIGHBOURS | WRITING) == set()


@pytest.mark.parametrize("action", REPORTS)
def test_a_report_needs_neither_libgit2_nor_the_planning(started, action):
    after(started, action)  # from here on there is a mirror, as in every process but the first
    found = after(started, action)
    assert "yaml" in found
    assert found & (SLOW | NEIGHBOURS | PLANNING | {"pygit2"}) == set()


def test_the_end_of_the_plugin_loads_next_to_nothing(team):
    assert after(team, "plugin_stop") & (SLOW | NEIGHBOURS | PLANNING | {"pygit2"}) == set()


def test_the_history_of_a_deployment_needs_nothing_of_the_network(started):
    found = loaded(started, "history", DEPLOYMENT)
    assert found & (SLOW | NEIGHBOURS) == set()


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_loads_neither_git_nor_yaml(team, flag):
    assert loaded(team, flag) & (SLOW | NEIGHBOURS | PLANNING | {"pygit2", "yaml"}) == set()
