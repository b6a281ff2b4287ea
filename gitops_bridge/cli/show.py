"""Files before and after to diffs as people read them in a terminal; `plan` prints them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from gitops_bridge.desired.effect import text_diff

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def file_diff(before: Mapping[str, bytes], after: Mapping[str, bytes], folder: str) -> list[str]:
    """A unified diff of the files of a folder, in the order of their names."""
    lines: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        old, new = _text(before.get(path)), _text(after.get(path))
        lines += text_diff(old, new, f"{folder}/{path}")
    return lines


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


def coloured(lines: Iterable[str]) -> None:
    for line in lines:
        heading = line.startswith(("+++", "---"))
        click.secho(line, fg=None if heading else _COLOURS.get(line[:1]), bold=heading)
