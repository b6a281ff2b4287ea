"""`gitops-bridge rollback`: an earlier model of a deployment as a fresh commit."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gitops_bridge.cli import options
from gitops_bridge.controller import people


@click.command()
@options.deployment()
@click.option("--to", metavar="COMMIT", help="A commit of its history; default: the model before.")
@click.option(
    "--rebuild", is_flag=True,
    help="Commit nothing; have its image built again, when the registry has lost it.",
)  # fmt: skip
@options.environment()
@options.person()
@options.configuration()
@options.output()
def rollback(
    deployment: str,
    to: str | None,
    rebuild: bool,
    environment: str | None,
    author: str | None,
    config_file: Path,
    output: str,
) -> None:
    """Bring back an earlier model of DEPLOYMENT.

    The earlier model/ folder is written as a new commit, so nothing conflicts. It stays rolled
    back: the action it undoes is held when it comes again, a newer one goes ahead.

    \b
      gitops-bridge rollback 65a000000000000000000010
      gitops-bridge rollback 65a000000000000000000010 --to 4f1c2d9   (from gitops-bridge history)
    """
    ctx = options.context(config_file)
    deployment = options.identified(ctx, deployment, environment)
    if rebuild:
        path = people.rebuild(ctx, deployment, environment, to)
        click.echo(json.dumps({"job": path}) if output == "json" else f"{path} builds it")
        return
    plan = people.rollback(ctx, deployment, environment, to, options.signature(author, ctx))
    options.report(people.carried_out(ctx, plan), output)
