"""`kill -9` around each push where something is queued: the newest one wins, and none is lost."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from gitops_bridge.errors import RequestError
from tests.git_team import wrap_git
from tests.proposing import BRANCH, Proposing
from tests.servers.forges.github import GitHubServer
from tests.team import DEPLOYMENT, MODEL_A, MODEL_B


class Site(Proposing):
    def killed(self, nth, moment, *arguments):
        """Run the command in a process of its own, whose git kills it at its `nth` push."""
        for told in self.folder.glob("**/receive-pack"):  # every push is by git, to be cut off
            told.write_text('{"capabilities": [], "until": 1e12}')
        pushes = self.folder / "pushes"
        pushes.unlink(missing_ok=True)
        kill = f'[ "$n" = {nth} ] && kill -9 $PPID'
        before = f"""n=0
        case "$*" in *push*--porcelain*) echo >> {pushes}; n=$(grep -c "" {pushes}); esac"""
        if moment == "before":
            before += f"\n{kill} && exit 9"
        wrap_git(self.folder / "bin", before, kill if moment == "after" else "")
        self.now += 1
        path = os.pathsep.join([str(self.folder / "bin"), *os.get_exec_path()])
        done = subprocess.run(
            [sys.executable, "-m", "gitops_bridge", *arguments], cwd=self.folder,
            env=self.environ | {"PATH": path}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr

    def acting(self, action, **info):
        """The command for an action."""
        return (
            *("run", "--action", action, "--config", self.file(**info)),
            *("--private-config", self.team.config),
            *("--status-file", self.folder / "status.yaml"),
        )


@pytest.fixture
def site(tmp_path):
    """Other models are pushed, other settings are reviewed."""
    delivery = {"default": "pull-request", "replace": "push"}
    with Site(tmp_path, GitHubServer, protected=False, delivery=delivery) as site:
        site.serving()
        site.start(keyValueConfig={"replicas": "3"})
        yield site


@pytest.fixture
def queued(site):
    """Somebody has pushed to the branch of three replicas, so four wait for it."""
    site.push_to_branch("theirs", "1")
    assert "is proposed then" in site.start(keyValueConfig={"replicas": "4"}).message
    return site


def test_a_delivery_that_was_pushed_takes_along_what_is_queued(queued):
    site = queued
    replaced = site.acting("deployment_replace_model", modelId=MODEL_A, newModelId=MODEL_B)
    site.killed(1, "after", *replaced)
    assert site.on_main()["model"] == MODEL_B
    for _ in range(2):
        said = site.status().message
    assert f"Git wants model {MODEL_B}" in said
    assert "pull request" not in said
    assert (len(site.forge.pulls), site.forge.pulls[2].state) == (2, "closed")
    assert BRANCH in site.branches  # with somebody else's commit: not ours to delete
    assert site.phase() == "settled"


PUSHES = ["handed back", "proposed", "under review"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 1 + len(PUSHES)), ids=PUSHES)
def test_what_was_asked_last_takes_the_place_of_what_is_queued(queued, nth, moment):
    """The branch is handed back, and a newer action comes before anybody looks."""
    site = queued
    newest = {"modelId": MODEL_A, "keyValueConfig": {"replicas": "5"}}
    site.forge.delete_branch(BRANCH)
    site.killed(nth, moment, *site.acting("deployment_start", **newest))
    for _ in range(2):
        site.status()
    told = "4" if nth == 1 or (nth, moment) == (2, "before") else "5"
    assert f"Scale churn to {told} replicas" in newest_title(site)
    site.act("deployment_start", **newest)
    site.status()
    assert [pull.state for pull in site.forge.pulls.values()].count("open") == 1
    assert "Scale churn to 5 replicas" in newest_title(site)
    assert site.team.state()["review"]["head"] == site.branches[BRANCH]
    assert site.phase() != "building"


@pytest.mark.parametrize("nth", [1, 2], ids=["proposed", "under review"])
def test_what_was_rejected_and_is_asked_for_again(site, nth):
    site.forge.decline(2, comment="not yet")
    site.status()
    site.killed(nth, "after", "release", DEPLOYMENT, "--config", site.team.config)
    with suppress(RequestError):  # the one that was killed has released it
        site.release()
    assert "waiting for pull request 3" in site.status().message
    assert "Scale churn to 3 replicas" in newest_title(site)
    assert site.phase() == "in review"


def newest_title(site):
    return site.forge.pulls[max(site.forge.pulls)].title
