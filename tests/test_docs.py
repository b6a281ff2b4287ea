"""What the documents say is what there is: commands run, keys and verbs complete, links lead."""

import re
import subprocess
import sys
import typing
from dataclasses import fields, is_dataclass

import pytest

from gitops_bridge import config
from gitops_bridge.cli import VERBS
from tests import phases
from tests.pages import TOP, blocks

README = (TOP / "README.md").read_text()
REFERENCE = (TOP / "docs/reference.md").read_text()


def test_readme_runs_the_demo_first_and_the_tests_second():
    commands = [block.text for block in blocks(TOP / "README.md") if block.kind == "sh"]
    assert commands == ["scripts/demo\n", "scripts/test\n"]
    assert len(README.splitlines()) < 100


def test_ci_calls_the_readme_s_test_command():
    assert re.search(r"^[^#\n]*\bscripts/test\b", (TOP / ".ci/run").read_text(), re.MULTILINE)


def test_readme_clones_the_address_that_the_package_names():
    project = (TOP / "pyproject.toml").read_text()
    source = re.search(r'^Source = "(.+)"$', project, re.MULTILINE)[1]
    assert f"git clone {source}\n" in README
    home = re.search(r'^Homepage = "(.+)"$', project, re.MULTILINE)[1]
    assert f'replacement = "]({home}/' in project


SPELT = {"render.hosts": "render.remote.allow"}
"""Keys that are called otherwise in the file."""


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
    assert f"`{SPELT.get(key, key)}`" in REFERENCE


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_reference_and_explains_itself(verb):
    assert re.search(rf"^\| `{verb}[ `]", REFERENCE, re.MULTILINE)
    shown = subprocess.run(
        [sys.executable, "-m", "gitops_bridge", verb, "--help"], capture_output=True, text=True
    )
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) > 5


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


def test_the_page_about_phases_is_made_from_the_table():
    """Else: python -m tests.phases > docs/phases.md"""
    assert (TOP / "docs/phases.md").read_text() == phases.page()


def test_nothing_installs_a_name_that_no_index_is_known_to_have():
    """Until there is a release: a checkout, a wheel, or an image."""
    listed = subprocess.run(
        ["git", "-C", TOP, "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    by_name = re.compile(r"""(pip|pipx|tool) install (?!.*--no-index)[^\n]*[ '"]gitops-bridge""")
    for name in listed:
        path = TOP / name
        if name.startswith("tests/") or not path.is_file() or path.suffix == ".png":
            continue
        assert not by_name.search(path.read_text(errors="replace")), name
