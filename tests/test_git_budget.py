"""Whatever hangs, a caller's time ends: git, the mirror's lock, a leader among others, upkeep.

Each would hang for ten minutes, the remote's own timeout, so that a test that is not bounded by
the caller's time does not end.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import Edit
from gitops_bridge.git.budget import Budget
from gitops_bridge.git.queue import Intent, submitted
from tests.git_team import (
    ME,
    bare,
    git,
    held,
    hook,
    open_repository,
    put,
    subjects,
    wait_until,
    wrap_git,
)
from tests.team import Team, action_file

LONG = 600.0


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


@pytest.fixture
def silent():
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/team.git"


def test_the_least_of_all_limits_counts():
    budget = Budget()
    assert budget.of_step(60) == 60
    with budget.limited(lambda: 30), budget.limited(lambda: 50):
        assert (budget.left(), budget.of_step(60), budget.of_step(20)) == (30, 30, 20)
        other = []
        thread = threading.Thread(target=lambda: other.append(budget.left()))
        thread.start(), thread.join()
        assert other == [float("inf")]
    with budget.limited(lambda: -5):
        assert budget.left() == 0
        assert budget.of_step(60) == 1, "enough to look at the mirror for an answer"
    assert budget.left() == float("inf")


def test_a_server_that_is_silent(silent, tmp_path):
    repository = open_repository(silent, tmp_path / "cache", timeout=LONG)
    with repository.limited(lambda: 0.2), pytest.raises(RepositoryError) as caught:
        repository.fetch()
    assert caught.value.retry


def test_a_push_that_hangs(url, team, tmp_path):
    repository = open_repository(url, tmp_path / "cache", timeout=LONG)
    repository.fetch()
    hook(team, "pre-receive", "sleep 600")
    with repository.limited(lambda: 0.2), pytest.raises(RepositoryError) as caught:
        repository.deliver("main", put("a", b"1"))
    assert caught.value.retry
    (team / "hooks" / "pre-receive").unlink()
    repository.deliver("main", put("a", b"1"))
    assert subjects(team) == ["Put a", "Begin"]


@pytest.mark.parametrize("work", ["fetch", "deliver"])
def test_a_mirror_that_another_process_holds(team, tmp_path, work):
    repository = open_repository(team, tmp_path / "cache", timeout=LONG)
    repository.fetch()
    works = {
        "fetch": repository.fetch,
        "deliver": lambda: repository.deliver("main", put("a", b"1")),
    }
    with held(tmp_path / "cache") as queue:
        with (
            repository.limited(lambda: 0.2),
            pytest.raises(RepositoryError, match="held") as caught,
        ):
            works[work]()
        assert caught.value.retry
        assert not queue.exists() or list(queue.iterdir()) == []
    works[work]()


def test_a_leader_whose_time_is_over_leaves_the_others_to_the_next(team, tmp_path):
    repository = open_repository(team, tmp_path / "cache", timeout=LONG)
    repository.fetch()
    hook(team, "pre-receive", "sleep 600")
    (folder,) = (tmp_path / "cache").iterdir()
    patient = Intent("main", Edit({"patient": b"1"}, {}, "Put patient", ME))
    until = time.monotonic() + 1
    with submitted(folder / "queue", patient) as ticket:
        with (
            repository.limited(lambda: until - time.monotonic()),
            pytest.raises(RepositoryError) as caught,
        ):
            repository.deliver("main", put("hurried", b"1"))
        assert caught.value.retry
        assert not ticket.answered()
        (team / "hooks" / "pre-receive").unlink()
        repository.deliver("main", put("next", b"1"))
        assert ticket.reply().commits == {"main": git(team, "rev-parse", "main~")}
    assert subjects(team) == ["Put next", "Put patient", "Begin"]


def test_a_git_that_is_out_of_time_leaves_no_process_behind(team, tmp_path, monkeypatch):
    repository = open_repository(team, tmp_path / "cache", timeout=LONG)
    repository.fetch()
    left = tmp_path / "pid"
    wrap_git(
        tmp_path / "bin", f'case "$*" in *" fetch "*) sleep 600 & echo $! > {left}; wait;; esac'
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with repository.limited(lambda: 0.2), pytest.raises(RepositoryError):
        repository.fetch()
    wait_until(lambda: not Path(f"/proc/{left.read_text().strip()}").exists()
               or "Z" in Path(f"/proc/{left.read_text().strip()}/stat").read_text())  # fmt: skip


def begin(team, action, programs=None):
    """`gitops-bridge run` in a process of its own, and the status file it is to write."""
    status = team.folder / "status.yaml"
    status.unlink(missing_ok=True)
    command = [
        sys.executable, "-m", "gitops_bridge", "run", "--action", action, "--status-file", status,
        "--config", action_file(team.folder),
    ]  # fmt: skip
    path = os.pathsep.join([*([str(programs)] if programs else []), os.environ["PATH"]])
    return subprocess.Popen(command, cwd=team.folder, env={**os.environ, "PATH": path}), status


def test_an_action_ends_within_its_budget(silent, tmp_path):
    team = Team(tmp_path)
    team.write_config(url=silent, timeout=600)
    with (team.folder / "gitops-bridge.yaml").open("a") as file:
        file.write("actions: {budget: 1}\n")
    process, status = begin(team, "deployment_start")
    assert process.wait(timeout=120) == 0
    found = yaml.safe_load(status.read_text())
    assert found["status"] == "failing"
    assert "timed out" in found["msg"]


def test_a_sigterm_during_upkeep_changes_no_answer(tmp_path):
    """The upkeep begins when the status file is there, and hangs."""
    team = Team(tmp_path)
    process, status = begin(team, "deployment_start")
    assert process.wait(timeout=120) == 0
    (mirror,) = (team.folder / "cache").glob("*/mirror.git")
    (mirror.parent / "news").write_text("." * 50)
    begun = tmp_path / "begun"
    wrap_git(tmp_path / "bin", f'case "$*" in *commit-graph*) touch {begun}; sleep 600;; esac')
    process, status = begin(team, "pe_status", tmp_path / "bin")
    wait_until(begun.exists, limit=60)
    answered = status.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    assert status.read_text() == answered
    assert yaml.safe_load(answered)["status"] in ("passing", "warning")


def test_upkeep_packs_refs_and_lets_the_graph_reach_to_what_was_pushed(team, tmp_path):
    for number in range(120):
        git(team, "update-ref", f"refs/heads/gitops-bridge/prod/d{number}", "main")
    repository = open_repository(team, tmp_path / "cache")
    repository.fetch()
    (mirror,) = (tmp_path / "cache").glob("*/mirror.git")
    for number in range(120):
        git(team, "update-ref", f"refs/heads/gitops-bridge/stage/d{number}", "main")
    repository.fetch()
    for number in range(20):
        repository.deliver("main", put("a", b"%d" % number))
    seen = repository.branches(fetch=False)
    loose = [path for path in (mirror / "refs").rglob("*") if path.is_file()]
    assert len(loose) > 100
    repository.maintain()
    assert [path for path in (mirror / "refs").rglob("*") if path.is_file()] == []
    assert repository.branches(fetch=False) == seen
    assert len(seen) == 241
    assert not (mirror.parent / "news").exists()
    head = repository.branch("main")
    assert "error" not in git(mirror, "commit-graph", "verify")
    assert len(repository.log(head, "a")) == 20
