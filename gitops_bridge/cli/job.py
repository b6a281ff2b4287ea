"""What the commands of a build Job share: exit codes that tell whether another attempt may help."""

from __future__ import annotations

import sys

import click

from gitops_bridge.errors import BridgeError, ConfigError, RequestError

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL = 64, 65, 66, 75
"""sysexits.h; the Job's podFailurePolicy fails at once on the first three."""
_MISSING = frozenset({401, 403, 404, 410})


class JobCommand(click.Command):
    """Exits 64 on wrong usage, whoever called it: the Job must not try that again."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.show()
            sys.exit(EX_USAGE)


def exit_code(error: BridgeError) -> int:
    """What tells the Job whether to try again."""
    if error.retry:
        return EX_TEMPFAIL
    if error.status in _MISSING:
        return EX_NOINPUT
    return EX_USAGE if isinstance(error, (RequestError, ConfigError)) else EX_DATAERR
