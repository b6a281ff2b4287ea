"""The pictures of docs/images, made by scripts/screenshots."""

from __future__ import annotations

from pathlib import Path

from gitops_bridge.desired.pull_request import compose
from gitops_bridge.report import render
from tests.browser import screenshot
from tests.fleets import example
from tests.forge_page import page
from tests.subjects import full_subject

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def pull_request() -> None:
    text = compose(full_subject())
    path = IMAGES / "pull-request.png"
    screenshot(page(text.title, text.body), path, width=910, height=1840)


def report() -> None:
    """With the first deployment that is held, and its revert's diff, unfolded."""
    text = render(example())
    for closed in ('<details class="deployment" id="prod/65a000000000000000000001"',
                   "<details><summary>Changes of 2026-03-01"):  # fmt: skip
        text = text.replace(closed, closed.replace("<details", "<details open"), 1)
    screenshot(text, IMAGES / "report.png", width=1300, height=1160)


if __name__ == "__main__":
    pull_request()
    report()
