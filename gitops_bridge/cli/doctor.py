"""`gitops-bridge doctor`: what the first rollout will need, line by line, with what to do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from gitops_bridge import agent
from gitops_bridge.cli import EXIT_PROBLEM, options
from gitops_bridge.controller import open_context
from gitops_bridge.controller.doctor import Finding, examine
from gitops_bridge.errors import BridgeError

_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}


@click.command()
@options.configuration()
@options.output()
def doctor(config_file: Path, output: str) -> None:
    """Check, one by one and harmlessly, what the first rollout will need.

    Exits 1 when a line is red. A line with a question mark is about something that only a real
    rollout would tell. Where rollouts are proposed, a branch of ours is made and removed again.
    """
    findings = []
    for finding in _findings(config_file):
        findings.append(finding)
        if output == "text":
            _show(finding)
    red = sum(finding.ok is False for finding in findings)
    if output == "json":
        found = {"checks": [asdict(item) for item in findings], "ok": not red}
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(f"{len(findings)} checks, {red} red")
    if red:
        sys.exit(EXIT_PROBLEM)


def _findings(config_file: Path) -> Iterator[Finding]:
    try:
        ctx = open_context(agent.read_config(config_file), os.environ)
    except BridgeError as error:
        yield Finding("configuration", False, error.message, error.hint)
        return
    yield Finding("configuration", True, str(config_file))
    yield from examine(ctx)


def _show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.ok]
    click.secho(f"{mark} {finding.check}: {finding.said}", fg=colour)
    if finding.hint:
        click.echo(f"    hint: {finding.hint}")
