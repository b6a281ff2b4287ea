"""DataRobot hears what runs: actions and statuses of a team whose cluster can be seen."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gitops_bridge.actions import DeploymentState, Status
from gitops_bridge.cluster import WatchingReader
from gitops_bridge.controller.standing import Standing
from gitops_bridge.live import Kind
from tests import clusters, recordings
from tests.gated import PACKAGE_A, PACKAGE_B, Gated
from tests.servers.kubernetes import KubernetesServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B

BY_NAME = {snapshot.name: snapshot for snapshot in recordings.snapshots()}


@pytest.fixture
def server():
    with KubernetesServer() as running:
        yield running


@pytest.fixture
def gated(tmp_path, host, server):
    team = Gated(tmp_path, host)
    clusters.connect(team, server)
    return team


def shown(gated, server, name, model=MODEL_A, old_model=None):
    """The cluster as a recording shows it, with what main holds now."""
    clusters.deployed(
        server, BY_NAME[name], deployment=DEPLOYMENT, model=model, old_model=old_model,
        image=gated.record()["image"], commits=(gated.at("main~1"), gated.at()),
    )  # fmt: skip


def started(gated, server):
    gated.act("deployment_start", PACKAGE_A)
    gated.built()
    gated.status()
    shown(gated, server, "start/10-done-later-commit")


def failed_job(gated, server):
    job = gated.job()
    job["metadata"]["namespace"] = clusters.BUILDS
    job["status"] = {
        "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]
    }
    server.put("jobs", clusters.BUILDS, job)
    pod = BY_NAME["failed-build/04-build-failed"].items(Kind.BUILD_PODS)[0]
    pod["metadata"]["labels"] |= {
        **job["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"],
    }  # fmt: skip
    server.put("pods", clusters.BUILDS, pod)
    log = "\n".join(BY_NAME["failed-build/04-build-failed"].build_log)
    server.logs[pod["metadata"]["name"], "kaniko", False] = log


def test_a_start_is_launching_until_it_serves(gated, server):
    assert gated.act("deployment_start", PACKAGE_A).state is DeploymentState.LAUNCHING
    assert gated.status().state is DeploymentState.LAUNCHING
    gated.built()
    told = gated.status()
    assert (told.status, told.state) == (Status.PASSING, DeploymentState.LAUNCHING)
    assert told.current_model_id is None
    shown(gated, server, "start/09-progressing-0-old-2-new-0-ready")
    assert gated.status().state is DeploymentState.LAUNCHING
    shown(gated, server, "start/10-done-later-commit")
    told = gated.status()
    assert (told.status, told.state) == (Status.PASSING, DeploymentState.READY)
    assert told.current_model_id == MODEL_A


def test_a_crash_loop_is_told_with_the_end_of_its_log(gated, server):
    gated.act("deployment_start", PACKAGE_A)
    gated.built()
    gated.status()
    shown(gated, server, "crash-loop-start/03-crash-loop-backoff")
    for pod in BY_NAME["crash-loop-start/03-crash-loop-backoff"].items(Kind.PODS):
        name = pod["metadata"]["name"].replace("6063c5c917785b5bdf2e1c06", DEPLOYMENT)
        server.logs[name, "model-package", False] = "loading\nValueError: no feature 'age'"
    told = gated.status()
    assert (told.status, told.state) == (Status.FAILING, DeploymentState.ERRORED)
    assert "exits with code 1" in told.message
    assert "ValueError: no feature 'age'" in told.message


def test_a_failed_build_ends_the_rollout_at_once_and_the_old_model_is_in_use(gated, server):
    started(gated, server)
    gated.act("deployment_replace_model", PACKAGE_B, newModelId=MODEL_B)
    assert gated.status().state is DeploymentState.REPLACING_MODEL
    failed_job(gated, server)
    gated.status()
    assert gated.phase() == "failed"
    told = gated.act("deployment_replace_model", PACKAGE_B, newModelId=MODEL_B)
    assert told.current_model_id in (None, MODEL_A)
    told = gated.status()
    assert told.current_model_id == MODEL_A


def test_a_replacement_reports_the_old_model_until_the_new_one_has_taken_over(gated, server):
    started(gated, server)
    gated.act("deployment_replace_model", PACKAGE_B, newModelId=MODEL_B)
    gated.built()
    gated.status()
    shown(gated, server, "replace/09-progressing-1-old-2-new-1-ready", MODEL_B, MODEL_A)
    told = gated.status()
    assert told.state is DeploymentState.REPLACING_MODEL
    assert (told.current_model_id, told.old_model_in_use) == (MODEL_A, True)
    shown(gated, server, "replace/12-done", MODEL_B, MODEL_A)
    told = gated.status()
    assert (told.state, told.current_model_id) == (DeploymentState.READY, MODEL_B)


def test_a_stop_is_over_when_nothing_is_left(gated, server):
    started(gated, server)
    assert gated.act("deployment_stop").state is not DeploymentState.STOPPED
    told = gated.status()
    assert told.state is DeploymentState.SHUTTING_DOWN
    for kind in (Kind.DEPLOYMENTS, Kind.REPLICA_SETS, Kind.PODS, Kind.APPLICATIONS):
        server.replace_all(*clusters.PLACES[kind], [])
    assert gated.status().state is DeploymentState.STOPPED


def test_a_token_that_expired_claims_nothing(gated, server):
    started(gated, server)
    server.token = "another"
    told = gated.status()
    assert (told.status, told.state) == (Status.UNKNOWN, DeploymentState.UNKNOWN)
    assert told.current_model_id is None
    assert "renew the token" in told.message


def test_the_standing_controller_follows_a_delivery_by_its_watches(gated, server):
    ctx = gated.ctx()
    reader = WatchingReader(ctx.config.cluster, ctx.config.environments, lambda: None)
    standing = Standing(replace(ctx, cluster=lambda: reader), ctx.config.environments)
    with reader:
        gated.act("deployment_start", PACKAGE_A)
        standing.look()
        gated.built()
        assert "delivered" in {found.decision for found in standing.look()}
        assert standing.follows
        until(lambda: not reader.read(ctx.config.environments[0], lambda: 0.0).unseen)
        before = len(server.lists())
        shown(gated, server, "start/10-done-later-commit")
        until(lambda: "ready" in {found.decision for found in standing.look()})
        assert not standing.follows
        assert len(server.lists()) == before


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


ENTRY_POINTS = {
    "ours": [sys.executable, "-m", "gitops_bridge", "run"],
    "theirs": [
        Path(sys.executable).parent / "bosun-plugin-runner",
        "--plugin",
        "gitops_bridge.bosun",
    ],
}


def told_by(entry_point, gated, action, document):
    """The status file that an entry point writes; a process of its own takes its time."""
    gated.configure(actions={"budget": 60})
    config, status = gated.folder / "asked.yaml", gated.folder / "said.yaml"
    config.write_text(yaml.safe_dump(document))
    status.unlink(missing_ok=True)
    subprocess.run(
        [*ENTRY_POINTS[entry_point], "--config", config, "--private-config", gated.config,
         "--action", action, "--status-file", status],
        env=gated.environ, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return yaml.safe_load(status.read_text())


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_environment_is_answered_for_in_both_shapes(gated, server, entry_point):
    started(gated, server)
    asked = yaml.safe_load(gated.file(PACKAGE_A).read_text())
    for deployments in ([DEPLOYMENT], [asked["deploymentInfo"]], []):
        document = {**asked, "peInfo": {**asked["peInfo"], "deployments": deployments}}
        document.pop("deploymentInfo")
        told = told_by(entry_point, gated, "pe_status", document)
        (status,) = told["data"]["deploymentsStatus"].values()
        assert (status["status"], status["state"]) == ("passing", "ready")
        assert status["data"]["currentModelId"] == MODEL_A
        assert told["status"] == "passing", told["msg"]


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_what_runs_without_git_is_told(gated, server, entry_point):
    started(gated, server)
    pod = BY_NAME["adopt/01-before"]
    for kind in (Kind.DEPLOYMENTS, Kind.PODS):
        for item in pod.items(kind):
            server.put(*clusters.PLACES[kind], clusters.labelled(kind, item))
    asked = yaml.safe_load(gated.file(PACKAGE_A).read_text())
    asked.pop("deploymentInfo")
    told = told_by(entry_point, gated, "pe_status", asked)
    assert told["status"] == "warning"
    assert pod.git["deployment"] in told["msg"]
