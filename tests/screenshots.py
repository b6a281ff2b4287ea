"""The pictures of docs/images, made by scripts/screenshots."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from gitops_bridge.desired.pull_request import compose
from gitops_bridge.report import render
from tests import terminal_page
from tests.browser import screenshot
from tests.fleets import example
from tests.forge_page import page
from tests.subjects import full_subject
from tests.terminal import on_a_terminal

COMMAND = Path(sys.executable).parent / "gitops-bridge"
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


def demo() -> None:
    """The replacement, its pull request and the revert, as a terminal shows them."""
    with tempfile.TemporaryDirectory() as folder:
        printed = on_a_terminal([COMMAND, "demo"], Path(folder)).out
    start = printed.index("── DataRobot replaces the model")
    end = printed.index("── What happened, from Git alone")
    text = "\x1b[36m\x1b[1m" + printed[start:end].rpartition("\n")[0]
    height = 60 + 21 * text.count("\n")
    screenshot(terminal_page.page(text), IMAGES / "demo.png", width=770, height=height)


if __name__ == "__main__":
    demo()
    pull_request()
    report()
