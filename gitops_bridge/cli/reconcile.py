"""`gitops-bridge reconcile`: the next steps of every rollout that waits, and clearing away."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gitops_bridge.cli import EXIT_PROBLEM, options


@click.command()
@options.deployment(required=False)
@options.environment()
@options.configuration()
@options.output()
def reconcile(
    deployment: str | None, environment: str | None, config_file: Path, output: str
) -> None:
    """Take every rollout that waits as far as it goes, and remove Jobs that nothing needs.

    With DEPLOYMENT only that one is looked at. A status action of the agent looks as well; run this
    from a timer where the agent asks seldom. Exits 1 when a build has failed or a rollout could not
    be looked at.
    """
    from gitops_bridge.controller import collecting, reconciling

    ctx = options.context(config_file)
    if deployment is not None:
        deployment = options.identified(ctx, deployment, environment)
    steps = list(reconciling.reconcile(ctx, deployment, environment))
    collected = collecting.collect(ctx)
    ctx.repository.maintain()
    if output == "json":
        data = {"deployments": [vars(step) for step in steps], "collected": collected}
        click.echo(json.dumps(data, indent=2))
    else:
        for step in steps:
            colour = "red" if step.is_problem else None
            click.secho(f"{step.environment}/{step.deployment}: {step.said}", fg=colour)
        if not steps:
            click.echo("nothing waits")
        if collected:
            click.echo(f"{collected[:12]}: removed Jobs that nothing needs")
    if any(step.is_problem for step in steps):
        sys.exit(EXIT_PROBLEM)
