"""`gitops-bridge wait`: until a commit, or a deployment, serves."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from gitops_bridge.cli import EXIT_PROBLEM, options

EXIT_TIMEOUT = 124  # as of timeout(1)
EXIT_SUPERSEDED = 4


@click.command()
@click.argument("what", metavar="COMMIT|DEPLOYMENT")
@options.environment()
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=600.0, show_default=True,
    help="Seconds after which to give up.",
)  # fmt: skip
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=5.0, show_default=True,
    help="Seconds between two looks.",
)  # fmt: skip
@options.configuration()
@options.output()
def wait(
    what: str,
    environment: str | None,
    timeout: float,
    interval: float,
    config_file: Path,
    output: str,
) -> None:
    """Return when COMMIT, or a later one with the same model/, serves.

    With a DEPLOYMENT, by name or id, the newest commit that changed its model is waited for. Needs
    `cluster:` in the configuration. Nothing is changed.

    \b
    Exit codes: 0 it serves; 1 it fails, with the reason; 4 main holds something else by now;
    124 the time was up.

    \b
      gitops-bridge wait "$(git rev-parse HEAD)" --timeout 300
    """
    from gitops_bridge.controller import waiting
    from gitops_bridge.controller.waiting import Fate

    ctx = options.context(config_file)
    until = time.monotonic() + timeout
    left = waiting.awaited(ctx, options.commit_or_id(ctx, what, environment), environment)
    while True:
        looks = [waiting.look(ctx, item, until) for item in left]
        bad = [look for look in looks if look.fate in (Fate.FAILS, Fate.SUPERSEDED)]
        left = [look.awaited for look in looks if look.fate is Fate.WAITS]
        is_late = time.monotonic() >= until
        if bad or not left or is_late:
            break
        time.sleep(min(interval, max(0.0, until - time.monotonic())))
    data = [
        {"deployment": look.awaited.deployment, "fate": look.fate.value, "said": look.said}
        for look in looks
    ]
    if output == "json":
        click.echo(json.dumps(data, indent=2))
    else:
        for look in looks:
            click.echo(f"{look.awaited.deployment} {look.fate.value}: {look.said}")
    if any(look.fate is Fate.FAILS for look in bad):
        sys.exit(EXIT_PROBLEM)
    if bad:
        sys.exit(EXIT_SUPERSEDED)
    if left:
        sys.exit(EXIT_TIMEOUT)
