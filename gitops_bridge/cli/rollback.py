"""`gitops-bridge rollback`: an earlier model of a deployment as a fresh commit."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gitops_bridge.cli import options


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
    from gitops_bridge.controller import verbs

    ctx = options.context(config_file)
    identifier = options.identified(ctx, deployment, environment)
    target = verbs.target(ctx, identifier, environment)
    if rebuild:
        path = verbs.rebuild(ctx, target, to)
        click.echo(json.dumps({"job": path}) if output == "json" else f"{path} builds it")
        return
    result = verbs.rollback(ctx, target, to, options.signature(author, ctx))
    options.report(ctx, target, result, output)
