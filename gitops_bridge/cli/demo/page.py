"""The Markdown of a pull request to lines for a terminal, folded parts closed as on a forge."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click

from gitops_bridge.cli.demo.stage import WIDTH

_END = "### Provenance"
_FOLDED = re.compile(r"<details><summary>(.*?)</summary>.*?</details>", re.DOTALL)


def lines(body: str) -> Iterator[str]:
    """What a reviewer sees first: everything down to the effect on the cluster."""
    seen = _FOLDED.sub(r"▸ \1", body.partition(_END)[0])
    plain = re.sub(r"[`*]", "", re.sub(r"\n{3,}", "\n\n", seen)).strip()
    for is_table, found in groupby(plain.splitlines(), lambda line: line.startswith("|")):
        for line in _table([*found]) if is_table else _wrapped(found):
            heading = line.startswith("### ")
            yield click.style(line.removeprefix("### "), bold=True) if heading else line


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from textwrap.wrap(line, WIDTH, break_on_hyphens=False) or [""]


def _table(rows: Sequence[str]) -> Iterator[str]:
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    kept = [row for row in cells if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    for row in kept:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
