"""The command line, called as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.team import Team, action_file


def bridge(team: Team, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`gitops-bridge …` with the team's configuration."""
    finished = subprocess.run(
        [sys.executable, "-m", "gitops_bridge", *map(str, arguments)],
        cwd=team.folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert not check or finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr, finished.stderr
    return finished


def as_json(team: Team, *arguments: object) -> object:
    return json.loads(bridge(team, *arguments, "--output", "json").stdout)


def act(team: Team, action: str, **info: object) -> dict:
    """One action of the agent; the status document it got back."""
    import yaml

    status = team.folder / "status.yaml"
    bridge(
        team, "run", "--action", action, "--config", action_file(team.folder, **info),
        "--status-file", status, "--log-level", "CRITICAL",
    )  # fmt: skip
    return yaml.safe_load(status.read_text())
