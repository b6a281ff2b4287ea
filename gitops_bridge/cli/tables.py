"""Lines about deployments to tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from gitops_bridge.desired.messages import clean

if TYPE_CHECKING:
    from gitops_bridge.controller.overview import Line

_COLOURS = {"failing": "red", "warning": "yellow", "passing": "green"}


def listing(lines: Sequence[Line]) -> None:
    """One row each: name, model, phase, last rollout, who."""
    if not lines:
        click.echo("no deployments")
        return
    rows = [
        [
            line.environment, clean(line.name, 24) or "-", line.deployment, line.model or "-",
            line.phase, _when(line.time), clean(line.author or "", 20),
        ]
        for line in lines
    ]  # fmt: skip
    _print(["ENV", "NAME", "DEPLOYMENT", "MODEL", "PHASE", "LAST COMMIT", "BY"], rows)


def statuses(lines: Sequence[Line]) -> None:
    """A block for each: what is wanted, what runs, and what there is to say."""
    if not lines:
        click.echo("no deployments")
    for line in lines:
        name = clean(line.name, 40) or line.deployment
        colour = _COLOURS.get(line.status)
        click.secho(f"{line.environment}/{name}", bold=True, nl=False)
        click.secho(f"  {line.status}, {line.state}", fg=colour)
        _field("deployment", line.deployment)
        _field("wanted", _model(line.model, line.digest) or "nothing")
        _field("running", _model(line.running, line.runs))
        since = f", since {_when(line.since)}" if line.since else ""
        _field("rollout", f"{line.phase}{since}")
        _field("pull request", line.pull_request)
        if line.commit:
            by = clean(line.author or "", 40)
            _field("last commit", f"{line.commit[:12]} of {_when(line.time)} by {by}")
        _field("held by", clean(line.hold, 40) if line.hold else None)
        _field("", clean(line.said, 600) if line.said else None)


def _field(label: str, value: str | None) -> None:
    if value:
        click.echo(f"  {label:<13} {value}")


def _model(model: str | None, digest: str | None) -> str | None:
    if model is None and digest is None:
        return None
    short = f" ({digest[:19]}…)" if digest else ""
    return f"model {model or 'unknown'}{short}"


def _when(seconds: int | None) -> str:
    if not seconds:
        return "-"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%MZ")


def _print(heads: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(row[index]) for row in [heads, *rows]) for index in range(len(heads))]
    for number, row in enumerate([heads, *rows]):
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.secho(text.rstrip(), bold=number == 0)
