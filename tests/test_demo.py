"""`gitops-bridge demo`: it plays to its end, with a terminal and without, and tells the truth."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_bridge.cli.demo.stage import WIDTH, prompt
from tests import terminal_page
from tests.browser import measured
from tests.servers import registry as registries
from tests.terminal import on_a_terminal

COMMAND = Path(sys.executable).parent / "gitops-bridge"
DEPLOYMENT = "65a000000000000000000010"


def demo(folder, *flags):
    finished = subprocess.run(
        [COMMAND, "demo", *flags], cwd=folder, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def log(folder, *arguments):
    return subprocess.run(
        ["git", "-C", folder / "kept/models.git", "log", *arguments],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo(folder, "--keep", "kept")


@pytest.fixture(scope="module")
def on_terminal(tmp_path_factory):
    return on_a_terminal([COMMAND, "demo"], tmp_path_factory.mktemp("terminal"))


def test_a_replaced_model_is_reverted_and_stays_reverted(played):
    folder, shown = played
    assert log(folder, "--format=%an: %s", "main")[:3] == [
        'Jane Doe: Revert "Replace model of churn in prod"',
        "gitops-bridge: Replace model of churn in prod",
        "gitops-bridge: Start churn in prod",
    ]
    replaced, reverted = shown.split("── A person takes it back")
    assert '+    bosun.datarobot.com/model: "65a000000000000000000021"' in replaced
    assert '+    bosun.datarobot.com/model: "65a000000000000000000020"' in reverted
    assert "held" in reverted.split("── DataRobot asks for the same again")[1]


def test_it_shows_the_pull_request_as_reviewers_see_it(played):
    _, shown = played
    seen = shown.split("gitops-bridge plan --pull-request")[1].split("Here nobody reviews")[0]
    champion, challenger = "65a000000000000000000020", "65a000000000000000000021"
    assert re.search(rf"^model id +{champion} +{challenger}$", seen, re.MULTILINE)
    assert "pods are replaced" in seen
    assert "▸ Rendered manifests, before and after" in seen
    assert not re.search(r"[|`*<>]", seen)


def test_it_ends_with_what_to_do_next(played):
    _, shown = played
    end = shown.split("── What next")[1]
    for command in ("gitops-bridge init", "gitops-bridge doctor", "gitops-bridge demo --keep"):
        assert command in end


def test_it_fits_80_columns(played):
    _, shown = played
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_every_command_it_shows_is_one_that_can_be_typed(played):
    folder, shown = played
    joined = re.sub(r" \\\n +", " ", shown)
    commands = re.findall(r"^\$ gitops-bridge (.*)", joined, re.MULTILINE)
    assert len(commands) == 6
    again = folder / "kept"
    typed = subprocess.run(
        [COMMAND, *shlex.split(commands[-1])], cwd=again, text=True, capture_output=True,
        env={"PATH": os.environ["PATH"], "HOME": str(again)},
    )  # fmt: skip
    assert typed.stdout in shown


def test_it_plays_on_a_terminal_without_a_question(on_terminal):
    assert on_terminal.code == 0, on_terminal.out
    assert "\x1b[36m" in on_terminal.out
    assert "What next" in on_terminal.out


def test_a_picture_of_it_is_80_columns_wide_and_every_line_is_whole(on_terminal):
    page = terminal_page.page(on_terminal.out)
    overflow = (
        "document.querySelector('pre').scrollWidth - document.querySelector('pre').clientWidth"
    )
    assert measured(page, overflow, width=1000) == 0
    colours = "new Set([...document.querySelectorAll('span')].map(e => e.style.color)).size"
    assert measured(page, colours, width=1000) >= 4


def test_colours_can_be_turned_off(tmp_path):
    shown = on_a_terminal([COMMAND, "demo", "--color", "never"], tmp_path)
    progress_line = terminal_page.PROGRESS
    assert "\x1b[" not in progress_line.sub("", shown.out)


def test_it_delivers_by_digest_when_it_is_given_a_registry(tmp_path):
    with registries.serve(tmp_path) as registry:
        shown = demo(tmp_path, "--registry", registry.host)
    told = [shown.index(text) for text in ("waits for its image", "Build 65a0", "delivered in")]
    assert told == sorted(told)
    assert re.search(r"\+  digest: \"sha256:[0-9a-f]{64}\"", shown)
    assert "held" in shown.split("── DataRobot asks for the same again")[1]


def test_a_command_is_wrapped_where_a_shell_allows_it_and_a_flag_keeps_its_value():
    long = ["git", "a b", "--flag", "v" * 50, "--other", "w" * 30, "-x", "--on"]
    shown = prompt(long)
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert shown.splitlines()[1].startswith("    --flag vvv") or "--flag vvv" in shown
    typed = subprocess.run(
        ["sh", "-c", "printf '%s\\n' " + shown.removeprefix("$ ")], capture_output=True, text=True
    ).stdout
    assert typed.splitlines() == long
