"""Results and errors to what a verb prints: words for people, JSON for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import click

from gitops_bridge.errors import BridgeError


def show(output: str, data: object, text: str) -> None:
    """Print `data` as JSON when `output` is "json", else `text`."""
    click.echo(json.dumps(data, indent=2) if output == "json" else text)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, also one that cannot be parsed."""
    for index, argument in enumerate(arguments):
        if argument in ("-ojson", "-o=json", "--output=json"):
            return True
        if argument in ("-o", "--output") and [*arguments[index + 1 : index + 2]] == ["json"]:
            return True
    return False


def error(problem: BridgeError, *, as_json: bool) -> None:
    """Tell people on standard error what happened and what to do about it. With `as_json` a
    program gets the same as {"error": {"kind", "message", "hint", "retry"}} on standard output."""
    if as_json:
        document(type(problem).__name__, problem.message, problem.hint, retry=problem.retry)
    click.secho(f"error: {problem.message}", fg="red", err=True)
    if problem.hint:
        click.echo(f"  hint: {problem.hint}", err=True)


def usage(problem: click.ClickException, *, as_json: bool) -> None:
    """As `error`, for a command line that cannot be parsed."""
    if as_json:
        document("UsageError", problem.format_message(), None, retry=False)
    problem.show()


def document(kind: str, message: str, hint: str | None, *, retry: bool) -> None:
    """Print an error as JSON on standard output."""
    found = {"kind": kind, "message": message, "hint": hint, "retry": retry}
    click.echo(json.dumps({"error": found}, indent=2))


def color(choice: str | None, environ: Mapping[str, str]) -> bool | None:
    """Whether to print colours; None: where the output is a terminal (https://no-color.org)."""
    if choice in ("always", "never"):
        return choice == "always"
    plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
    return False if choice is None and plain else None


def silence_broken_pipe(descriptor: int) -> None:
    """Let what is still buffered for a reader that has gone go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
