"""Options and openings that several verbs share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from gitops_bridge import agent
from gitops_bridge.cli.output import show
from gitops_bridge.controller import Context, open_context
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.git import Signature

if TYPE_CHECKING:
    from gitops_bridge.controller.loop import Result
    from gitops_bridge.controller.observing import Target

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def configuration() -> Decorator:
    return click.option(
        "-c",
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        envvar="GITOPS_BRIDGE_CONFIG",
        default="gitops-bridge.yaml",
        show_default=True,
        show_envvar=True,
        help="The configuration.",
    )


def output() -> Decorator:
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="For people, or for programs.",
    )


def environment() -> Decorator:
    return click.option(
        "-e", "--environment", metavar="NAME", shell_complete=_environments,
        help="Where the deployment is, when several environments have it.",
    )  # fmt: skip


def deployment(*, required: bool = True) -> Decorator:
    """The argument DEPLOYMENT; `identified` turns what was given into an id."""
    return click.argument("deployment", required=required, shell_complete=_deployments)


def identified(ctx: Context, deployment: str, environment: str | None) -> str:
    """The id of the deployment that was named on the command line, by id or name.

    Raises RequestError when the name is unknown or ambiguous.
    """
    from gitops_bridge.controller.deployments import identify

    return identify(ctx, deployment, environment)


def commit_or_id(ctx: Context, text: str, environment: str | None) -> str:
    """A commit as it is, or the id of the deployment that `text` names."""
    if re.fullmatch("[0-9a-f]{7,40}", text) and not re.fullmatch("[0-9a-f]{24}", text):
        return text
    return identified(ctx, text, environment)


def _environments(
    ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    try:
        config = agent.read_config(_config_file(ctx))
    except BridgeError:
        return []
    return [
        CompletionItem(item.name, help=item.id)
        for item in config.environments
        if item.name.startswith(incomplete)
    ]


def _deployments(
    ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names and ids as last fetched: completion does not ask the server."""
    from gitops_bridge.controller.deployments import deployments

    try:
        there = deployments(context(_config_file(ctx)), fetch=False)
    except BridgeError:
        return []
    named = [CompletionItem(item.name, help=f"{item.id} in {item.environment}") for item in there]
    ids = [CompletionItem(item.id, help=f"{item.name} in {item.environment}") for item in there]
    return [item for item in [*named, *ids] if item.value and item.value.startswith(incomplete)]


def _config_file(ctx: click.Context) -> Path:
    return Path(ctx.params.get("config_file") or "gitops-bridge.yaml")


def person() -> Decorator:
    return click.option(
        "--author",
        metavar="'NAME <EMAIL>'",
        envvar="GITOPS_BRIDGE_AUTHOR",
        help="Whose decision it is; by default yours, as git config has user.name and user.email.",
    )


def signature(author: str | None, ctx: Context) -> Signature:
    """The person named on the command line, else the one that git knows, else the bridge's author.
    Raises ConfigError when what was named is no name and address."""
    if author is None:
        from gitops_bridge.git.identity import configured

        return configured(os.environ) or ctx.author
    name, _, address = author.partition("<")
    email = address.removesuffix(">")
    if not name.strip() or not email or not author.endswith(">") or {"\n", "<"} & {*name, *email}:
        raise ConfigError(f"--author {author!r:.80} is not understood", hint="'Jane Doe <jane@…>'")
    return Signature(name.strip(), email.strip())


def report(ctx: Context, target: Target, result: Result, output: str) -> None:
    """Say what was committed or, without a commit, where the rollout stands."""
    from gitops_bridge.controller import views
    from gitops_bridge.rollout.answer import describe

    state, commit = result.state, result.commit
    told = describe(views.of_result(ctx, target, result)) or "done"
    data: dict[str, object] = {
        "phase": state.phase.value,
        "commit": commit.id if commit else None,
        "message": commit.message if commit else None,
        "proposed": state.review.url if state.review else None,
        "said": told,
    }
    subject = commit.message.split("\n", 1)[0] if commit else ""
    show(output, data, f"committed {commit.id[:12]}: {subject}" if commit else told)


def context(config_file: Path) -> Context:
    return open_context(agent.read_config(config_file), os.environ)
