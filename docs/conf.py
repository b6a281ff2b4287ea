"""Sphinx: the pages of this folder to a site. `make site` builds it; nothing is fetched."""

from pathlib import Path

project = "gitops-bridge"
author = "the authors of gitops-bridge"
extensions = ["myst_parser"]
myst_enable_extensions = ["tasklist"]
myst_heading_anchors = 3
root_doc = "index"
html_theme = "furo"
html_title = "gitops-bridge"
suppress_warnings = ["misc.highlighting_failure"]
nitpicky = True


def _outside(app: object, docname: str, source: list[str]) -> None:
    """Links to files beside docs/ lead to the repository."""
    up = "../" * (docname.count("/") + 1)
    for file in ("CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md"):
        source[0] = source[0].replace(f"]({up}{file})", f"]({_REPOSITORY}{file})")


def setup(app: object) -> None:
    app.connect("source-read", _outside)  # type: ignore[attr-defined]


_PROJECT = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
_REPOSITORY = _PROJECT.split('Changelog = "', 1)[1].split("CHANGELOG.md", 1)[0]
