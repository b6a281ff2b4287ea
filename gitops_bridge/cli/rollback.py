"""`gitops-bridge rollback`: an earlier model of a deployment as a fresh commit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_bridge.cli import options
from gitops_bridge.cli.output import show

if TYPE_CHECKING:
    from gitops_bridge.controller.rollbacks import Way
    from gitops_bridge.desired.record import Record


@click.command()
@options.deployment()
@click.option(
    "--to", metavar="COMMIT",
    help="A commit of its history; by default the model that served before this one.",
)  # fmt: skip
@click.option(
    "--rebuild", is_flag=True,
    help="Commit nothing; have its image built again, when the registry has lost it.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show from which model to which, and stop.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask on a terminal.")
@options.environment()
@options.person()
@options.configuration()
@options.output()
def rollback(
    deployment: str,
    to: str | None,
    rebuild: bool,
    dry_run: bool,
    yes: bool,
    environment: str | None,
    author: str | None,
    config_file: Path,
    output: str,
) -> None:
    """Bring back an earlier model of DEPLOYMENT.

    The earlier model/ folder is written as a new commit, so nothing conflicts. It stays rolled
    back: the action it undoes is held when it comes again, a newer one goes ahead. A model that
    somebody has taken back is never brought back unless --to names it.

    \b
      gitops-bridge rollback churn --dry-run
      gitops-bridge rollback churn --to 4f1c2d9   (from gitops-bridge history churn)
    """
    from gitops_bridge.controller import verbs

    ctx = options.context(config_file)
    identifier = options.identified(ctx, deployment, environment)
    target = verbs.target(ctx, identifier, environment)
    if rebuild:
        path = verbs.rebuild(ctx, target, to)
        show(output, {"job": path}, f"{path} builds it")
        return
    way = verbs.way_back(ctx, target, to)
    if dry_run:
        show(output, _as_data(way), f"would roll back {_in_words(way, deployment)}")
        return
    if output == "text":
        click.echo(f"roll back {_in_words(way, deployment)}")
        if sys.stdin.isatty() and not yes:
            click.confirm("Go ahead?", abort=True)
    result = verbs.rollback(ctx, target, way.commit, options.signature(author, ctx))
    options.report(ctx, target, result, output)


def _in_words(way: Way, deployment: str) -> str:
    before, after = _model(way.before), _model(way.after)
    return f"{deployment} from {before} to {after}, as it was in {way.commit[:12]}"


def _model(record: Record | None) -> str:
    if record is None:
        return "no model"
    name = f" ({record.model.name})" if record.model.name else ""
    return f"model {record.model.id}{name}"


def _as_data(way: Way) -> dict[str, object]:
    return {
        "from": way.before.model.id if way.before else None,
        "to": way.after.model.id if way.after else None,
        "commit": way.commit,
    }
