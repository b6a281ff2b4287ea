"""`gitops-bridge history`: the rollouts of a deployment, told from Git alone."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_bridge.cli import options
from gitops_bridge.desired.messages import clean, replicas

if TYPE_CHECKING:
    from gitops_bridge.controller.history import Entry


@click.command()
@options.deployment()
@options.environment()
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Only the newest ones.")
@options.configuration()
@options.output()
def history(
    deployment: str, environment: str | None, limit: int | None, config_file: Path, output: str
) -> None:
    """Tell the rollouts of DEPLOYMENT, newest first: what, when, by whom.

    Shown are the commits that changed what it runs, and what was asked, built, proposed, rejected,
    held or released meanwhile. Marked with * is what a person decided.
    """
    from gitops_bridge.controller import history as story
    from gitops_bridge.controller import verbs

    ctx = options.context(config_file)
    identifier = options.identified(ctx, deployment, environment)
    entries = story.history(ctx, verbs.target(ctx, identifier, environment))[:limit]
    if output == "json":
        click.echo(json.dumps([_as_data(entry) for entry in entries], indent=2))
        return
    for entry in entries:
        when = datetime.fromtimestamp(entry.time, timezone.utc).strftime("%Y-%m-%d %H:%MZ")
        mark = " " if entry.ours else "*"
        click.secho(f"{entry.commit[:12]} ", fg="yellow", nl=False)
        click.echo(f"{when} {mark} {clean(entry.subject, 80)}")
        record = entry.record
        model = f"model {record.model.id}, {replicas(record.scale)}, " if record else ""
        click.echo(f"{'':13}{model}by {clean(entry.author, 30)}")
        if entry.reason:
            click.echo(f"{'':13}{clean(entry.reason, 200)}")
        if entry.url:
            click.echo(f"{'':13}{clean(entry.url, 200)}")


def _as_data(entry: Entry) -> dict[str, object]:
    return {
        "commit": entry.commit,
        "time": entry.time,
        "author": entry.author,
        "subject": entry.subject,
        "model": entry.record.model.id if entry.record else None,
        "by_the_bridge": entry.ours,
        "event": entry.event or None,
        "reason": entry.reason or None,
        "pull_request": entry.url or None,
    }
