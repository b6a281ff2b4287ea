"""Diffs and manifests as people read them in a terminal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import click

from gitops_bridge import documents
from gitops_bridge.desired import proof

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def file_diff(before: Mapping[str, bytes], after: Mapping[str, bytes], folder: str) -> list[str]:
    """A unified diff of the files of a folder, in the order of their names."""
    lines: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        lines += _diff(before.get(path), after.get(path), f"{folder}/{path}")
    return lines


def manifest_diff(before: list[proof.Manifest], after: list[proof.Manifest]) -> list[str]:
    """A unified diff of rendered manifests, object by object."""
    old = {proof.name(item): documents.dump(item).encode() for item in before}
    new = {proof.name(item): documents.dump(item).encode() for item in after}
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        lines += _diff(old.get(name), new.get(name), name)
    return lines


def _diff(before: bytes | None, after: bytes | None, name: str) -> list[str]:
    if before == after:
        return []
    return list(
        difflib.unified_diff(
            _lines(before),
            _lines(after),
            "/dev/null" if before is None else f"a/{name}",
            "/dev/null" if after is None else f"b/{name}",
            lineterm="",
        )
    )


def _lines(content: bytes | None) -> list[str]:
    return [] if content is None else content.decode("utf-8", "replace").splitlines()


def coloured(lines: Iterable[str]) -> None:
    for line in lines:
        heading = line.startswith(("+++", "---"))
        click.secho(line, fg=None if heading else _COLOURS.get(line[:1]), bold=heading)
