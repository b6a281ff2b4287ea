"""The standing controller: looks that repeat, idle ones that cost one fetch, a graceful end."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from gitops_bridge.controller.standing import Standing
from tests.gated import PACKAGE_A, PACKAGE_B, Gated
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B, git


@pytest.fixture
def gated(tmp_path, host):
    team = Gated(tmp_path, host)
    team.configure(actions={"budget": 1})
    return team


def standing(team):
    ctx = team.ctx()
    return Standing(ctx, ctx.config.environments)


def test_what_waits_is_delivered_once_its_image_is_there(gated):
    gated.act("deployment_start", PACKAGE_A)
    looks = standing(gated)
    (waiting,) = looks.look()
    assert (waiting.decision, waiting.waiting) == ("building", True)
    gated.built()
    (delivered,) = looks.look()
    assert (delivered.deployment, delivered.decision) == (DEPLOYMENT, "delivered")
    assert delivered.spans.keys() == {"action_to_commit"}
    assert gated.record()["model"] == MODEL_A
    assert looks.look() == []


def test_an_idle_look_lists_nothing(gated, monkeypatch):
    gated.act("deployment_start", PACKAGE_A)
    gated.built()
    looks = standing(gated)
    looks.look()
    looks.look()
    from gitops_bridge.git import TreeReader

    monkeypatch.setattr(TreeReader, "folders_below", pytest.fail)
    monkeypatch.setattr(TreeReader, "contents", pytest.fail)
    for _ in range(3):
        assert looks.look() == []


def test_a_person_s_revert_is_told_and_stands(gated):
    gated.act("deployment_start", PACKAGE_A)
    gated.built()
    looks = standing(gated)
    looks.look()
    gated.act("deployment_replace_model", PACKAGE_B, newModelId=MODEL_B)
    gated.built()
    looks.look()
    gated.pull()
    git(gated.clone, "revert", "--no-edit", "HEAD")
    gated.push()
    (told,) = looks.look()
    assert "Jane Doe moved" in told.said
    assert gated.record()["model"] == MODEL_A
    gated.act("deployment_replace_model", PACKAGE_B, newModelId=MODEL_B)
    (held,) = looks.look()
    assert held.held


def test_the_process_serves_health_and_metrics_and_ends_when_told(gated, free_port):
    gated.act("deployment_start", PACKAGE_A)
    gated.built()
    command = [
        sys.executable, "-m", "gitops_bridge", "reconcile", "--watch", "--interval", "2",
        "--listen", f"127.0.0.1:{free_port}", "--json-logs", "--config", str(gated.config),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=gated.environ)
    try:
        address = f"http://127.0.0.1:{free_port}"
        assert get_until(f"{address}/readyz", 200) == b"ok\n"
        metrics = get_until(f"{address}/metrics", 200).decode()
        assert (
            'gitops_bridge_decisions_total{decision="delivered",environment="prod"} 1.0' in metrics
        )
    finally:
        os.kill(process.pid, signal.SIGTERM)
        _, logged = process.communicate(timeout=30)
    assert process.returncode == 0
    records = [json.loads(line) for line in logged.splitlines()]
    assert any(record.get("decision") == "delivered" for record in records)
    assert gated.record()["model"] == MODEL_A


def get_until(url, status):
    """The body once the server answers so."""
    until = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == status:
                    return answer.read()
        except OSError:
            assert time.monotonic() < until, url
        time.sleep(0.1)


@pytest.fixture
def free_port():
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]
