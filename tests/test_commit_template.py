"""The team's pattern around every commit's message."""

import pytest

from gitops_bridge.config import load
from gitops_bridge.desired.commit_template import framed
from gitops_bridge.errors import ConfigError
from tests.cli import act
from tests.team import git

MESSAGE = "Replace model of churn in prod\n\n20 → 21.\n\nDataRobot-Model: 21\nImage: x@sha256:1\n"


def test_the_first_line_is_framed_and_trailers_stay_trailers(tmp_path):
    text = framed(MESSAGE, "[OPS-1] {subject}\n\nRequested by the management agent.\n")
    assert text == (
        "[OPS-1] Replace model of churn in prod\n\n20 → 21.\n\n"
        "Requested by the management agent.\n\nDataRobot-Model: 21\nImage: x@sha256:1\n"
    )
    assert framed(MESSAGE, None) == MESSAGE
    assert framed("Check\n", "{subject} (OPS-1)") == "Check (OPS-1)\n"
    assert framed("A\n\nNot a trailer: no.\n", "x {subject}") == "x A\n\nNot a trailer: no.\n"
    git(tmp_path, "init", "--quiet")
    (tmp_path / "message").write_text(text)
    parsed = git(tmp_path, "interpret-trailers", "--parse", "message")
    assert parsed == "DataRobot-Model: 21\nImage: x@sha256:1\n"


@pytest.mark.parametrize(
    "template", ["no subject", "{subject} {subject}", "x\n{subject}", "{subject}\t"]
)
def test_a_pattern_that_cannot_hold_is_refused(template):
    data = {
        "repository": {"url": "x"},
        "commit_message": template,
        "environments": {"65a000000000000000000001": {
            "name": "prod", "namespace": "n", "prediction_url": "https://x"}},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="commit_message"):
        load(data, "x")


def test_a_server_that_demands_a_pattern_takes_every_commit(team):
    hook = team.remote / "hooks/pre-receive"
    hook.write_text(
        "#!/bin/sh\nwhile read old new ref; do\n"
        'case "$old" in 0000*) range=$new;; *) range=$old..$new;; esac\n'
        'git log --format=%s "$range" -1 | grep -qv "^OPS-1 " && '
        '{ echo "subject must start with OPS-1"; exit 1; }\ndone\nexit 0\n'
    )
    hook.chmod(0o755)
    team.config.write_text(team.config.read_text() + "commit_message: 'OPS-1 {subject}'\n")
    assert act(team, "deployment_start")["status"] == "passing"
    assert act(team, "deployment_stop")["status"] == "passing"
    team.pull()
    assert git(team.clone, "log", "-1", "--format=%s").startswith("OPS-1 Stop")
