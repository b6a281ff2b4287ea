"""`gitops-bridge run`: one action of the management agent, with the agent's own runner's flags.

So a prediction environment's `command:` can name us and nothing else need be installed. A status
file is written in every case, also for a bad command line, a configuration that cannot load and a
SIGTERM.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from gitops_bridge import agent
from gitops_bridge.actions import Action, Outcome
from gitops_bridge.cli import EXIT_PROBLEM
from gitops_bridge.errors import RequestError

_SHOWN = 4096  # characters of the status that --show-status prints
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class _StatusInAnyCase(click.Command):
    """A command line that cannot be parsed still gets the status file it asks for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            path = _value_of("--status-file", given)
            if path:
                action = _value_of("--action", given) or "run"
                outcome = agent.failure(RequestError(error.format_message()), action)
                _write(Path(path), outcome, action, started=time.monotonic())
            raise


@click.command(cls=_StatusInAnyCase)
@click.option("--config", type=Path, help="The action file the agent wrote.")
@click.option(
    "--action", metavar="NAME", help=f"One of {', '.join(item.value for item in Action)}."
)
@click.option("--status-file", type=Path, help="Where to write the status (YAML).")
@click.option(
    "--private-config", type=Path, envvar="GITOPS_BRIDGE_CONFIG", default="gitops-bridge.yaml",
    show_default=True, show_envvar=True, help="The configuration of gitops-bridge.",
)  # fmt: skip
@click.option("--show-status", is_flag=True, help="Print the status at the end.")
@click.option("--exit-codes", is_flag=True, help="Exit 0 passing, 1 failing, 2 warning, 3 unknown.")
@click.option("--dry-run", is_flag=True, help="Plan and prove, but commit nothing.")
@click.option(
    "--log-level", type=click.Choice(_LEVELS, case_sensitive=False), default="INFO",
    show_default=True, help="How much to log, on standard error.",
)  # fmt: skip
@click.option("--plugin", hidden=True, help="Accepted, so that the agent's command needs no edit.")
def run(
    config: Path | None,
    action: str | None,
    status_file: Path | None,
    private_config: Path,
    show_status: bool,
    exit_codes: bool,
    dry_run: bool,
    log_level: str,
    plugin: str | None,
) -> None:
    """Carry out one action of DataRobot's management agent.

    \b
    In mlops.bosun.conf.yaml:
      predictionEnvironments:
        - id: "<prediction environment id>"
          type: ExternalCommand
          platform: os
          command: gitops-bridge run --private-config /etc/gitops-bridge.yaml

    \b
    By hand, to see what an action file would do:
      gitops-bridge run --action deployment_start --config action.yaml \\
        --status-file status.yaml --show-status --dry-run

    The status file is written in every case; the exit code is 0 whatever it says, unless
    --exit-codes is given.
    """
    logging.basicConfig(
        level=log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    started = time.monotonic()
    outcome = agent.answer(
        action or "run", lambda: _handled(config, action, status_file, private_config, dry_run)
    )
    if status_file is not None:
        _write(status_file, outcome, action, started=started)
    if show_status and status_file is not None:
        click.echo(status_file.read_text(encoding="utf-8")[:_SHOWN])
    if None in (config, action, status_file):
        sys.exit(EXIT_PROBLEM)
    if exit_codes:
        sys.exit(agent.EXIT_CODES[outcome.status])


def _handled(
    config: Path | None,
    action: str | None,
    status_file: Path | None,
    private_config: Path,
    dry_run: bool,
) -> Outcome:
    if config is None or action is None or status_file is None:
        raise RequestError("--config, --action and --status-file are required")
    from gitops_bridge.controller import handle, open_context

    request = agent.read_request(action, config)
    ctx = open_context(agent.read_config(private_config), os.environ)
    return handle(ctx, request, dry_run=dry_run)


def _write(path: Path, outcome: Outcome, action: str | None, *, started: float) -> None:
    duration = time.monotonic() - started
    agent.write_status(path, agent.status(outcome, action, duration=duration, now=time.time()))


def _value_of(option: str, arguments: Sequence[str]) -> str | None:
    for index, argument in enumerate(arguments):
        if argument == option and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return None
