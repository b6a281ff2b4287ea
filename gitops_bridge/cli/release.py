"""`gitops-bridge release`: DataRobot's last word delivered again, over what a person committed."""

from __future__ import annotations

from pathlib import Path

import click

from gitops_bridge.bridge import people
from gitops_bridge.cli import options


@click.command()
@click.argument("deployment")
@options.environment()
@options.configuration()
@options.output()
def release(deployment: str, environment: str | None, config_file: Path, output: str) -> None:
    """Lift the hold on DEPLOYMENT.

    When a person has reverted or edited what an action delivered, that action is held if it comes
    again. This puts the delivery back and ends the hold.
    """
    shop = options.workshop(config_file)
    options.report(people.carried_out(shop, people.release(shop, deployment, environment)), output)
