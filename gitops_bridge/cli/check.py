"""`gitops-bridge check`: render and verify every overlay of a checkout, for a team's own CI."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

from gitops_bridge import agent
from gitops_bridge.cli import EXIT_PROBLEM, options
from gitops_bridge.controller import checks
from gitops_bridge.controller.checkout import removals as removed_since
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
@click.option(
    "-c", "--config", "config_file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The configuration; default: gitops-bridge.yaml in FOLDER, where there is one.",
)  # fmt: skip
@options.output()
def check(
    folder: Path, against: str | None, removals: int, config_file: Path | None, output: str
) -> None:
    """Render and verify every overlay of the repository checked out in FOLDER.

    Each environment and each deployment is rendered as Argo CD would render it, and judged: what a
    rollout would refuse, what Argo CD would refuse by the AppProjects and ApplicationSets in
    argocd/, and what a reviewer relies on (privileges, service accounts, sidecars, secrets).

    Exits 1 when a problem is found. For pull requests of a GitOps repository:

    \b
      gitops-bridge check --against origin/main
    """
    if not (folder / "overlays").is_dir():
        raise RepositoryError(
            f"{folder} holds no overlays/", hint="run it at the top of a checkout, after init"
        )
    findings = []
    own = folder / checks.CONFIG
    config = agent.read_config(config_file or own) if config_file or own.is_file() else None
    kustomize = find(
        os.environ.get("PATH"),
        options=config.render.options if config else (),
        remote=bool(config and config.render.hosts),
    )
    for finding in checks.check(folder, kustomize, config):
        findings.append(finding)
        if output == "text":
            _show(finding)
    refused = removed_since(folder, against, removals) if against else None
    bad = [finding for finding in findings if finding.problems]
    if output == "json":
        found = [asdict(item) for item in findings]
        click.echo(json.dumps({"findings": found, "removals": refused}, indent=2))
    else:
        if refused:
            click.secho(f"✗ {refused}", fg="red")
        click.echo(f"{len(findings)} folders checked, {len(bad)} with problems")
    if bad or refused:
        sys.exit(EXIT_PROBLEM)


def _show(finding: checks.Finding) -> None:
    problems, warnings = finding.problems, finding.warnings
    mark, colour = ("✗", "red") if problems else ("!", "yellow") if warnings else ("✓", "green")
    click.secho(f"{mark} {finding.folder}", fg=colour)
    for problem in problems:
        click.echo(f"    {_printable(problem)}")
    for warning in warnings:
        click.echo(f"    warning: {_printable(warning)}")


def _printable(text: str) -> str:
    """Names of files need not be UTF-8."""
    return text.encode("utf-8", "replace").decode()
