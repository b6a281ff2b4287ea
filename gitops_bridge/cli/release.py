"""`gitops-bridge release`: what is held, was rejected or was undone goes ahead."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_bridge.cli import options


@click.command()
@options.deployment()
@options.environment()
@options.person()
@options.configuration()
@options.output()
def release(
    deployment: str, environment: str | None, author: str | None, config_file: Path, output: str
) -> None:
    """Lift the hold on DEPLOYMENT, or propose again what was rejected.

    When a person has reverted or edited what an action delivered, that action is held if it comes
    again. This delivers it once more, over the person's change. A change whose pull request was
    closed is proposed once more. A rollout that waits while a person changes the deployment is held
    too, and goes over that change once released.
    """
    from gitops_bridge.controller import verbs

    ctx = options.context(config_file)
    identifier = options.identified(ctx, deployment, environment)
    target = verbs.target(ctx, identifier, environment)
    result = verbs.release(ctx, target, options.signature(author, ctx))
    options.report(ctx, target, result, output)
