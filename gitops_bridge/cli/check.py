"""`gitops-bridge check`: render and verify every overlay of a checkout, for a team's own CI."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from gitops_bridge.cli import EXIT_PROBLEM, options
from gitops_bridge.controller import checks
from gitops_bridge.errors import RepositoryError
from gitops_bridge.kustomize import find


@click.command()
@click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default="."
)
@click.option(
    "--against", metavar="REVISION",
    help="Refuse to remove more deployments than --removals since this revision.",
)  # fmt: skip
@click.option(
    "--removals", type=click.IntRange(min=0), default=3, show_default=True,
    help="How many deployments may go at once; raise it when that is meant.",
)  # fmt: skip
@options.output()
def check(folder: Path, against: str | None, removals: int, output: str) -> None:
    """Render and verify every overlay of the repository checked out in FOLDER.

    Exits 1 when a problem is found. For pull requests of a GitOps repository:

    \b
      gitops-bridge check --against origin/main
    """
    if not (folder / "overlays").is_dir():
        raise RepositoryError(
            f"{folder} holds no overlays/", hint="run it at the top of a checkout, after init"
        )
    findings = []
    kustomize = find(os.environ.get("PATH"))
    for finding in checks.check(folder, kustomize):
        findings.append(finding)
        if output == "text":
            _show(finding)
    refused = checks.removals(folder, against, removals) if against else None
    bad = [finding for finding in findings if finding.problems]
    if output == "json":
        found = [{"folder": item.folder, "problems": item.problems} for item in findings]
        click.echo(json.dumps({"findings": found, "removals": refused}, indent=2))
    else:
        if refused:
            click.secho(f"✗ {refused}", fg="red")
        click.echo(f"{len(findings)} folders checked, {len(bad)} with problems")
    if bad or refused:
        sys.exit(EXIT_PROBLEM)


def _show(finding: checks.Finding) -> None:
    if not finding.problems:
        click.secho(f"✓ {finding.folder}", fg="green")
        return
    click.secho(f"✗ {finding.folder}", fg="red")
    for problem in finding.problems:
        click.echo(f"    {problem}")
