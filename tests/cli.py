"""The command line, called as a person calls it, but in this process, which costs a third: what a
process of its own adds, the tests of the entry points show.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import yaml

from gitops_bridge import cli
from tests.team import Team, action_file


def called(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`gitops-bridge …` in `folder`, without a terminal."""
    command = ["gitops-bridge", *map(str, arguments)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        _in(folder),
        mock.patch.multiple(sys, argv=command, stdin=io.StringIO(), stdout=out, stderr=err),
        mock.patch.dict(os.environ, {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}),
    ):
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _in(folder: Path) -> Iterator[None]:
    """What a process would have for itself: where it is, and how it takes a SIGTERM."""
    here, handler = Path.cwd(), signal.getsignal(signal.SIGTERM)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        signal.signal(signal.SIGTERM, handler)


def bridge(team: Team, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`gitops-bridge …` with the team's configuration."""
    finished = called(team.folder, *arguments)
    assert not check or finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr, finished.stderr
    return finished


def as_json(team: Team, *arguments: object) -> object:
    return json.loads(bridge(team, *arguments, "--output", "json").stdout)


def act(team: Team, action: str, **info: object) -> dict:
    """One action of the agent; the status document it got back."""
    status = team.folder / "status.yaml"
    bridge(
        team, "run", "--action", action, "--config", action_file(team.folder, **info),
        "--status-file", status, "--log-level", "CRITICAL",
    )  # fmt: skip
    return yaml.safe_load(status.read_text())
