"""The Dockerfile of our own image, as far as it can be checked without a container runtime."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from gitops_bridge import documents
from gitops_bridge.desired import build
from tests import building
from tests.servers.packages import dedicated_package

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/how-to/build-the-bridge-image.md").read_text()
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def values(instruction):
    return [line.split(None, 1)[1] for line in LINES if line.startswith(instruction + " ")]


def test_it_ends_as_a_user_without_rights():
    assert len(values("FROM")) == 2
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", values("USER")[-1])
    assert not any("sudo" in line or "chmod" in line for line in LINES)


def test_it_starts_the_command():
    assert values("ENTRYPOINT") == ['["gitops-bridge"]']


def test_the_last_stage_takes_the_installed_package_alone():
    last = LINES[max(index for index, line in enumerate(LINES) if line.startswith("FROM")) :]
    copies = [line for line in last if line.startswith(("COPY", "ADD"))]
    assert copies == ["COPY --from=build /opt/gitops-bridge /opt/gitops-bridge"]


def test_the_context_holds_what_the_package_is_built_from_and_little_else():
    project = (ROOT / "pyproject.toml").read_text()
    forced = re.search(r"force-include\]\n((?:\".*\n)+)", project)[1]
    needed = {
        "pyproject.toml",
        "image.lock",
        "gitops_bridge",
        *re.findall(r'^"([^"]+)"', forced, re.MULTILINE),
    }
    needed |= set(re.findall(r'^(?:path|license-files) = \[?"([^"]+)"', project, re.MULTILINE))
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert allowed == needed
    assert not any(fnmatch.fnmatch(name, "*token*") for name in allowed)


def test_every_dependency_of_the_image_is_locked_by_hash():
    entries = re.findall(
        r"^([a-z0-9.-]+)==(\S+).*((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)",
        (ROOT / "image.lock").read_text(), re.MULTILINE,
    )  # fmt: skip
    locked = {name.replace(".", "-"): version for name, version, _ in entries}
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)[1]
    wanted += "".join(
        re.findall(r"^(?:cluster|controller|github-app|gs|s3|requires) = .*", project, re.MULTILINE)
    )
    for name, bounds in re.findall(r'"([A-Za-z0-9._-]+)([<>=][^"]*)"', wanted):
        assert SpecifierSet(bounds).contains(locked[name.lower().replace(".", "-")]), name
    (install,) = [line for line in LINES if "image.lock" in line]
    assert "--require-hashes" in install
    assert "--no-deps --no-index" in install


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_s_command_runs(tmp_path):
    (script,) = blocks("sh test")
    (tmp_path / "churn.mlpkg").write_bytes(dedicated_package())
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "MODEL": str(tmp_path / "churn.mlpkg"),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'LABEL com.datarobot.ppsVersion="11.2.0"\n' in done.stdout


@pytest.mark.parametrize("line", "".join(blocks("console")).splitlines())
def test_what_the_page_does_not_run_needs_docker(line):
    """All the rest is Docker's own, what it goes on with, or what it prints."""
    assert line.startswith(("$ docker ", "    --", "registry.example.com/")), line


def test_the_page_s_kustomization_pins_the_image():
    digest = "sha256:" + "0" * 64
    (fragment,) = blocks("yaml")
    added = documents.load(fragment.replace("sha256:<digest>", digest))
    found = build.builder(building.rendered({**building.kustomization(["docker-config"]), **added}))
    assert found.bridge_image == f"registry.example.com/mlops/gitops-bridge:0.1.0@{digest}"
