"""Many bridges at once, killed at random: every action ends up in Git once, in its order."""

import random
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import yaml

from tests.servers.git_http import GitServer
from tests.team import Team, action_file, git


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path, new_host=True)


def life(deployment):
    """Actions of one deployment, whose models are nobody else's."""
    first, second = (f"65c{number}{deployment[4:]}" for number in "12")
    return [
        ("deployment_start", {"modelId": first}),
        ("deployment_replace_model", {"modelId": first, "newModelId": second}),
        ("deployment_start", {"modelId": second, "keyValueConfig": {"replicas": "3"}}),
        ("deployment_stop", {"modelId": second}),
        ("deployment_start", {"modelId": second, "keyValueConfig": {"replicas": "2"}}),
    ]


SUBJECTS = [
    "Start {} in prod",
    "Replace model of {} in prod",
    "Scale {} to 3 replicas in prod",
    "Stop {} in prod",
    "Start {} in prod",
]
DEPLOYMENTS = [f"65a00000000000000000010{index}" for index in range(6)]


def live(team, deployment, chance, *, own_host):
    """Play a deployment's life; each action is repeated until one run was not killed."""
    folder = team.folder / deployment
    folder.mkdir()
    private_config = team.config
    if own_host:  # a host is a cache of its own
        config = yaml.safe_load(team.config.read_text())
        config["repository"]["cache"] = str(folder / "cache")
        private_config = folder / "gitops-bridge.yaml"
        private_config.write_text(yaml.safe_dump(config))
    kills = 0
    for action, info in life(deployment):
        config = action_file(folder, id=deployment, name=deployment, **info)
        status = folder / "status.yaml"
        command = [
            sys.executable, "-m", "gitops_bridge", "run", "--action", action, "--config", config,
            "--private-config", private_config, "--status-file", status, "--log-level", "CRITICAL",
        ]  # fmt: skip
        for _ in range(50):
            status.unlink(missing_ok=True)
            process = subprocess.Popen(command, start_new_session=True)
            try:
                process.wait(timeout=None if chance.random() < 0.4 else chance.uniform(0.1, 1.2))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            if status.exists():
                break
        written = yaml.safe_load(status.read_text())
        assert written["status"] == "passing", written
    return kills


@pytest.mark.parametrize("transport", ["local path", "http"])
@pytest.mark.parametrize("hosts", ["one host", "many hosts"])
def test_killed_at_random_and_run_again(team, transport, hosts):
    git(team.remote, "config", "http.receivepack", "true")
    with GitServer(team.folder) as server, ThreadPoolExecutor(len(DEPLOYMENTS)) as pool:
        if transport == "http":
            team.write_config(url=server.url("remote.git"))
        chances = [random.Random(f"{transport}{deployment}") for deployment in DEPLOYMENTS]
        play = partial(live, team, own_host=hosts == "many hosts")
        kills = sum(pool.map(play, DEPLOYMENTS, chances))
    assert kills > 5
    subjects = Counter(team.log())
    del subjects["Set up"]
    expected = Counter(text.format(name) for name in DEPLOYMENTS for text in SUBJECTS)
    assert subjects == expected
    for name in DEPLOYMENTS:
        own = [line for line in team.log() if name in line]
        assert own[::-1] == [text.format(name) for text in SUBJECTS]
        record = git(team.remote, "show", f"main:overlays/prod/{name}/model/record.yaml")
        assert yaml.safe_load(record)["scale"]["replicas"] == 2
    assert images_built(team) == images_delivered(team)
    git(team.remote, "fsck", "--strict")


def images_built(team):
    """By the Jobs on `builds`: one for each model of each deployment."""
    jobs = git(team.remote, "ls-tree", "-r", "--name-only", "builds").split()
    assert len(jobs) == 2 * len(DEPLOYMENTS)
    written = [yaml.safe_load(git(team.remote, "show", f"builds:{path}")) for path in jobs]
    return {job["metadata"]["annotations"]["gitops-bridge.io/image"] for job in written}


def images_delivered(team):
    """By the rollouts in main's history."""
    added = git(team.remote, "log", "--patch", "main", "--", "overlays/prod/*/model/record.yaml")
    return set(re.findall(r'^\+image: "?([^"\n]+)', added, re.MULTILINE))
