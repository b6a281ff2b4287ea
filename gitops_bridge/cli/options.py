"""Options and openings that several verbs share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gitops_bridge import agent
from gitops_bridge.bridge import Workshop, open_workshop
from gitops_bridge.errors import ConfigError
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
        "-e", "--environment", metavar="NAME", help="Where it is, when several have it."
    )


def person() -> Decorator:
    return click.option(
        "--author",
        metavar="'NAME <EMAIL>'",
        envvar="GITOPS_BRIDGE_AUTHOR",
        help="Whose decision it is; default: the bridge's author.",
    )


def signature(author: str | None, shop: Workshop) -> Signature:
    """The person named on the command line. Raises ConfigError when it is no name and address."""
    if author is None:
        return shop.author
    name, _, address = author.partition("<")
    email = address.removesuffix(">")
    if not name.strip() or not email or not author.endswith(">") or {"\n", "<"} & {*name, *email}:
        raise ConfigError(f"--author {author!r:.80} is not understood", hint="'Jane Doe <jane@…>'")
    return Signature(name.strip(), email.strip())


def report(commit: Commit, output: str) -> None:
    """Say what was committed."""
    subject = commit.message.split("\n", 1)[0]
    if output == "json":
        click.echo(json.dumps({"commit": commit.id, "message": commit.message}, indent=2))
    else:
        click.echo(f"committed {commit.id[:12]}: {subject}")


def workshop(config_file: Path) -> Workshop:
    return open_workshop(agent.read_config(config_file), os.environ)
