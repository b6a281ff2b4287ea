"""The entry point for people, CI and the management agent: `gitops-bridge VERB`.

Each verb is a module of its own, imported when it is called, because an action is one short
process. Errors end here: message and hint on standard error, exit code by whose fault it was.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from gitops_bridge import __version__
from gitops_bridge.cli import output
from gitops_bridge.errors import BridgeError, ConfigError

EXIT_PROBLEM = 1  # what was asked for could not be done, or a check found problems
EXIT_USAGE = 2  # the command line or the configuration is wrong
EXIT_FAULT = 3  # a bug of ours
EXIT_STOPPED = 130  # Ctrl-C

SECTIONS = {
    "First steps": {
        "demo": "See actions become commits, on this machine alone",
        "init": "Set up a GitOps repository for models",
        "doctor": "Check what the first rollout will need",
        "help": "Show the documentation, page by page",
    },
    "Every day": {
        "list": "List all deployments, as Git has them",
        "status": "Show what is wanted, what runs and what fails",
        "wait": "Wait until a commit or a deployment serves",
        "history": "List the rollouts of a deployment",
        "report": "Write a page of all deployments and rollouts",
        "plan": "Show what an action would commit",
        "check": "Render and verify every overlay",
        "rollback": "Bring back an earlier model of a deployment",
        "hold": "Let nothing reach main until release",
        "release": "Let go ahead what is held, or was rejected",
        "reconcile": "Take rollouts that wait a step further",
    },
    "Run by DataRobot's management agent": {
        "run": "Carry out one action",
    },
    "Run by build Jobs": {
        "fetch-model": "Write the build context of a model",
        "append-model": "Append a model to the prediction server's image",
    },
}
"""The verbs in the order of use."""
VERBS = {name: text for section in SECTIONS.values() for name, text in section.items()}


class _Verbs(click.Group):
    """Lists the verbs without importing them; each of them takes -v and --color."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module = importlib.import_module(f"gitops_bridge.cli.{name.replace('-', '_')}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        known = {parameter.name for parameter in command.params}
        command.params += [item for item in _shared() if item.name not in known]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(name, VERBS, n=2)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"There is no verb {name!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, VERBS))
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in verbs.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Call the verb; what it raises becomes words, while the choice of colours still holds."""
        try:
            return super().invoke(ctx)
        except BridgeError as error:
            output.error(error, as_json=output.wants_json(sys.argv))
            ctx.exit(EXIT_USAGE if isinstance(error, ConfigError) else EXIT_PROBLEM)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if output.wants_json(sys.argv):
                output.document("Fault", f"{type(error).__name__}: {error}", _REPORT, retry=False)
            traceback.print_exc()
            click.secho(f"this is a fault of gitops-bridge; {_REPORT}", fg="red", err=True)
            ctx.exit(EXIT_FAULT)


_REPORT = "please report it, with the lines above"


def _shared() -> Sequence[click.Option]:
    """The options that every verb takes, before its name or after it."""
    return (
        click.Option(
            ["-v", "--verbose"], is_flag=True, expose_value=False, callback=_verbose,
            help="Log to standard error what is done, and how long it takes.",
        ),
        click.Option(
            ["--color"], type=click.Choice(["auto", "always", "never"]), expose_value=False,
            callback=_color, is_eager=True,
            help="When to use colours; by default on a terminal, unless NO_COLOR is set.",
        ),
    )  # fmt: skip


def _verbose(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        import logging

        from gitops_bridge.cli import progress

        ctx.meta["verbose"] = True
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(progress.Printable("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(handlers=[handler])
        logging.getLogger("gitops_bridge").setLevel(logging.DEBUG)


def _color(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None or ctx.parent is None:
        ctx.color = ctx.find_root().color = output.color(value, os.environ)


@click.command(
    cls=_Verbs,
    params=list(_shared()),
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nShell completion, here and in ~/.bashrc:\n  "
    'eval "$(_GITOPS_BRIDGE_COMPLETE=bash_source gitops-bridge)"',
)
@click.version_option(__version__, prog_name="gitops-bridge")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The GitOps bridge for DataRobot MLOps.

    Actions of the management agent become commits that Argo CD syncs: a rollout is reviewed in
    Git, and git revert rolls a model back.
    """
    if sys.stderr.isatty() and "verbose" not in ctx.meta:
        from gitops_bridge.cli import progress

        progress.show_on(sys.stderr)


def main() -> None:
    """Run the verb of the command line; what it raises becomes words and an exit code."""
    try:
        sys.exit(cli(prog_name="gitops-bridge", standalone_mode=False))
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(EXIT_STOPPED)
    except click.ClickException as error:
        output.usage(error, as_json=output.wants_json(sys.argv))
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:
        output.silence_broken_pipe(sys.stdout.fileno())
        sys.exit(EXIT_PROBLEM)
