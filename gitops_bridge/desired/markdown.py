"""Text for people to Markdown that nothing in it can steer; `pull_request` writes with it.

What users wrote (names, comments) is quoted as code: no provider looks for markup, HTML, mentions,
references, links or table cells inside a code span or a fenced block.
https://github.github.com/gfm/#code-spans https://github.github.com/gfm/#fenced-code-blocks
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gitops_bridge.desired.messages import clean, inert

MISSING = "not available"
_LONGEST_WORD = 28
"""Characters that fit into one of three columns of a table on the pages of all providers."""
_DIGEST = re.compile(r"\S*sha256:([0-9a-f]{12})[0-9a-f]*")
_STANDING_IN = str.maketrans({"`": "'", "|": "¦"})


class Markdown(str):
    """Text that is markup on purpose: our own."""

    __slots__ = ()


def code(value: object, limit: int = 200) -> Markdown:
    """`value` on one line in a code span; nothing at all is said to be missing.

    A backtick would end the span and a pipe a table's cell, so they are shown as their likes; the
    exact text stands in the machine-readable block.
    """
    text = clean("" if value is None else str(value), limit).translate(_STANDING_IN)
    return Markdown(f"`{text}`") if text else Markdown(MISSING)


def short(value: str) -> str:
    """`value` for a table's cell: a digest by its first twelve digits, without what stands before
    it; of any other long word its end, which is what tells tags and paths apart."""
    digests = _DIGEST.sub(r"sha256:\1…", value)
    return re.sub(
        rf"\S{{{_LONGEST_WORD + 1},}}", lambda word: "…" + word[0][1 - _LONGEST_WORD :], digests
    )


def fenced(text: str, language: str = "") -> Markdown:
    """`text` as a code block, behind a fence longer than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = text.replace("\r", "\n").strip("\n")
    return Markdown(f"{fence}{language}\n{lines}\n{fence}")


def table(headings: Sequence[str], rows: Iterable[Sequence[Markdown]]) -> Markdown:
    lines = [headings, ["---"] * len(headings), *rows]
    return Markdown("\n".join(f"| {' | '.join(cells)} |" for cells in lines))


def quiet(text: str, limit: int) -> str:
    """`text` for a title, which is no Markdown but does take references: mentions, issues and
    links are broken by a character without width. A squashed commit bears it as its subject."""
    return inert(text, limit).replace("`", "'")
