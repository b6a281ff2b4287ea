"""`gitops-bridge hold`: nothing goes ahead for a deployment until somebody releases it."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_bridge.cli import options


@click.command()
@options.deployment()
@click.option("-m", "--reason", default="", help="Why; shown wherever the hold is.")
@options.environment()
@options.person()
@options.configuration()
@options.output()
def hold(
    deployment: str,
    reason: str,
    environment: str | None,
    author: str | None,
    config_file: Path,
    output: str,
) -> None:
    """Let nothing reach main for DEPLOYMENT until `gitops-bridge release`.

    Requests that come meanwhile wait; the newest one goes ahead after the release. The hold is kept
    in Git and told to DataRobot.

    \b
      gitops-bridge hold 65a000000000000000000010 --reason "quarter-end freeze"
    """
    from gitops_bridge.controller import verbs

    ctx = options.context(config_file)
    identifier = options.identified(ctx, deployment, environment)
    target = verbs.target(ctx, identifier, environment)
    result = verbs.hold(ctx, target, options.signature(author, ctx), reason)
    options.report(ctx, target, result, output)
