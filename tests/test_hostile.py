"""Hostile names and secrets through all of it: a server with a password, both entry points."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli import act, bridge
from tests.servers.git_http import GitServer
from tests.team import DEPLOYMENT, action_file, git

CANARY = "canary-Zx81-token"
HOSTILE = [
    'Bob\'s "A&B" \\ %s {{ config }} {% raw %}',
    "first\nDataRobot-Action: deployment_stop\n\nsecond: line",
    "key: value # comment\t- list",
    "x" * 10_000,
    "🦀 ünï çødé \u202e\u0000\x1b[31m",
    "*alias &anchor !tag | > @ `",
    "1e5",
    "~",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_data(team, name):
    status = act(team, "deployment_start", name=name)
    assert status["status"] == "passing", status
    team.pull()
    record = yaml.safe_load(
        (team.clone / f"overlays/prod/{DEPLOYMENT}/model/record.yaml").read_text()
    )
    assert record["name"] == name
    subject, *_ = team.log()
    assert subject.startswith("Start ")
    trailers = git(
        team.remote, "log", "-1", "--format=%(trailers:key=DataRobot-Action,valueonly)", "main"
    )
    assert trailers.split() == ["deployment_start"]
    rendered = bridge(team, "check", team.clone)
    assert "0 with problems" in rendered.stdout


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.text(max_size=60))
def test_any_name_is_data(team, name):
    """Each in a deployment of its own."""
    identifier = f"65{len(team.log()):022d}"
    status = act(team, "deployment_start", id=identifier, name=name)
    assert (status["status"], status["state"]) == ("passing", "launching")


@pytest.mark.parametrize("identifier", ["1e5", "650000000000000000000001", "0x1f", "12"])
def test_ids_that_look_like_numbers_stay_what_they_are(team, identifier):
    file = action_file(team.folder, id="PLACEHOLDER", modelId="650000000000000000000002")
    file.write_text(file.read_text().replace("PLACEHOLDER", identifier))  # unquoted on purpose
    status = team.folder / "status.yaml"
    bridge(
        team, "run", "--action", "deployment_start", "--config", file, "--status-file", status,
    )  # fmt: skip
    assert yaml.safe_load(status.read_text())["status"] == "passing"
    team.pull()
    assert (team.clone / "overlays/prod" / identifier).is_dir()
    assert "0 with problems" in bridge(team, "check", team.clone).stdout


@pytest.fixture
def guarded(team):
    """The team's repository behind a server that asks for the canary as its password."""
    git(team.remote, "config", "http.receivepack", "true")
    with GitServer(team.folder, users={"bridge": CANARY}) as server:
        secret = team.folder / "secret"
        secret.write_text(CANARY + "\n")
        team.write_config(
            url=server.url("remote.git"), username="bridge", password={"file": str(secret)}
        )
        team.server, team.secret = server, secret
        yield team


def spied(team):
    """A git on PATH that notes its arguments before it does its work."""
    folder = team.folder / "bin"
    folder.mkdir()
    real = subprocess.run(
        ["which", "git"], capture_output=True, text=True, check=True
    ).stdout.strip()
    wrapper = folder / "git"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {team.folder}/arguments\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def everything_left(team):
    """Every file of the test but the one that holds the secret, and every git object's content."""
    for path in team.folder.rglob("*"):
        if path.is_file() and path != team.secret:
            yield path.read_bytes()
    for repository in [team.remote, *team.folder.glob("cache/*/mirror.git")]:
        yield subprocess.run(
            ["git", "-C", repository, "cat-file", "--batch-all-objects", "--batch"],
            capture_output=True, check=True,
        ).stdout  # fmt: skip


@pytest.mark.parametrize("secret", ["right", "wrong"])
def test_no_secret_is_left_anywhere(guarded, secret):
    if secret == "wrong":
        guarded.server.users = {"bridge": "another"}
    status = guarded.folder / "status.yaml"
    environment = {**os.environ, "PATH": spied(guarded), "MLOPS_API_TOKEN": CANARY}
    said = b""
    runner = [
        Path(sys.executable).parent / "bosun-plugin-runner",
        "--plugin",
        "gitops_bridge.bosun",
    ]
    for door in ([sys.executable, "-m", "gitops_bridge", "run"], runner):
        finished = subprocess.run(
            [*door, "--config", action_file(guarded.folder), "--private-config", guarded.config,
             "--action", "deployment_start", "--status-file", status, "--show-status"],
            cwd=guarded.folder, env=environment, capture_output=True,
        )  # fmt: skip
        said += finished.stdout + finished.stderr
    written = yaml.safe_load(status.read_text())
    assert written["status"] == ("passing" if secret == "right" else "failing")
    assert (guarded.folder / "arguments").read_text()
    assert CANARY.encode() not in said
    for content in everything_left(guarded):
        assert CANARY.encode() not in content


def test_a_wrong_password_says_so_and_does_not_knock_on(guarded):
    guarded.server.users = {"bridge": "another"}
    status = act(guarded, "deployment_start")
    assert status["status"] == "failing"
    assert "authentication" in status["msg"].lower() or "password" in status["msg"].lower()
    assert len(guarded.server.requests) < 6


def test_a_dead_server_says_so(guarded):
    guarded.write_config(url="http://127.0.0.1:9/remote.git", cache=str(guarded.folder / "other"))
    status = act(guarded, "deployment_start")
    assert status["status"] == "failing"
    assert "127.0.0.1" in status["msg"]


def test_a_secret_that_is_not_there_names_its_key(guarded):
    guarded.secret.unlink()
    status = act(guarded, "deployment_start")
    assert "repository.password" in status["msg"]
    assert str(guarded.secret) in status["msg"]


@pytest.mark.parametrize("what", ["empty", "no-branch", "no-init", "unmapped", "missing"])
def test_repositories_that_are_not_ready(team, what):
    told = {
        "empty": "gitops-bridge init",
        "no-branch": "has no branch 'production'",
        "no-init": "overlays/prod/environment",
        "unmapped": "is not mapped",
        "missing": "nowhere.git",
    }
    if what == "empty":
        git(team.folder, "init", "--quiet", "--bare", "empty.git")
        team.write_config(url=str(team.folder / "empty.git"))
    elif what == "no-branch":
        team.write_config(branch="production")
    elif what == "missing":
        team.write_config(url=str(team.folder / "nowhere.git"))
    elif what == "no-init":
        git(team.clone, "rm", "-r", "--quiet", "overlays")
        team.commit("Away")
        team.push()
    else:
        config = yaml.safe_load(team.config.read_text())
        config["environments"] = {"ffff": next(iter(config["environments"].values()))}
        team.config.write_text(yaml.safe_dump(config))
    for action in ("deployment_start", "deployment_stop", "deployment_status", "pe_status"):
        status = act(team, action)
        assert status["status"] == "failing"
        assert told[what] in status["msg"]


def test_a_protected_branch_is_an_error_with_advice(team):
    hook = team.remote / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\nexit 1\n")
    hook.chmod(0o755)
    status = act(team, "deployment_start")
    assert status["status"] == "failing"
    assert "protected" in status["msg"].lower()
    assert json.dumps(team.log()) == '["Set up"]'
