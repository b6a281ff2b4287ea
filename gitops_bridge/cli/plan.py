"""`gitops-bridge plan`: what an action, or an edit of an environment's folder, would do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from gitops_bridge import agent
from gitops_bridge.actions import NEEDS_MODEL, Action
from gitops_bridge.cli import EXIT_PROBLEM, options, show
from gitops_bridge.controller import Context, acting, impact
from gitops_bridge.controller.planning import Planned
from gitops_bridge.desired.effect import capacity, manifest_diff
from gitops_bridge.errors import RequestError

_CHANGING = sorted(action.value for action in NEEDS_MODEL | {Action.DEPLOYMENT_STOP})


@click.command()
@click.argument("what", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--action", type=click.Choice(_CHANGING),
    help="What the action file asks for; guessed from the file when it is clear.",
)  # fmt: skip
@click.option(
    "--pull-request", "reviewed", is_flag=True,
    help="Show the title and text of the pull request that reviewers would get.",
)  # fmt: skip
@options.configuration()
@options.output()
def plan(what: Path, action: str | None, reviewed: bool, config_file: Path, output: str) -> None:
    """Print the commit an action would make, and touch nothing.

    WHAT is an action file of the management agent: shown are the commit message, the diff of the
    files and the diff of the rendered manifests. Or it is the folder of an environment in a
    checkout, edited: shown is which deployments the edit changes, and which restart.

    \b
      gitops-bridge plan --action deployment_start action.yaml
      gitops-bridge plan --pull-request action.yaml
      gitops-bridge plan overlays/prod/environment
    """
    ctx = options.context(config_file)
    if what.is_dir():
        _show_impact(ctx, what, output)
    else:
        _show_action(ctx, what, action, output, reviewed=reviewed)


def _show_action(
    ctx: Context, path: Path, action: str | None, output: str, *, reviewed: bool
) -> None:
    request = agent.read_request(action or _guessed(path), path)
    environment = ctx.config.environment(request.environment_id)
    preview = acting.preview(ctx, request, environment, reviewed=reviewed)
    planned = preview.planned
    if planned is None:
        data: dict[str, object] = {"change": None, "phase": preview.phase, "said": preview.said}
        _say(output, data, preview.said)
        return
    files = show.file_diff(preview.files, planned.files, planned.home)
    manifests = manifest_diff(planned.manifests_before, planned.manifests_after)
    if output == "json":
        click.echo(json.dumps(_as_data(planned, preview, files, manifests), indent=2))
        return
    if preview.pull_request:
        _section("Pull request", [preview.pull_request.title])
        click.echo(preview.pull_request.body)
        return
    pods = capacity(planned.manifests_before, planned.manifests_after)
    _section("What happens", [preview.said, *([pods] if pods else [])])
    _section("Commit message", planned.edit.message.splitlines())
    _section("Files", files)
    _section("Rendered manifests", manifests)


def _as_data(
    planned: Planned, preview: acting.Preview, files: list[str], manifests: list[str]
) -> dict[str, object]:
    return {
        "change": planned.rollout.change.value,
        "phase": preview.phase,
        "said": preview.said,
        "capacity": capacity(planned.manifests_before, planned.manifests_after),
        "message": planned.edit.message,
        "files": "\n".join(files),
        "manifests": "\n".join(manifests),
        "pull_request": asdict(preview.pull_request) if preview.pull_request else None,
    }


def _guessed(path: Path) -> str:
    """A file with a new model is a replacement; otherwise the file alone does not tell."""
    document = agent.read_yaml(path, RequestError, "action file")
    info = document.get("deploymentInfo") if isinstance(document, dict) else None
    if isinstance(info, dict) and info.get("newModelId"):
        return Action.DEPLOYMENT_REPLACE_MODEL.value
    raise RequestError(
        f"{path} does not say which action it is for",
        hint=f"--action, one of {', '.join(_CHANGING)}",
    )


def _show_impact(ctx: Context, edited: Path, output: str) -> None:
    environment = impact.environment_of(ctx, edited)
    found = list(impact.impacts(ctx, environment, edited))
    problems = sum(item.problem is not None for item in found)
    if output == "json":
        click.echo(json.dumps([vars(item) for item in found], indent=2))
    else:
        _show_impacts(found)
        restarting = sum(item.restarts for item in found)
        told = f"; {problems} with problems" if problems else ""
        click.echo(f"{len(found) - problems} deployments change, {restarting} restart{told}")
    if problems:
        sys.exit(EXIT_PROBLEM)


def _show_impacts(found: list[impact.Impact]) -> None:
    for item in found:
        verdict = item.problem or ("restarts" if item.restarts else "changes without a restart")
        click.secho(f"{item.folder}: {verdict}", fg="red" if item.problem else None)
        for name in item.changed:
            click.echo(f"    {name}")


def _section(title: str, lines: list[str]) -> None:
    click.secho(f"── {title} ".ljust(80, "─"), bold=True)
    show.coloured(lines)
    click.echo()


def _say(output: str, data: dict[str, object], text: str) -> None:
    click.echo(json.dumps(data, indent=2) if output == "json" else text)
