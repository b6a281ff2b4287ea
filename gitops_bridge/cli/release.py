"""`gitops-bridge release`: DataRobot's last word delivered again, over what a person committed."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_bridge.cli import options
from gitops_bridge.controller import people, reconciling


@click.command()
@options.deployment()
@options.environment()
@options.configuration()
@options.output()
def release(deployment: str, environment: str | None, config_file: Path, output: str) -> None:
    """Lift the hold on DEPLOYMENT, or propose again what was rejected.

    When a person has reverted or edited what an action delivered, that action is held if it comes
    again. This puts the delivery back and ends the hold. A change whose pull request was closed is
    proposed once more. A rollout that waits for its image while a person changes the deployment is
    held too, and goes over that change once released.
    """
    ctx = options.context(config_file)
    deployment = options.identified(ctx, deployment, environment)
    waited = reconciling.release(ctx, deployment, environment)
    result = (waited.commit or waited.review or waited.proposal) if waited else None
    if result is not None:
        options.report(result, output)
        return
    plan = people.release(ctx, deployment, environment)
    options.report(people.carried_out(ctx, plan), output)
