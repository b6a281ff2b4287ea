"""`gitops-bridge history`: the rollouts of a deployment, told from Git alone."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import click

from gitops_bridge.cli import options
from gitops_bridge.controller import people
from gitops_bridge.desired.messages import clean, replicas


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

    Marked with * is what a person decided: a commit of theirs, or a rollback.
    """
    ctx = options.context(config_file)
    deployment = options.identified(ctx, deployment, environment)
    entries = list(people.history(ctx, deployment, environment))[:limit]
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


def _as_data(entry: people.Entry) -> dict[str, object]:
    return {
        "commit": entry.commit,
        "time": entry.time,
        "author": entry.author,
        "subject": entry.subject,
        "model": entry.record.model.id if entry.record else None,
        "by_the_bridge": entry.ours,
    }
