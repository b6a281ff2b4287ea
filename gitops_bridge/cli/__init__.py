"""The door for people, CI and the management agent: `gitops-bridge VERB`.

Each verb is a module of its own, imported when it is called, because an action is one short
process. Errors end here: message and cure on standard error, exit code by whose fault it was.
"""

from __future__ import annotations

import importlib
import sys
import traceback

import click

from gitops_bridge import __version__
from gitops_bridge.errors import BridgeError, ConfigError

EXIT_PROBLEM = 1  # what was asked for could not be done, or a check found problems
EXIT_USAGE = 2  # the command line or the configuration is wrong
EXIT_FAULT = 3  # a bug of ours

VERBS = {
    "append-model": "Put a model onto the prediction server in the registry; what a Job runs",
    "check": "Render and verify every overlay",
    "demo": "See actions become commits, on this machine alone",
    "doctor": "Check what the first rollout will need, and touch nothing",
    "fetch-model": "Write the build context of a model; what a Job runs",
    "history": "Tell the rollouts of a deployment from Git",
    "init": "Set up a GitOps repository for models",
    "plan": "Show what an action would commit, and touch nothing",
    "reconcile": "Deliver what waits for its image, clear away old builds",
    "release": "Deliver what a person's change holds back",
    "rollback": "Bring back an earlier model of a deployment",
    "run": "Carry out one action of the management agent",
}


class _Verbs(click.Group):
    """Lists the verbs without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module = importlib.import_module(f"gitops_bridge.cli.{name.replace('-', '_')}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(sorted(VERBS.items()))


@click.command(
    cls=_Verbs,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nShell completion, here and in ~/.bashrc:\n  "
    'eval "$(_GITOPS_BRIDGE_COMPLETE=bash_source gitops-bridge)"',
)
@click.version_option(__version__, prog_name="gitops-bridge")
def cli() -> None:
    """The GitOps bridge for DataRobot MLOps.

    Actions of the management agent become commits that Argo CD syncs: a rollout is reviewed in
    Git, and git revert rolls a model back.
    """


def main() -> None:
    """Run the verb of the command line; what it raises becomes words and an exit code."""
    try:
        cli(prog_name="gitops-bridge", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except BridgeError as error:
        tell(error)
        sys.exit(EXIT_USAGE if isinstance(error, ConfigError) else EXIT_PROBLEM)
    except BrokenPipeError:
        sys.exit(EXIT_PROBLEM)
    except Exception:
        traceback.print_exc()
        click.secho("this is a fault of gitops-bridge; please report it", fg="red", err=True)
        sys.exit(EXIT_FAULT)


def tell(error: BridgeError) -> None:
    """Print an error as people read it: what happened, then the cure."""
    click.secho(f"error: {error.message}", fg="red", err=True)
    if error.hint:
        click.echo(f"  cure: {error.hint}", err=True)
