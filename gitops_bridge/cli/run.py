"""`gitops-bridge run`: one action of the management agent, with all flags of the agent's runner.

A prediction environment's `command:` can name it, and then nothing else need be installed. A status
file is written in every case, also for a bad command line, a configuration that cannot load and a
SIGTERM.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from gitops_bridge import agent, documents
from gitops_bridge.actions import Action, Outcome
from gitops_bridge.cli import EXIT_PROBLEM, sample
from gitops_bridge.errors import ConfigError, RequestError

_SHOWN = 4096  # characters of the status that --show-status prints
_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_PLUGIN = "gitops_bridge.bosun"
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
                outcome = agent.failure(RequestError(error.format_message()))
                _write(Path(path), outcome, action, started=time.monotonic())
            raise


def _listing(lines: Sequence[str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """A flag that prints lines and ends."""

    def show(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            click.echo("\n".join(lines))
            ctx.exit()

    return show


def _actions(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [item.value for item in Action if item.value.startswith(incomplete)]


@click.command(cls=_StatusInAnyCase)
@click.option("--config", type=Path, help="The action file that the agent wrote.")
@click.option(
    "--action", metavar="NAME", shell_complete=_actions,
    help="What to do; --list-actions lists the names.",
)  # fmt: skip
@click.option("--status-file", type=Path, help="Where to write the status (YAML).")
@click.option(
    "--private-config", type=Path, envvar="GITOPS_BRIDGE_CONFIG", default="gitops-bridge.yaml",
    show_default=True, show_envvar=True, help="The configuration of gitops-bridge.",
)  # fmt: skip
@click.option("--show-status", is_flag=True, help="Print the status at the end.")
@click.option("--exit-codes", is_flag=True, help="Exit 0 passing, 1 failing, 2 warning, 3 unknown.")
@click.option("--dry-run", is_flag=True, help="Plan and verify, but commit nothing.")
@click.option("--logfile", type=Path, help="Log to this file; by default to standard error.")
@click.option(
    "--log-level", type=click.Choice(_LEVELS, case_sensitive=False),
    help="How much to log; INFO by default, DEBUG with -v.",
)  # fmt: skip
@click.option(
    "--log-config", type=Path,
    help="A YAML file for Python's logging.config.dictConfig; instead of the two above.",
)  # fmt: skip
@click.option(
    "--gen-config", metavar="[FILE]", is_flag=False, flag_value="-",
    help="Write a sample action file for --action, to FILE or to standard output, and stop.",
)  # fmt: skip
@click.option(
    "--list-actions", is_flag=True, expose_value=False, is_eager=True,
    callback=_listing([item.value for item in Action]), help="List the actions, and stop.",
)  # fmt: skip
@click.option(
    "--list-plugins", is_flag=True, expose_value=False, is_eager=True,
    callback=_listing([_PLUGIN]), help="List the plugins, and stop.",
)  # fmt: skip
@click.option(
    "--plugin", expose_value=False, hidden=True,
    help="Accepted, so that the agent's command line needs no edit.",
)  # fmt: skip
@click.pass_context
def run(
    ctx: click.Context,
    config: Path | None,
    action: str | None,
    status_file: Path | None,
    private_config: Path,
    show_status: bool,
    exit_codes: bool,
    dry_run: bool,
    logfile: Path | None,
    log_level: str | None,
    log_config: Path | None,
    gen_config: str | None,
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
      gitops-bridge run --action deployment_start --gen-config action.yaml
      gitops-bridge run --action deployment_start --config action.yaml \\
        --status-file status.yaml --show-status --dry-run

    The status file is written in every case; the exit code is 0 whatever it says, unless
    --exit-codes is given.
    """
    if gen_config is not None:
        _write_sample(action, gen_config)
        return
    started = time.monotonic()
    upkeep: list[Callable[[], None]] = []

    def work() -> Outcome:
        level = log_level or ("DEBUG" if ctx.meta.get("verbose") else "INFO")
        _set_up_logging(level.upper(), logfile, log_config)
        return _handled(config, action, status_file, private_config, dry_run, upkeep)

    outcome = agent.answer(action or "run", work)
    if status_file is not None:
        _write(status_file, outcome, action, started=started)
    for due in upkeep:
        agent.upkeep(due)
    if show_status and status_file is not None:
        click.echo(status_file.read_text(encoding="utf-8")[:_SHOWN])
    if None in (config, action, status_file):
        sys.exit(EXIT_PROBLEM)
    if exit_codes:
        sys.exit(agent.EXIT_CODES[outcome.status])


def _set_up_logging(level: str, logfile: Path | None, log_config: Path | None) -> None:
    """Raises ConfigError when a file cannot be used; then the log goes to standard error."""
    try:
        if log_config is not None:
            _configure_logging(log_config)
        elif logfile is not None:
            logging.basicConfig(level=level, filename=logfile, encoding="utf-8", format=_FORMAT)
    except OSError as error:
        raise ConfigError(
            f"--logfile {logfile}: {error.strerror}", hint="name a file that can be written"
        ) from None
    finally:
        logging.basicConfig(level=level, stream=sys.stderr, format=_FORMAT)


def _configure_logging(file: Path) -> None:
    from logging import config

    agent.read_yaml(file, ConfigError, "--log-config")
    settings = documents.load(file.read_bytes())
    try:
        config.dictConfig({"disable_existing_loggers": False, **settings})
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        raise ConfigError(
            f"--log-config {file}: {error.__cause__ or error}",
            hint="the keys are those of Python's logging.config.dictConfig, `version: 1` first",
        ) from None


def _write_sample(action: str | None, path: str) -> None:
    names = [item.value for item in Action]
    if action not in names:
        raise click.UsageError(f"--gen-config needs --action, one of {', '.join(names)}")
    with click.open_file(path, "w", encoding="utf-8") as file:
        file.write(sample.text(Action(action)))


def _handled(
    config: Path | None,
    action: str | None,
    status_file: Path | None,
    private_config: Path,
    dry_run: bool,
    upkeep: list[Callable[[], None]],
) -> Outcome:
    """The action's outcome; what is to be done after it is answered goes to `upkeep`."""
    if config is None or action is None or status_file is None:
        raise RequestError("--config, --action and --status-file are required")
    from gitops_bridge.controller import handle, maintain, open_context

    request = agent.read_request(action, config)
    ctx = open_context(agent.read_config(private_config), os.environ)
    upkeep.append(lambda: maintain(ctx))
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
