"""Which package a model comes from, when the action does not say: DataRobot's REST API is asked."""

import subprocess

import pytest

from tests.gated import PACKAGE_A, PACKAGE_B, Gated
from tests.servers.datarobot import DataRobotServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B


@pytest.fixture
def datarobot():
    with DataRobotServer() as server:
        server.add_package(PACKAGE_A, model_id=MODEL_A)
        server.add_package(PACKAGE_B, model_id=MODEL_B)
        server.add_deployment(DEPLOYMENT, package=PACKAGE_A)
        yield server


def asking(folder, host, datarobot, **options):
    team = Gated(folder, host, **options)
    team.environ["DATAROBOT_TOKEN"] = datarobot.token
    team.configure(datarobot={"url": datarobot.url, "token": {"env": "DATAROBOT_TOKEN"}})
    return team


@pytest.mark.parametrize("gate", ["registry", "none"])
def test_the_package_is_asked_for_by_deployment_and_recorded(tmp_path, host, datarobot, gate):
    team = asking(tmp_path, host, datarobot, gate=gate)
    assert team.act("deployment_start").status.value == "passing"
    record = team.state()["wish" if gate == "registry" else "answered"]["request"]
    assert record["package"] == {"id": PACKAGE_A}
    (path,) = team.jobs()
    assert PACKAGE_A in path
    before = sum(datarobot.seen.values())
    team.built() if gate == "registry" else None
    assert team.act("deployment_start").status.value == "passing"
    team.act("deployment_start", keyValueConfig={"replicas": "2"})
    assert team.record()["package"] == {"id": PACKAGE_A}
    assert sum(datarobot.seen.values()) == before


def test_a_replacement_finds_the_package_of_the_new_model(tmp_path, host, datarobot):
    team = asking(tmp_path, host, datarobot)
    team.act("deployment_start")
    team.built()
    team.status()
    team.act("deployment_replace_model", newModelId=MODEL_B)
    assert team.state()["wish"]["request"]["package"] == {"id": PACKAGE_B}
    team.built(next(path for path in team.jobs() if PACKAGE_B in path))
    team.status()
    assert team.record()["model"] == MODEL_B


def test_the_action_s_own_details_are_believed(tmp_path, host, datarobot):
    team = asking(tmp_path, host, datarobot)
    team.act("deployment_start", PACKAGE_B)
    assert team.state()["wish"]["request"]["package"]["id"] == PACKAGE_B
    assert sum(datarobot.seen.values()) == 0


@pytest.mark.parametrize("gate", ["registry", "none"])
def test_datarobot_that_refuses_or_does_not_know(tmp_path, host, datarobot, gate):
    team = asking(tmp_path, host, datarobot, gate=gate)
    team.environ["DATAROBOT_TOKEN"] = "wrong-canary"
    refused = team.act("deployment_start")
    assert refused.status.value == "failing"
    assert "wrong-canary" not in refused.message
    team.environ["DATAROBOT_TOKEN"] = datarobot.token
    unknown = team.act("deployment_start", modelId="65a0000000000000000000ff")
    assert unknown.status.value == "failing"
    assert "no model package holds" in unknown.message
    nowhere = team.act("deployment_start", id="65a0000000000000000000fe")
    assert f"the model package of model {MODEL_A} is not known: " in nowhere.message
    assert "404" in nowhere.message
    del team.environ["DATAROBOT_TOKEN"]
    missing = team.act("deployment_start")
    assert "datarobot.token" in missing.message
    assert team.log() == ["Set up"]
    assert team.jobs() == []


def test_datarobot_that_does_not_answer_costs_no_more_than_the_budget(tmp_path, host, datarobot):
    team = asking(tmp_path, host, datarobot)
    datarobot.trouble.busy = 10**6
    datarobot.trouble.retry_after = "5"
    started = team.clock.now
    outcome = team.act("deployment_start")
    assert outcome.status.value == "failing"
    assert "slow down" in outcome.message
    assert team.clock.now - started <= 240


def test_the_token_is_nowhere(tmp_path, host, datarobot):
    team = asking(tmp_path, host, datarobot)
    told = [team.act("deployment_start")]
    team.built()
    told.append(team.status())
    assert datarobot.token not in str(told)
    found = subprocess.run(
        ["grep", "-r", "--text", "-l", datarobot.token, team.remote, tmp_path / "cache"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout == ""
