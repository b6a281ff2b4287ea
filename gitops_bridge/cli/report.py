"""`gitops-bridge report`: the fleet and its rollouts as one HTML page."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import click

from gitops_bridge.cli import options
from gitops_bridge.errors import ConfigError

_PAGE = "index.html"


@click.command()
@click.option(
    "--html", "folder", required=True, metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where index.html is written; the folder is made when it is missing.",
)  # fmt: skip
@options.environment()
@options.configuration()
@options.output()
def report(folder: Path, environment: str | None, config_file: Path, output: str) -> None:
    """Write a page that shows every deployment and what happened to it.

    One file without outside requests: open it from the disk, attach it, or serve it as it is. It
    shows where each rollout stands, who asked, proposed, merged, reverted or held what and when,
    and the diff of each rollout, all from Git.
    """
    from gitops_bridge.controller.timelines import timelines
    from gitops_bridge.report import render

    ctx = options.context(config_file)
    found = timelines(ctx, environment)
    path = folder / _PAGE
    _write(path, render(found))
    if output == "json":
        data = {"path": str(path), "commit": found.commit, "deployments": len(found.deployments)}
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(f"{path}: {len(found.deployments)} deployments at {found.commit[:12]}")


def _write(path: Path, page: str) -> None:
    """Whole or not at all, so that whoever serves the folder never serves half a page."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".report-", encoding="utf-8", delete=False
        ) as file:
            file.write(page)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise ConfigError(
            f"--html {path.parent}: {error.strerror or error}",
            hint="name a folder you may write to",
        ) from None
