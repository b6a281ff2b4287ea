"""What the documents say is what there is: commands run, keys and verbs complete, links lead."""

import os
import re
import subprocess
import sys
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from gitops_bridge import config
from gitops_bridge.cli import VERBS
from tests.team import TOP

DOCUMENTS = [*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")]
README = (TOP / "README.md").read_text()
REFERENCE = (TOP / "docs/reference.md").read_text()


def blocks(path: Path, mark: str) -> list[str]:
    return re.findall(rf"^```{mark}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def test_readme_runs_the_demo_first_and_the_tests_second():
    commands = blocks(TOP / "README.md", "sh")
    assert commands[0] == "scripts/demo\n"
    assert commands[2] == "scripts/test\n"
    assert len(README.splitlines()) < 100


def test_ci_calls_the_readme_s_test_command():
    assert "\nscripts/test\n" in (TOP / ".ci/run").read_text()


def test_the_commands_of_the_tutorial_and_of_day_two_run_as_written(tmp_path):
    pages = ("docs/tutorial.md", "docs/how-to/day-two.md")
    script = "set -eux\n" + "\n".join(
        block for page in pages for block in blocks(TOP / page, "sh test")
    )
    binaries = Path(sys.executable).parent
    finished = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    for told in (
        "held: Jane moved",
        "Release churn in prod",
        "Roll back churn in prod",
        "1 deployments change, 0 restart",
        "2 folders checked, 0 with problems",
        "stage: kubectl create namespace mlserve-stage",
        "nothing was committed",
    ):
        assert told in finished.stdout, told


def keys(kind: type, prefix: str) -> list[str]:
    """The dotted keys of a configuration class, optional sections included."""
    found = []
    hints = typing.get_type_hints(kind)
    for field in fields(kind):
        name = f"{prefix}{field.name}"
        sections = [
            item
            for item in (hints[field.name], *typing.get_args(hints[field.name]))
            if is_dataclass(item) and item not in (config.Secret, config.Delivery)
        ]
        if field.name == "environments":
            found += [key for key in keys(config.Environment, f"{name}.<id>.") if key[-3:] != ".id"]
        elif sections:
            found += keys(sections[0], f"{name}.")
        else:
            found.append(name)
    return found


@pytest.mark.parametrize("key", keys(config.Config, ""))
def test_every_configuration_key_is_in_the_reference(key):
    assert f"`{key}`" in REFERENCE


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_reference_and_explains_itself(verb):
    assert re.search(rf"^\| `{verb}[ `]", REFERENCE, re.MULTILINE)
    shown = subprocess.run(
        [sys.executable, "-m", "gitops_bridge", verb, "--help"], capture_output=True, text=True
    )
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) > 5


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_no_file_of_the_package_is_over_400_lines():
    long = {
        path.name: len(path.read_text().splitlines())
        for path in (TOP / "gitops_bridge").rglob("*.py")
        if len(path.read_text().splitlines()) > 400
    }
    assert not long


def test_the_project_speaks_of_itself_alone():
    tracked = subprocess.run(
        ["git", "-C", TOP, "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    words = [
        "/work/" + "main",
        "/tmp/" + "wt-",
        "design" + ".md",
        "pypi" + ".org",
        "npmjs" + ".com",
    ]
    for name in tracked:
        content = (TOP / name).read_bytes() if (TOP / name).is_file() else b""
        for word in words:
            assert word.encode() not in content, f"{name}: {word}"
