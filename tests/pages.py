"""The pages of the documentation as the tests see them: blocks, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
DOCS = TOP / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
_BLOCK = re.compile(r"^ *```(?P<kind>[^\n`]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_AFTER = re.compile(r"\A<!-- run after: (\S+) -->")


@dataclass(frozen=True)
class Block:
    kind: str
    text: str


def name(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def blocks(path: Path) -> list[Block]:
    return [Block(found["kind"], found["text"]) for found in _BLOCK.finditer(path.read_text())]


def prose(path: Path) -> str:
    """The page without its blocks, and without code between backquotes."""
    return re.sub(r"`[^`\n]+`", "", _BLOCK.sub("", path.read_text()))


def predecessor(path: Path) -> Path | None:
    """The page whose commands have to run before those of this one."""
    found = _AFTER.match(path.read_text())
    return DOCS / found[1] if found else None


def script(path: Path) -> str:
    """The commands that a reader has typed at the end of the page, in their order."""
    before = predecessor(path)
    own = "".join(block.text for block in blocks(path) if block.kind == "sh test")
    return (script(before) if before else "") + own


def links(path: Path) -> list[str]:
    """The targets of links and pictures."""
    text = _BLOCK.sub("", path.read_text())
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(path: Path) -> set[str]:
    """The headings of a page as their addresses on a forge."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", path.read_text()), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in plain}
