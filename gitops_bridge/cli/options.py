"""Options and openings that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from gitops_bridge import agent
from gitops_bridge.cli.output import show
from gitops_bridge.controller import Context, open_context
from gitops_bridge.controller.answers import review_said
from gitops_bridge.controller.proposals import Proposal
from gitops_bridge.controller.reviews import Review
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.git import Commit, Signature

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
        help="Whose decision it is; default: the bridge's author.",
    )


def signature(author: str | None, ctx: Context) -> Signature:
    """The person named on the command line. Raises ConfigError when it is no name and address."""
    if author is None:
        return ctx.author
    name, _, address = author.partition("<")
    email = address.removesuffix(">")
    if not name.strip() or not email or not author.endswith(">") or {"\n", "<"} & {*name, *email}:
        raise ConfigError(f"--author {author!r:.80} is not understood", hint="'Jane Doe <jane@…>'")
    return Signature(name.strip(), email.strip())


def report(result: Commit | Review | Proposal, output: str) -> None:
    """Say what was committed, or proposed, or what waits for its image."""
    if isinstance(result, Commit):
        subject = result.message.split("\n", 1)[0]
        data: dict[str, object] = {"commit": result.id, "message": result.message}
        text = f"committed {result.id[:12]}: {subject}"
    elif isinstance(result, Proposal):
        image = result.record.image if result.record else ""
        data = {"branch": result.branch, "image": image}
        text = f"{result.branch} waits for the image {image}"
    else:
        data = {"proposed": result.url, "said": list(result.said)}
        text = review_said(result)
    show(output, data, text)


def context(config_file: Path) -> Context:
    return open_context(agent.read_config(config_file), os.environ)
