"""Many processes at once, some killed at any point: nothing is lost, nothing is doubled."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.git_team import (
    bare,
    git,
    hook,
    open_repository,
    put,
    revert,
    show,
    subjects,
    wait_until,
)

SEEDS = [1]
WORKER = Path(__file__).with_name("git_crash.py")


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


def start(url, cache, name, count, programs=None):
    command = [sys.executable, str(WORKER), url, str(cache), name, str(count)]
    path = [str(programs)] if programs else []
    environment = {
        "PATH": os.pathsep.join([*path, *os.get_exec_path()]),
        "PYTHONPATH": str(WORKER.parent.parent),
    }
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(worker):
    out, err = worker.communicate(timeout=120)
    assert worker.returncode == 0, err.decode()
    return out.decode().split()


def assert_each_once(team, names, count):
    wanted = Counter(f"Count {name} {n}" for name in names for n in range(1, count + 1))
    assert Counter(subjects(team)) == wanted + Counter(["Begin"])
    for name in names:
        assert show(team, f"overlays/prod/{name}/record.yaml") == str(count)
        assert [line for line in subjects(team) if f" {name} " in line] == [
            f"Count {name} {n}" for n in range(count, 0, -1)
        ]
        assert_moved_with_it(team, name, count)
    assert Counter(subjects(team, "rollouts")) == wanted
    git(team, "fsck", "--strict")


def assert_moved_with_it(team, name, count):
    """The branch moved with the last delivery: to a commit after the one before, up to it."""
    made = {
        subject: commit
        for commit, subject in (
            line.split(" ", 1) for line in git(team, "log", "--format=%H %s", "main").splitlines()
        )
    }
    there = git(team, "rev-parse", f"refs/heads/gitops-bridge/prod/{name}")
    assert there != made[f"Count {name} {count}"]
    git(team, "merge-base", "--is-ancestor", there, made[f"Count {name} {count}"])
    before = made.get(f"Count {name} {count - 1}", made["Begin"])
    git(team, "merge-base", "--is-ancestor", before, there)


def test_many_processes_deliver_everything_once(url, team, tmp_path):
    names = [f"d{number}" for number in range(8)]
    workers = [start(url, tmp_path / "cache", name, 10) for name in names]
    for worker in workers:
        assert finish(worker) == [str(number) for number in range(1, 11)]
    assert_each_once(team, names, 10)


def test_machines_with_mirrors_of_their_own_deliver_everything_once(url, team, tmp_path):
    names = [f"d{number}" for number in range(3)]
    workers = [start(url, tmp_path / f"cache-{name}", name, 4) for name in names]
    for worker in workers:
        finish(worker)
    assert_each_once(team, names, 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_random_and_run_again(url, team, tmp_path, seed):
    """Half of the kills take the process alone, so that its git goes on as an orphan."""
    dice = random.Random(f"{seed} {url[:4]}")
    names, count, kills = [f"d{number}" for number in range(5)], 5, 12
    running = {name: start(url, tmp_path / "cache", name, count) for name in names}
    acknowledged = dict.fromkeys(names, 0)
    while running:
        name = dice.choice(sorted(running))
        worker = running[name]
        if kills and worker.poll() is None:
            time.sleep(dice.uniform(0.05, 0.5))
            if dice.random() < 0.5:
                kill_children(worker.pid)
            worker.kill()
            kills -= 1
        out, err = worker.communicate(timeout=120)
        lines = out.decode().split()
        acknowledged[name] = max([acknowledged[name], *map(int, lines)])
        assert worker.returncode in {0, -signal.SIGKILL}, err.decode()
        if worker.returncode == 0:
            del running[name]
        else:
            for done in range(1, acknowledged[name] + 1):  # what was acknowledged is there
                assert f"Count {name} {done}" in subjects(team)
            running[name] = start(url, tmp_path / "cache", name, count)
    assert_each_once(team, names, count)
    open_repository(url, tmp_path / "cache").deliver("main", put("last", b"1"))
    assert leftovers(tmp_path) == []


def kill_children(pid):
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(child), signal.SIGKILL)


def leftovers(tmp_path):
    """What is in the queue after a delivery, which sweeps away what the dead have left."""
    (folder,) = (tmp_path / "cache").iterdir()
    return [path for path in (folder / "queue").iterdir() if path.suffix != ".draft"]


@pytest.mark.parametrize(("when", "there"), [("pre-receive", False), ("post-receive", True)])
def test_killed_around_the_push(url, team, tmp_path, when, there):
    """The process dies while the server has not yet taken the push, or just has."""
    cache = tmp_path / "cache"
    open_repository(url, cache).fetch()
    kill_at(team, when, tmp_path, url, cache, 3)
    assert ("Count d0 1" in subjects(team)) == there
    finish(start(url, cache, "d0", 3))
    assert_each_once(team, ["d0"], 3)


def kill_at(team, when, tmp_path, url, cache, count):
    """Start a worker, and kill it from that hook of the server."""
    pid = tmp_path / "pid"
    hook(team, when, f"cat > /dev/null; kill -9 $(cat {pid}); {'exit 1' if 'pre' in when else ''}")
    worker = start(url, cache, "d0", count)
    pid.write_text(str(worker.pid))
    out, _ = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (-signal.SIGKILL, b"")
    wait_until(lambda: not (team / "refs/heads/main.lock").exists())
    (team / "hooks" / when).unlink()


def test_a_revert_between_a_crash_after_the_push_and_the_replay_stays(url, team, tmp_path):
    cache = tmp_path / "cache"
    open_repository(url, cache).fetch()
    kill_at(team, "post-receive", tmp_path, url, cache, 1)
    revert(team, "main", tmp_path / "ann")
    finish(start(url, cache, "d0", 1))
    assert subjects(team) == ['Revert "Count d0 1"', "Count d0 1", "Begin"]


def test_a_reader_during_all_this_sees_whole_commits(team, tmp_path):
    names = [f"d{number}" for number in range(3)]
    workers = [start(str(team), tmp_path / "cache", name, 5) for name in names]
    repository = open_repository(team, tmp_path / "cache")
    while any(worker.poll() is None for worker in workers):
        snapshot = repository.snapshot("main", fetch=False)
        found = snapshot.files("overlays") if snapshot.id("overlays") else {}
        listed = git(team, "ls-tree", "-r", "--name-only", snapshot.commit).splitlines()
        assert sorted(f"overlays/{name}" for name in found) == [
            name for name in listed if name.startswith("overlays/")
        ]
    for worker in workers:
        finish(worker)
    assert repository.deliver("main", put("last", b"1")).commit.parents
