"""The command line as a whole: what every verb shares."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gitops_bridge.actions import Action
from gitops_bridge.cli import VERBS, sample
from gitops_bridge.cli.help import pages
from tests.cli import act, bridge, called
from tests.team import DEPLOYMENT, TOP, Team
from tests.terminal import on_a_terminal

COMMAND = Path(sys.executable).parent / "gitops-bridge"


def completed(folder, line):
    """What the function that `bash_source` prints is offered for a command line."""
    words = f"gitops-bridge {line}"
    told = subprocess.run(
        [COMMAND], capture_output=True, text=True, cwd=folder,
        env={"PATH": os.environ["PATH"], "_GITOPS_BRIDGE_COMPLETE": "bash_complete",
             "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)},
    ).stdout  # fmt: skip
    return [answer.partition(",")[2] for answer in told.split()]


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ro", ["rollback"]),
        ("run --dry", ["--dry-run"]),
        ("plan --output j", ["json"]),
        ("run --action deployment_s", ["deployment_start", "deployment_stop", "deployment_status"]),
    ],
)
def test_the_shell_completes_verbs_flags_and_actions(tmp_path, line, offered):
    assert completed(tmp_path, line) == offered


def test_the_shell_completes_deployments_and_environments(team):
    act(team, "deployment_start")
    assert completed(team.folder, "history ch") == ["churn"]
    assert completed(team.folder, "rollback 65a") == [DEPLOYMENT]
    assert completed(team.folder, "release churn -e p") == ["prod"]


def test_completion_without_a_configuration_offers_nothing(tmp_path):
    assert completed(tmp_path, "history 6") == []


def test_a_deployment_is_found_by_its_name(team):
    act(team, "deployment_start")
    by_name = bridge(team, "history", "churn").stdout
    assert by_name == bridge(team, "history", DEPLOYMENT).stdout
    assert "Start churn in prod" in by_name


def test_a_name_that_several_have_is_refused_with_their_ids(team):
    other = f"{DEPLOYMENT[:-1]}1"
    act(team, "deployment_start")
    act(team, "deployment_start", id=other)
    told = bridge(team, "history", "churn", check=False)
    assert told.returncode == 1
    assert f"use an id: {DEPLOYMENT} in prod, {other} in prod" in told.stderr


def test_a_name_that_is_misspelt_is_answered_with_the_nearest(team):
    act(team, "deployment_start")
    assert "did you mean churn?" in bridge(team, "history", "chrun", check=False).stderr


def test_verbs_come_in_the_order_of_use_and_those_of_jobs_last(tmp_path):
    shown = called(tmp_path, "--help").stdout
    positions = [shown.index(f"\n  {verb} ") for verb in VERBS]
    assert positions == sorted(positions)
    assert list(VERBS)[-2:] == ["fetch-model", "append-model"]


@pytest.mark.parametrize(("typed", "meant"), [("rolback", "rollback"), ("chek", "check")])
def test_a_misspelt_verb_is_answered_with_the_nearest(tmp_path, typed, meant):
    told = called(tmp_path, typed)
    assert told.returncode == 2
    assert f"There is no verb '{typed}'. Did you mean {meant}?" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("history", "churn"), 2, "ConfigError"),
        (("check", ".", "--against", "x"), 1, "RepositoryError"),
        (("check", "--no-such-flag"), 2, "UsageError"),
        (("plan",), 2, "UsageError"),
        (("no-such-verb",), 2, "UsageError"),
    ],
)
def test_errors_are_json_for_programs_and_words_for_people(tmp_path, arguments, code, kind):
    told = called(tmp_path, *arguments, "--output", "json")
    assert told.returncode == code
    error = json.loads(told.stdout)["error"]
    assert error["kind"] == kind
    assert error["message"] in told.stderr


def test_a_fault_of_ours_is_told_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr("gitops_bridge.controller.checks.check", None)
    (tmp_path / "overlays").mkdir()
    told = called(tmp_path, "check", "--output", "json")
    assert told.returncode == 3
    assert json.loads(told.stdout)["error"]["kind"] == "Fault"
    assert "please report it" in told.stderr


@pytest.mark.parametrize(
    ("before", "after", "environment", "coloured"),
    [
        ((), (), {}, True),
        ((), (), {"NO_COLOR": "1"}, False),
        ((), (), {"NO_COLOR": ""}, True),
        ((), (), {"TERM": "dumb"}, False),
        ((), ("--color", "never"), {}, False),
        (("--color", "never"), (), {}, False),
        (("--color", "always"), (), {"NO_COLOR": "1"}, True),
        (("--color", "always"), ("--color", "never"), {}, False),
    ],
)
def test_colours_on_a_terminal(tmp_path, before, after, environment, coloured):
    shown = on_a_terminal([COMMAND, *before, "doctor", *after], tmp_path, environment)
    assert ("\x1b[" in shown.out) is coloured


def test_errors_follow_the_choice_of_colours(tmp_path):
    plain = on_a_terminal([COMMAND, "history", "churn", "--color=never"], tmp_path)
    assert "error:" in plain.out
    assert "\x1b[" not in plain.out
    assert "\x1b[31merror:" in on_a_terminal([COMMAND, "history", "churn"], tmp_path).out


def test_a_long_wait_shows_what_is_waited_for_and_goes_away(team, tmp_path):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text('#!/bin/sh\ncase "$*" in *fetch*) sleep 3;; esac\nexec /usr/bin/git "$@"\n')
    slow.chmod(0o755)
    act(team, "deployment_start")
    path = {"PATH": f"{slow.parent}:{os.environ['PATH']}"}
    shown = on_a_terminal([COMMAND, "history", "churn"], team.folder, path)
    assert "git fetch" in shown.out
    assert "\x1b[K" in shown.out.partition("Start churn")[0].rpartition(" s)")[2]


def test_nothing_is_drawn_without_a_terminal(team):
    act(team, "deployment_start")
    assert "\x1b" not in bridge(team, "history", "churn").stderr


def test_verbose_tells_what_is_done_and_how_long_it_takes(team):
    act(team, "deployment_start")
    told = subprocess.run(
        [COMMAND, "history", "churn", "-v"], cwd=team.folder, capture_output=True, text=True
    )
    assert "git fetch" in told.stderr
    assert " s\n" in told.stderr
    assert "git fetch" not in told.stdout


class TestRun:
    """The flags of the agent's own runner."""

    def test_it_lists_actions_and_plugins(self, tmp_path):
        listed = called(tmp_path, "run", "--list-actions").stdout.split()
        assert listed == [action.value for action in Action]
        assert called(tmp_path, "run", "--list-plugins").stdout == "gitops_bridge.bosun\n"

    @pytest.mark.parametrize("action", [action.value for action in Action])
    def test_a_sample_action_file_can_be_run(self, team, action):
        act(team, "deployment_start")
        bridge(team, "run", "--action", action, "--gen-config", "sample.yaml")
        (team.folder / "package.json").write_text(json.dumps({"id": sample.PACKAGE}))
        bridge(team, "run", "--action", action, "--config", "sample.yaml", "--dry-run",
               "--status-file", "status.yaml", "--log-level", "CRITICAL")  # fmt: skip
        status = yaml.safe_load((team.folder / "status.yaml").read_text())
        supported = not action.startswith("endpoint")
        assert (status["status"] != "failing") is supported, status["msg"]

    def test_a_sample_needs_to_know_the_action(self, tmp_path):
        told = called(tmp_path, "run", "--gen-config")
        assert told.returncode == 2
        assert "deployment_start" in told.stderr

    def test_it_logs_to_a_file(self, tmp_path):
        told = self.failed(tmp_path, "--logfile", "bridge.log")
        assert told.stderr == ""
        assert "ERROR deployment_start: " in (tmp_path / "bridge.log").read_text()

    def test_it_logs_as_a_file_says(self, tmp_path):
        settings = {
            "version": 1,
            "handlers": {"file": {"class": "logging.FileHandler", "filename": "own.log"}},
            "root": {"handlers": ["file"], "level": "ERROR"},
        }
        (tmp_path / "logging.yaml").write_text(yaml.safe_dump(settings))
        self.failed(tmp_path, "--log-config", "logging.yaml")
        assert "deployment_start: " in (tmp_path / "own.log").read_text()

    @pytest.mark.parametrize(
        ("flag", "content"),
        [("--log-config", "{}"), ("--log-config", None), ("--logfile", None)],
    )
    def test_a_log_that_cannot_be_written_is_told_in_the_status(self, tmp_path, flag, content):
        file = tmp_path / "missing" / "log"
        if content is not None:
            file.parent.mkdir()
            file.write_text(content)
        self.failed(tmp_path, flag, str(file))
        assert f"{flag} {file}: " in (tmp_path / "status.yaml").read_text().replace("\n  ", " ")

    def failed(self, folder, *flags):
        """An action without a configuration, in a process of its own, as logging is set up once."""
        (folder / "action.yaml").write_text("{}")
        return subprocess.run(
            [COMMAND, "run", "--action", "deployment_start", "--config", "action.yaml",
             "--status-file", "status.yaml", *flags],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip


class TestHelp:
    def test_it_lists_the_pages_with_their_titles(self, tmp_path):
        listed = called(tmp_path, "help").stdout.splitlines()
        assert any(line.split() == ["reference", "Reference"] for line in listed)

    @pytest.mark.parametrize("name", ["tutorial", "docs/tutorial.md"])
    def test_it_shows_a_page(self, tmp_path, name):
        page = (TOP / "docs/tutorial.md").read_text()
        assert called(tmp_path, "help", name).stdout.rstrip() == page.rstrip()

    def test_it_shows_the_help_of_a_verb(self, tmp_path):
        shown = called(tmp_path, "help", "rollback").stdout
        assert shown.startswith("Usage: gitops-bridge rollback ")

    def test_a_misspelt_page_is_answered_with_the_nearest(self, tmp_path):
        told = called(tmp_path, "help", "refernce")
        assert told.returncode == 1
        assert "did you mean reference" in told.stderr

    def test_every_page_that_a_message_names_is_there(self):
        """Hints, generated files and manifests name pages that who installed the wheel has."""
        named = {
            (path.relative_to(TOP), page)
            for folder in ("gitops_bridge", "argocd", "base", "deploy")
            for path in (TOP / folder).rglob("*")
            if path.is_file() and path.suffix != ".pyc"
            for page in re.findall(
                r"gitops-bridge help ([a-z-]+(?:/[a-z-]+)?)\b", path.read_text(errors="replace")
            )
        }
        assert len(named) >= 5
        there = set(pages()) | set(VERBS)
        assert [item for item in named if item[1] not in there] == []

    def test_no_message_names_a_file_of_the_checkout(self):
        for path in (TOP / "gitops_bridge").rglob("*.py"):
            for line in path.read_text().splitlines():
                assert not re.search(r"""hint=.*\bdocs/[a-z/-]+\.md""", line), line
