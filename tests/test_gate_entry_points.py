"""The two-phase flow through both entry points, with the real clock."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.gated import PACKAGE_A, PACKAGE_B, Gated
from tests.servers import registry as servers
from tests.servers.registry import PASSWORD
from tests.team import MODEL_A, MODEL_B

BIN = Path(sys.executable).parent
DOORS = {
    "ours": [sys.executable, "-m", "gitops_bridge", "run"],
    "theirs": [BIN / "bosun-plugin-runner", "--plugin", "gitops_bridge.bosun"],
}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registry")
    with servers.serve(folder, htpasswd=True) as running:
        yield running.host


@pytest.fixture(params=DOORS)
def act(request, tmp_path, host):
    team = Gated(tmp_path, host, login=True)
    team.configure(actions={"budget": 2})

    def act(action, package=None, **info):
        status = team.folder / "status.yaml"
        status.unlink(missing_ok=True)
        finished = subprocess.run(
            [
                *DOORS[request.param],
                *("--config", team.file(package, **info), "--private-config", team.config),
                *("--action", action, "--status-file", status),
            ],
            cwd=team.folder, capture_output=True, text=True, timeout=60, env=team.environ,
        )  # fmt: skip
        assert PASSWORD not in finished.stdout + finished.stderr + status.read_text()
        return yaml.safe_load(status.read_text())

    act.team = team
    return act


def replace(act):
    return act("deployment_replace_model", PACKAGE_B, newModelId=MODEL_B)


def test_from_the_job_to_the_digest(act):
    team = act.team
    started = act("deployment_start", PACKAGE_A)
    assert (started["status"], started["state"]) == ("passing", "launching")
    assert "waits for its image" in started["msg"]
    assert team.log() == ["Set up"]
    assert act("deployment_list")["data"]
    digest = team.built()
    assert act("deployment_status")["state"] == "unknown"
    assert team.record()["image"].endswith(digest)
    assert team.refs() == ["builds", "main", "rollouts"]


def test_a_build_that_fails(act):
    team = act.team
    act("deployment_start", PACKAGE_A)
    team.built()
    act("deployment_status")
    team.configure(build={"deadline": 1}, actions={"budget": 6})
    failed = replace(act)
    assert (failed["status"], failed["state"]) == ("failing", "errored")
    assert "oldModelInUse" not in failed["data"]
    status = act("deployment_status")
    assert (status["status"], status["state"]) == ("warning", "unknown")
    assert MODEL_A in status["msg"]
    assert "the build has failed" in status["msg"]
    listed = act("pe_status")["data"]["deploymentsStatus"]
    assert [item["status"] for item in listed.values()] == ["warning"]
    assert team.record()["model"] == MODEL_A
    team.configure(build={"deadline": 600}, actions={"budget": 1})
    assert replace(act)["state"] == "replacingModel"
    assert team.phase() == "building"
