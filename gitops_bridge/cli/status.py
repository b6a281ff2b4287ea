"""`gitops-bridge status`: what Git wants, what runs, what waits, fails or is held."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from gitops_bridge.cli import options, tables


@click.command()
@options.deployment(required=False)
@options.environment()
@click.option("--watch", is_flag=True, help="Show it again every few seconds, until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(min=1), default=5.0, show_default=True,
    help="Seconds between two looks of --watch.",
)  # fmt: skip
@options.configuration()
@options.output()
def status(
    deployment: str | None,
    environment: str | None,
    watch: bool,
    interval: float,
    config_file: Path,
    output: str,
) -> None:
    """Show DEPLOYMENT, by name or id, or all of them. Nothing is changed.

    Shown are the model that Git wants and the one that answers, the state as DataRobot is told, the
    phase of the rollout, its pull request, the last commit, and what holds or fails it. What runs
    is seen with `cluster:` in the configuration only.

    \b
      gitops-bridge status
      gitops-bridge status churn --watch
    """
    from gitops_bridge.controller import overview, verbs

    ctx = options.context(config_file)
    identifier = options.identified(ctx, deployment, environment) if deployment else None
    environments = verbs.environments(ctx, environment)
    while True:
        found = list(overview.lines(ctx, environments, identifier, cluster=True))
        if watch and output == "text":
            click.clear()
        if output == "json":
            click.echo(json.dumps([asdict(line) for line in found], indent=2))
        else:
            tables.statuses(found)
        if not watch:
            return
        time.sleep(interval)
