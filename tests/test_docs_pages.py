"""Every block of every page is run or parsed, as pasted into a terminal too; every link leads
somewhere; the site builds."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from markdown_it import MarkdownIt

from gitops_bridge.cli import VERBS, cli
from tests import pages
from tests.pages import DOCS, PAGES, TOP
from tests.terminal import on_a_terminal

BIN = Path(sys.executable).parent
OTHERS = [TOP / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
RUN_BY = {page for page in map(pages.predecessor, PAGES) if page}
HAS_ITS_OWN_TEST = ("registries/", "how-to/build-the-bridge-image", "seams", "benchmarks")
PROGRAMS = {"docker", "kubectl", "helm", "git", "python3", "pipx", "uv", "pip", "tar", "mkdir",
            "export", "echo", "for", "sha256sum", "make", ".ci/run",
            "~/.local/share/gitops-bridge/bin/pip", "fresh/bin/pip"}  # fmt: skip
STATIC = {"mermaid", "", "text", "jinja", "{toctree}", "dockerfile"}
SEEN = {
    "docs/how-to/day-two.md": (
        "held: Jane moved", "Replace model of churn in prod", "quarter-end freeze",
        "would roll back churn from model 65a000000000000000000021", "nothing to go back to",
        "1 deployments change, 0 restart", "with problems", "create namespace mlserve-stage",
        "nothing was committed",
    ),
    "docs/how-to/install.md": ("What next",),
    "docs/how-to/upgrade.md": ("nothing was committed",),
}  # fmt: skip


def checked(path):
    return not any(mark in pages.name(path) for mark in HAS_ITS_OWN_TEST)


def environment(folder):
    return {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}


CHECKED = [*filter(checked, PAGES)]
RUN = [path for path in CHECKED if pages.script(path) and path not in RUN_BY]


@pytest.mark.parametrize("path", RUN, ids=pages.name)
def test_the_blocks_run_without_a_terminal(path, tmp_path):
    done = subprocess.run(
        ["sh", "-euxc", pages.script(path)], cwd=tmp_path, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for told in SEEN.get(pages.name(path), ()):
        assert told in done.stdout, told


@pytest.mark.parametrize("path", RUN, ids=pages.name)
def test_the_blocks_run_when_they_are_pasted_into_a_terminal(path, tmp_path):
    """A question would swallow the lines that follow it."""
    shown = on_a_terminal(
        ["bash", "--norc", "--noprofile", "-i"], tmp_path, environment(tmp_path),
        typed=f"set -e\n{pages.script(path)}\nexit 0\n", timeout=120,
    )  # fmt: skip
    assert shown.code == 0, shown.out[-3000:]
    for told in SEEN.get(pages.name(path), ()):
        assert told in shown.out, told


@pytest.mark.parametrize("path", CHECKED, ids=pages.name)
def test_each_block_is_of_a_kind_that_is_looked_at(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in pages.blocks(path):
        if block.kind == "yaml":
            assert list(yaml.safe_load_all(block.text))
        elif block.kind == "json":
            json.loads(block.text)
        elif block.kind == "console":
            for command in commands(block.text):
                look_at(command)
        else:
            assert block.kind in {"sh test", *STATIC}, block.kind


def commands(text):
    """The commands behind the prompts, with their continuation lines."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        yield part.replace("\\\n", " ").strip()


def look_at(command):
    first, *arguments = shlex.split(command.partition("\n")[0].partition(" > ")[0], comments=True)
    if first != "gitops-bridge":
        assert first in PROGRAMS, first
        return
    words = [word for word in arguments if word != "..."]
    for file in (word for word in words if word.endswith(".yaml")):
        Path(file).touch()  # what a page says that a reader has
    verb = cli.get_command(click.Context(cli), words[0])
    assert verb is not None, words[0]
    verb.make_context(words[0], words[1:]).close()


@pytest.mark.parametrize("path", [*OTHERS, *PAGES], ids=pages.name)
def test_links_lead_somewhere(path):
    for target in pages.links(path):
        if re.match(r"https://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in pages.anchors(there), target


@pytest.mark.parametrize("path", [*OTHERS, *PAGES], ids=pages.name)
def test_a_verb_that_is_named_is_there(path):
    named = set(re.findall(r"`gitops-bridge ([a-z-]+)", path.read_text()))
    assert named <= set(VERBS)


@pytest.mark.parametrize("path", PAGES, ids=pages.name)
def test_a_page_begins_with_its_title_and_has_one(path):
    titles = re.findall(r"^# .+$", pages.prose(path), re.MULTILINE)
    assert len(titles) == 1
    assert MarkdownIt("commonmark").enable("table").render(path.read_text())


def test_every_page_is_in_the_navigation(site):
    order = [block.text for block in pages.blocks(DOCS / "index.md") if block.kind == "{toctree}"]
    assert len(order) >= 4
    for path in PAGES:
        assert (site / path.relative_to(DOCS).with_suffix(".html")).is_file()


def test_the_site_asks_nothing_of_other_servers(site):
    pattern = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(https?:)?//")
    for file in site.rglob("*.html"):
        assert not pattern.search(file.read_text()), file.name


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site; a page that is in no list, or a reference that leads nowhere, is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, folder],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder
