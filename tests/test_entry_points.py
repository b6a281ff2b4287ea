"""Every action through both entry points: the agent's own runner with our plugin, and ours."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from gitops_bridge import agent
from gitops_bridge.errors import RequestError
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, PACKAGE, Team, action_file, git

SCALED = {"minReplicas": "2", "maxReplicas": "4"}
URL = f"https://predictions.example.com/deployments/{DEPLOYMENT}/predictions"
BIN = Path(sys.executable).parent


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path, new_host=True)


def ours(team, action, config, *flags):
    return [
        sys.executable,
        "-m",
        "gitops_bridge",
        "run",
        "--plugin",
        "k8s",
        *_flags(team, action, config),
        *flags,
    ]


def theirs(team, action, config, *flags):
    runner = [BIN / "bosun-plugin-runner", "--plugin", "gitops_bridge.bosun"]
    return [*runner, *_flags(team, action, config), *flags]


def _flags(team, action, config):
    status = team.folder / "status.yaml"
    return [
        "--config", config, "--private-config", team.config, "--action", action,
        "--status-file", status,
    ]  # fmt: skip


def run(command, team):
    status = team.folder / "status.yaml"
    status.unlink(missing_ok=True)
    finished = subprocess.run(command, cwd=team.folder, capture_output=True, text=True, timeout=60)
    written = yaml.safe_load(status.read_text()) if status.exists() else None
    return finished, written


@pytest.fixture(params=[ours, theirs], ids=["ours", "theirs"])
def act(request, team):
    """Run an action through one of the entry points, give the status file it wrote."""

    def act(action, **info):
        config = action_file(team.folder, **info)
        _, status = run(request.param(team, action, config), team)
        assert sorted(status) == ["data", "duration", "msg", "state", "status", "timestamp"]
        return status

    return act


def test_the_life_of_a_deployment(act, team):
    started = act("deployment_start")
    assert (started["status"], started["state"]) == ("passing", "launching")
    assert started["data"] == {"predictionUrl": URL}
    replaced = act("deployment_replace_model", newModelId=MODEL_B)
    assert (replaced["status"], replaced["state"]) == ("passing", "replacingModel")
    assert "currentModelId" not in replaced["data"]
    scaled = act("deployment_start", modelId=MODEL_B, keyValueConfig=SCALED)
    relaunched = act("deployment_relaunch", modelId=MODEL_B, keyValueConfig=SCALED)
    assert scaled["status"] == relaunched["status"] == "passing"
    stopped = act("deployment_stop", modelId=MODEL_B)
    assert (stopped["status"], stopped["state"]) == ("passing", "shuttingDown")
    assert team.log() == [
        "Stop churn in prod",
        "Relaunch churn in prod",
        "Scale churn to 2 to 4 replicas in prod",
        "Replace model of churn in prod",
        "Start churn in prod",
        "Set up",
    ]


def test_every_action_twice_commits_once(act, team):
    for action, info in [
        ("deployment_start", {}),
        ("deployment_replace_model", {"newModelId": MODEL_B}),
        ("deployment_stop", {}),
    ]:
        act(action, **info)
        commits = len(team.log())
        again = act(action, **info) if action != "deployment_stop" else act(action)
        assert again["status"] == "passing"
        assert len(team.log()) == commits


def test_what_cannot_be_seen_is_not_claimed(act, team):
    act("deployment_start")
    status = act("deployment_status")
    assert (status["status"], status["state"]) == ("unknown", "unknown")
    head = git(team.remote, "rev-parse", "main").strip()
    assert head[:12] in status["msg"]
    assert MODEL_A in status["msg"]
    assert "currentModelId" not in status["data"]
    environment = act("pe_status")
    assert environment["status"] == "passing"
    assert environment["data"]["deploymentsStatus"][DEPLOYMENT]["status"] == "unknown"
    assert act("deployment_list")["data"][DEPLOYMENT]["state"] == "unknown"


def test_deployments_git_does_not_know(act):
    assert act("deployment_status")["state"] == "unknown"
    assert act("deployment_list")["data"] is None
    assert act("deployment_stop")["status"] == "passing"


def test_plugin_start_and_stop(act):
    assert act("plugin_start")["status"] == "passing"
    assert act("plugin_stop")["status"] == "passing"


@pytest.mark.parametrize("action", ["endpoint_update", "endpoint_status"])
def test_endpoints_are_not_supported_yet(act, action):
    status = act(action)
    assert status["status"] == "failing"
    assert f"{action} is not supported yet" in status["msg"]


def test_replacing_what_is_not_there(act, team):
    status = act("deployment_replace_model", newModelId=MODEL_B)
    assert status["status"] == "failing"
    assert "start or relaunch" in status["msg"]
    assert team.log() == ["Set up"]


def test_a_bad_request_reaches_the_status_file(act, team):
    status = act("deployment_start", keyValueConfig={"minReplicas": "5", "maxReplicas": "2"})
    assert status["status"] == "failing"
    assert "minReplicas 5 is more than maxReplicas 2" in status["msg"]
    assert team.log() == ["Set up"]


def test_replace_without_a_new_model(act):
    status = act("deployment_replace_model")
    assert "newModelId is missing" in status["msg"]


def test_a_failed_replacement_names_what_git_holds_and_claims_nothing(act, team):
    act("deployment_start")
    team.pull()
    (team.clone / "overlays/prod/environment/serving/kustomization.yaml").write_text("kind: [")
    team.commit("Break the environment")
    team.push()
    status = act("deployment_replace_model", newModelId=MODEL_B)
    assert (status["status"], status["state"]) == ("failing", "errored")
    assert status["data"] is None
    assert f"Git holds model {MODEL_A}" in status["msg"]
    assert "overlays/prod/environment/serving/kustomization.yaml" in status["msg"]


@pytest.mark.parametrize("command", [ours, theirs])
def test_dry_run_commits_nothing(command, team):
    config = action_file(team.folder)
    _, status = run(command(team, "deployment_start", config, "--dry-run"), team)
    assert "would commit: Start churn in prod" in status["msg"]
    assert team.log() == ["Set up"]


@pytest.mark.parametrize("command", [ours, theirs])
def test_exit_codes_and_shown_status(command, team):
    good = action_file(team.folder)
    finished, _ = run(
        command(team, "deployment_start", good, "--exit-codes", "--show-status"), team
    )
    assert finished.returncode == 0
    assert "state: launching" in finished.stdout
    finished, _ = run(command(team, "deployment_status", good, "--exit-codes"), team)
    assert finished.returncode == 3
    bad = action_file(team.folder, keyValueConfig={"replicas": "x"})
    finished, _ = run(command(team, "deployment_start", bad, "--exit-codes"), team)
    assert finished.returncode == 1
    finished, _ = run(command(team, "deployment_start", bad), team)
    assert finished.returncode == 0


PE, OTHER = "60623e3b36066bf8561aea86", "5fac774e714c79018f6d309e"
SAMPLES = {  # the runner's own samples, put right where they are not valid
    "plugin_start": lambda sample: sample.update(peInfo={"id": PE}),
    "plugin_stop": lambda sample: sample.update(peInfo={"id": PE}),
    "deployment_list": None,
    "deployment_start": None,
    "deployment_status": None,
    "pe_status": None,
    "deployment_replace_model": lambda sample: sample["deploymentInfo"].update(newModelId=OTHER),
    "deployment_relaunch": None,
    "deployment_stop": None,
    "endpoint_update": None,
    "endpoint_status": None,
}
SAMPLE_OF = {"deployment_relaunch": "deployment_start", "endpoint_status": "endpoint_update"}
"""For an action without a sample of its own, the action whose sample has the same sections."""


@pytest.mark.parametrize("command", [ours, theirs])
def test_the_runners_own_samples(command, team):
    config = yaml.safe_load(team.config.read_text())
    config["environments"] = {PE: next(iter(config["environments"].values()))}
    team.config.write_text(yaml.safe_dump(config))
    package = team.folder / "package.json"  # the samples name none
    package.write_text(json.dumps({"id": PACKAGE}))
    answers = {}
    for action, put_right in SAMPLES.items():
        file = team.folder / f"{action}.yaml"
        subprocess.run(
            [BIN / "bosun-plugin-runner", "--action", SAMPLE_OF.get(action, action),
             "--gen-config", file],
            check=True, capture_output=True,
        )  # fmt: skip
        sample = yaml.safe_load(file.read_text())
        if sample["deploymentInfo"]:  # all of one deployment, one after the other
            sample["deploymentInfo"] |= {"id": DEPLOYMENT, "modelPackageDetails": str(package)}
        if put_right:
            put_right(sample)
        file.write_text(yaml.safe_dump(sample))
        _, status = run(command(team, action, file), team)
        answers[action] = status["status"], status["state"]
    assert answers == {
        "plugin_start": ("passing", None),
        "plugin_stop": ("passing", None),
        "deployment_list": ("passing", None),
        "deployment_start": ("passing", "launching"),
        "deployment_status": ("unknown", "unknown"),
        "pe_status": ("warning", None),  # its list does not name our deployment
        "deployment_replace_model": ("passing", "replacingModel"),
        "deployment_relaunch": ("passing", "launching"),
        "deployment_stop": ("passing", "shuttingDown"),
        "endpoint_update": ("failing", "errored"),
        "endpoint_status": ("failing", "errored"),
    }
    assert len(team.log()) == 5


def broken_command_lines(team):
    good = action_file(team.folder)
    missing = team.folder / "missing.yaml"
    malformed = team.folder / "malformed.yaml"
    malformed.write_text("pluginConfig: {a: [")
    empty = team.folder / "empty.yaml"
    empty.write_text("")
    yield "missing.yaml", ours(team, "deployment_start", missing)
    yield "line 2", ours(team, "deployment_start", malformed)
    yield "is empty", ours(team, "deployment_start", empty)
    yield "explode", ours(team, "explode", good)
    yield "--colour", ours(team, "deployment_start", good, "--colour")
    yield "--log-level", ours(team, "deployment_start", good, "--log-level", "LOUD")
    yield (
        "nowhere.yaml",
        [*ours(team, "deployment_start", good), "--private-config", "nowhere.yaml"],
    )
    without_action = ours(team, "x", good)
    del without_action[without_action.index("--action") :][:2]
    position = without_action.index("--action")
    yield "--action", without_action[:position] + without_action[position + 2 :]


def test_our_runner_writes_a_status_in_every_case(team):
    for told, command in broken_command_lines(team):
        _, status = run(command, team)
        assert status is not None, told
        assert status["status"] == "failing"
        assert told in status["msg"]
    assert team.log() == ["Set up"]


@pytest.mark.parametrize("command", [ours, theirs])
@pytest.mark.parametrize(
    ("path", "told"),
    [("/nowhere/at/all.yaml", "No such file"), ("/tmp", "directory"), ("/dev/full", "No space")],
)
def test_a_status_file_that_cannot_be_written_is_an_error_with_its_path(team, command, path, told):
    config = action_file(team.folder)
    whole = [*command(team, "plugin_stop", config, "--exit-codes"), "--status-file", path]
    finished = subprocess.run(whole, cwd=team.folder, capture_output=True, text=True)
    assert finished.returncode == 1
    assert f"status file {path}: " in finished.stderr
    assert told in finished.stderr


@pytest.fixture
def signalled():
    """SIGTERM at every line that is logged, so also while an error is being told."""

    class Sender(logging.Handler):
        def emit(self, record):
            os.kill(os.getpid(), signal.SIGTERM)

    sender, before = Sender(), signal.getsignal(signal.SIGTERM)
    agent.log.addHandler(sender)
    yield
    agent.log.removeHandler(sender)
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("error", [RequestError("bad"), ValueError("bad"), SystemExit(1)])
def test_a_signal_at_any_moment_is_answered_once(signalled, error):
    def work():
        raise error

    outcome = agent.answer("deployment_start", work)
    assert "told to end" in outcome.message


@pytest.mark.parametrize("command", [ours, theirs])
def test_sigterm_still_gets_a_status(command, team):
    """A hook on the server keeps the push waiting until the process is told to end."""
    hook = team.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\ntouch waiting\nsleep 20\n")
    hook.chmod(0o755)
    status = team.folder / "status.yaml"
    whole = command(team, "deployment_start", action_file(team.folder))
    process = subprocess.Popen(whole, cwd=team.folder, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (team.remote / "waiting").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    written = yaml.safe_load(status.read_text())
    assert written["status"] == "failing"
    assert "told to end" in written["msg"]


TOLD_WHILE_LOADING = """
import os, signal, sys
class Teller:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Teller())
"""


@pytest.mark.parametrize(
    "module", ["gitops_bridge.cli", "click", "gitops_bridge.cli.run", "gitops_bridge.controller"]
)
def test_sigterm_while_our_runner_loads_still_gets_a_status(team, monkeypatch, module):
    """Python runs a module `sitecustomize` before anything else."""
    teller = TOLD_WHILE_LOADING.format(name=module)
    (team.folder / "sitecustomize.py").write_text(teller)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(team.folder), *sys.path]))
    _, status = run(ours(team, "deployment_start", action_file(team.folder)), team)
    assert status["status"] == "failing"
    assert "told to end" in status["msg"]
    assert team.log() == ["Set up"]
