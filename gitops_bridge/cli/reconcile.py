"""`gitops-bridge reconcile`: the next step of every rollout that waits, and clearing away."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gitops_bridge.cli import EXIT_PROBLEM, options
from gitops_bridge.controller import builds, reconciling


@click.command()
@options.deployment(required=False)
@options.environment()
@options.configuration()
@options.output()
def reconcile(
    deployment: str | None, environment: str | None, config_file: Path, output: str
) -> None:
    """Deliver what waits for its image, and remove the build Jobs that nothing needs.

    With DEPLOYMENT only that one is looked at and nothing is removed. A status action of the agent
    looks as well; run this from a timer where the agent asks seldom. Exits 1 when a build has
    failed or could not be looked at.
    """
    ctx = options.context(config_file)
    if deployment is not None:
        deployment = options.identified(ctx, deployment, environment)
    steps = list(reconciling.reconcile(ctx, deployment, environment))
    collected = builds.collect(ctx) if deployment is None else None
    ctx.repository.maintain()
    if output == "json":
        data = {"deployments": [vars(step) for step in steps],
                "collected": collected.id if collected else None}  # fmt: skip
        click.echo(json.dumps(data, indent=2))
    else:
        for step in steps:
            colour = "red" if step.is_problem else None
            click.secho(f"{step.environment}/{step.deployment}: {step.said}", fg=colour)
        if not steps:
            click.echo("nothing waits")
        if collected:
            click.echo(f"{collected.id[:12]}: {collected.message.splitlines()[0]}")
    if any(step.is_problem for step in steps):
        sys.exit(EXIT_PROBLEM)
