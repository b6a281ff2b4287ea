"""`gitops-bridge list`: all deployments, as Git has them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gitops_bridge.cli import options, tables

_FIELDS = ("environment", "deployment", "name", "model", "phase", "commit", "author", "time")


@click.command()
@options.environment()
@options.configuration()
@options.output()
def list(environment: str | None, config_file: Path, output: str) -> None:
    """List all deployments: name, model, phase, last rollout and whose it was.

    Told from Git alone, so it is fast; `gitops-bridge status` also shows what runs.
    """
    from gitops_bridge.controller import overview, verbs

    ctx = options.context(config_file)
    found = [*overview.lines(ctx, verbs.environments(ctx, environment), cluster=False)]
    if output == "json":
        data = [{name: getattr(line, name) for name in _FIELDS} for line in found]
        click.echo(json.dumps(data, indent=2))
        return
    tables.listing(found)
