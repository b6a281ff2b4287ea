"""Running programs: time limits, process groups, and an environment that is known."""

import subprocess
import sys
import time

import pytest

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git.program import execute, search_path


def test_what_it_prints_and_how_it_ends():
    answer = execute(
        ["sh", "-c", "cat; echo err >&2; exit 3"],
        environment=search_path(), timeout=20, given=b"in",
    )  # fmt: skip
    assert (answer.code, answer.out, answer.err) == (3, b"in", "err\n")


def test_a_timeout_ends_the_whole_group(tmp_path):
    script = f"(sleep 1; touch {tmp_path}/survived) & echo out; sleep 60"
    started = time.monotonic()
    answer = execute(["sh", "-c", script], environment=search_path(), timeout=0.3)
    assert answer.code is None
    assert answer.out == b"out\n"
    assert time.monotonic() - started < 30
    time.sleep(1.2)
    assert not (tmp_path / "survived").exists()


def test_a_program_that_is_not_installed_is_named():
    with pytest.raises(RepositoryError, match=r"'no-such-git' is not on PATH.*install"):
        execute(["no-such-git"], environment=search_path(), timeout=5)


def test_nothing_of_our_environment_is_handed_on(monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("SECRET", "canary")
    answer = execute(["env"], environment=search_path(), timeout=20)
    names = {line.partition("=")[0] for line in answer.out.decode().splitlines()}
    assert names <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_"}


def test_git_is_imported_without_pygit2():
    code = "import sys, gitops_bridge.git; sys.exit('pygit2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
