"""`kill -9` around each push of a rollout's life, then the same call again: the same end."""

import os
import signal
import subprocess
import sys

import pytest

from tests.gated import PACKAGE_A, Gated
from tests.git_team import wrap_git

PUSHES = ["the request", "the delivery", "the stop"]


class Killed(Gated):
    """Actions are processes of their own; the git of one of them kills it at the `nth` push."""

    def arm(self, nth, moment):
        kill = f'[ "$n" = {nth} ] && kill -9 $PPID'
        before = f'case "$*" in *push*--porcelain*) echo >> {self.folder}/pushes; esac\n' \
                 f'n=$(grep -c "" {self.folder}/pushes 2>/dev/null); echo "$n" > /dev/null\n' \
                 f'case "$*" in *push*--porcelain*) ;; *) n=0;; esac\n'  # fmt: skip
        if moment == "before":
            before += f"{kill} && exit 9"
        wrap_git(self.folder / "bin", before, kill if moment == "after" else "")
        self.environ["PATH"] = os.pathsep.join([str(self.folder / "bin"), *os.get_exec_path()])

    def run(self, action, package=None):
        """How often the process was killed before the action was through."""
        file = self.file(package)
        command = [
            *(sys.executable, "-m", "gitops_bridge", "run", "--action", action, "--config", file),
            *("--private-config", self.config, "--status-file", self.folder / "status.yaml"),
        ]
        for deaths in range(3):
            done = subprocess.run(
                command, cwd=self.folder, capture_output=True, text=True, timeout=60,
                env=self.environ,
            )  # fmt: skip
            if done.returncode != -signal.SIGKILL:
                assert "Traceback" not in done.stderr, done.stderr
                return deaths
        raise AssertionError("killed again and again")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 1 + len(PUSHES)), ids=PUSHES)
def test_killed_around_a_push_and_run_again(tmp_path, host, nth, moment):
    team = Killed(tmp_path, host)
    team.configure(actions={"budget": 6})  # a busy machine needs a few
    team.arm(nth, moment)
    deaths = team.run("deployment_start", PACKAGE_A)
    assert team.log() == ["Set up"]
    assert len(team.jobs()) == 1
    digest = team.built()
    deaths += team.run("deployment_status")
    assert team.log() == ["Start churn in prod", "Set up"]
    assert team.record()["image"].endswith(f"@{digest}")
    assert team.refs() == ["builds", "main", "rollouts"]
    deaths += team.run("deployment_stop")
    assert deaths == 1
    assert team.log() == ["Stop churn in prod", "Start churn in prod", "Set up"]
    assert team.refs() == ["builds", "main", "rollouts"]
    assert len(team.jobs()) == 1
