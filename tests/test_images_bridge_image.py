"""The Dockerfile of our own image, as far as it can be checked without a container runtime."""

import fnmatch
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
    needed = {"pyproject.toml", "gitops_bridge", *re.findall(r'^"([^"]+)"', forced, re.MULTILINE)}
    needed |= set(re.findall(r'^(?:readme|license-files) = \[?"([^"]+)"', project, re.MULTILINE))
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert allowed == needed
    assert not any(fnmatch.fnmatch(name, "*token*") for name in allowed)
