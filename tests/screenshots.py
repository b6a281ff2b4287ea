"""The pictures of docs/images, made by scripts/screenshots."""

from __future__ import annotations

from pathlib import Path

from gitops_bridge.desired.pull_request import compose
from tests.browser import screenshot
from tests.forge_page import page
from tests.subjects import full_subject

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def pull_request() -> None:
    text = compose(full_subject())
    path = IMAGES / "pull-request.png"
    screenshot(page(text.title, text.body), path, width=910, height=1840)


if __name__ == "__main__":
    pull_request()
