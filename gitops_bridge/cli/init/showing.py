"""A Plan, the imported keys and the next steps to what `init` prints, for people and programs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence

import click

from gitops_bridge.cli.init.delivering import Written
from gitops_bridge.cli.init.proving import Effect
from gitops_bridge.scaffold.importing import Finding
from gitops_bridge.scaffold.plan import MANIFEST, Change, Plan

_FOLDERS = ("base/", "argocd/", ".gitops-bridge/")
_LONGEST = 100  # lines of one file's difference worth a screen


def imported(findings: Sequence[Finding]) -> None:
    """What became of each key; whatever has no place last, where it is seen."""
    order = {"placed": 0, "no place": 1, "unknown": 2}
    colours = {"placed": "green", "no place": "yellow", "unknown": "red"}
    for finding in sorted(findings, key=lambda finding: order[finding.verdict]):
        click.secho(f"{finding.verdict:8} ", fg=colours[finding.verdict], nl=False)
        click.echo(f" {finding.key} ({finding.source}): {finding.text}")


def plan(plan: Plan) -> None:
    """Each file of the plan, what changes in those that exist, and what stays as people have it."""
    for folder, count in _whole_folders(plan).items():
        click.echo(f"{click.style('+', fg='green')} {folder}/ ({count} files)")
    for change in plan.changes:
        if change.after is None:
            click.echo(f"{click.style('-', fg='red')} {change.path}")
        elif change.before is not None and change.path != MANIFEST:
            click.echo(f"{click.style('~', fg='yellow')} {change.path}")
            _difference(change)
        elif change.before is None and not change.path.startswith(_FOLDERS):
            click.echo(f"{click.style('+', fg='green')} {change.path}")
    for note in plan.notes:
        click.secho(f"= {note}", fg="yellow")
    for change in plan.skipped:
        click.secho(f"= {change.path} is yours and stays; ours would say:", fg="yellow")
        for line in _text(change.after).splitlines():
            click.echo(f"    {line}")
    for change in plan.kept:
        click.secho(f"! {change.path} {_why_kept(change)}; from yours to ours:", fg="yellow")
        _difference(change)


def _why_kept(change: Change) -> str:
    if change.before is None:
        return "was removed here and stays away"
    if change.path.startswith("overlays/"):
        return "is your team's own and stays, whatever was answered now"
    return "was edited here and stays"


def _whole_folders(plan: Plan) -> Mapping[str, int]:
    """How many new files each folder of the scaffold gets: nobody reads forty names."""
    new = [change.path for change in plan.changes if change.before is None]
    tops = [path.partition("/")[0] for path in new if path.startswith(_FOLDERS)]
    return {top: tops.count(top) for top in dict.fromkeys(tops)}


def _difference(change: Change) -> None:
    lines = list(
        difflib.unified_diff(
            _text(change.before).splitlines(), _text(change.after).splitlines(), n=2,
            lineterm="",
        )
    )[2:]  # fmt: skip
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines[:_LONGEST]:
        click.secho(f"    {line}", fg=colours.get(line[:1]))
    if len(lines) > _LONGEST:
        click.echo(f"    … {len(lines) - _LONGEST} more lines")


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")


def effect(effect: Effect) -> None:
    """What the plan does to running models."""
    if effect.changed:
        click.echo(
            f"{len(effect.changed)} of {effect.deployments} deployments render differently, "
            f"{len(effect.restarts)} restart"
        )


def steps(steps: Sequence[str]) -> None:
    if steps:
        click.echo("\nNext:")
    for number, step in enumerate(steps, 1):
        click.echo(f"{number:3}. {step}")


def delivered(done: Written, *, dry_run: bool, repository: str) -> None:
    if dry_run:
        click.echo("nothing was committed")
    for branch, commit in done.commits.items():
        what = f"commit {commit[:12]}" if commit else "nothing to do"
        click.echo(f"{branch} of {repository}: {what}")
    if done.pull_request:
        click.echo(f"proposed: {done.pull_request}")
    for text in done.words:
        click.secho(text, fg="yellow")


def _action(change: Change) -> str:
    if change.after is None:
        return "remove"
    return "create" if change.before is None else "update"


def as_json(
    plan: Plan,
    findings: Sequence[Finding],
    steps: Sequence[str],
    done: Written,
    effect: Effect,
) -> None:
    """One object with the same facts people get; `commits` is empty when nothing was pushed."""
    data = {
        "commits": dict(done.commits),
        "pull_request": done.pull_request,
        "said": list(done.words),
        "notes": list(plan.notes),
        "changes": [{"path": change.path, "action": _action(change)} for change in plan.changes],
        "deployments": {"changed": effect.changed, "restarts": effect.restarts},
        "kept": [change.path for change in plan.kept],
        "skipped": [change.path for change in plan.skipped],
        "imported": [
            {"source": item.source, "key": item.key, "verdict": item.verdict, "text": item.text}
            for item in findings
        ],
        "next": list(steps),
    }
    click.echo(json.dumps(data, indent=2))
