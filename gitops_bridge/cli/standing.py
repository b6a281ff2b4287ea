"""The standing controller as a process: looks, election, health, metrics and webhooks together."""

from __future__ import annotations

import logging
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from gitops_bridge.config import Environment
from gitops_bridge.controller import Context
from gitops_bridge.controller.secrets import secret
from gitops_bridge.controller.standing import Standing
from gitops_bridge.errors import BridgeError, ConfigError
from gitops_bridge.secret_text import Syntax
from gitops_bridge.serving import (
    Election,
    JsonFormatter,
    Look,
    LookPace,
    StandingLoop,
    log_look,
    stopped_by_signals,
)

if TYPE_CHECKING:
    from gitops_bridge.cluster import WatchingReader

log = logging.getLogger("gitops_bridge")
_RENEW = 5.0  # seconds between two renewals of the Lease


def run(
    ctx: Context,
    environments: Sequence[Environment],
    *,
    interval: float,
    listen: str | None,
    lease: str | None,
    json_logs: bool,
    from_datarobot: bool,
) -> None:
    """Look until a signal comes. Raises ConfigError for what cannot be set up."""
    _log_to_standard_error(json_logs)

    def news() -> None:
        if standing.follows:
            loop.ask()

    watches = _watches(ctx, environments, news)
    if watches:
        ctx = replace(ctx, cluster=lambda: watches)
    standing = Standing(ctx, environments, from_datarobot=from_datarobot)
    with ExitStack() as stack:
        election = stack.enter_context(_election(ctx, lease)) if lease else None
        leads: Callable[[], bool] = election.leads if election else lambda: True
        seen: list[Callable[[Look], None]] = [partial(log_look, log)]
        loop = StandingLoop(
            standing.look,
            pace=LookPace(interval=interval, longest=max(900.0, 2 * ctx.config.actions.budget)),
            clock=time.monotonic,
            chance=random.random,
            leads=leads,
            noted=partial(_noted, seen),
        )
        if watches:
            stack.enter_context(watches)
        if listen:
            seen.append(_listening(stack, ctx, loop, listen, leads))
        stack.enter_context(stopped_by_signals(loop.stop))
        loop.run()


def _watches(
    ctx: Context, environments: Sequence[Environment], news: Callable[[], None]
) -> WatchingReader | None:
    """The clusters, watched instead of listed at every look; they call `news` when they change."""
    if ctx.config.cluster is None:
        return None
    from gitops_bridge.cluster import WatchingReader

    return WatchingReader(ctx.config.cluster, environments, news)


def _noted(seen: Sequence[Callable[[Look], None]], look: Look) -> None:
    for note in seen:
        note(look)


def _log_to_standard_error(json_logs: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonFormatter() if json_logs else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _listening(
    stack: ExitStack, ctx: Context, loop: StandingLoop, listen: str, leads: Callable[[], bool]
) -> Callable[[Look], None]:
    """Serve health, metrics and webhooks; gives what counts looks."""
    try:
        from gitops_bridge.serving.metrics import Metrics
        from gitops_bridge.serving.server import Site, serving
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--listen needs the package {error.name}",
            hint="install gitops-bridge with the extra `controller`",
        ) from None
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise click.UsageError(f"--listen {listen!r} is not HOST:PORT, such as 0.0.0.0:8080")
    metrics = Metrics(now=time.time, leads=leads, queue=lambda: ctx.repository.queued)
    secrets = {sender: partial(_secret, ctx, sender) for sender in ctx.config.controller.webhooks}
    try:
        address = stack.enter_context(serving(Site(loop, metrics, secrets), host, int(port)))
    except OSError as error:
        raise ConfigError(
            f"--listen {listen}: {error.strerror or error}", hint="choose another port"
        ) from None
    log.info("listening on %s", address)
    return metrics.look


def _secret(ctx: Context, sender: str) -> str:
    whereabouts = ctx.config.controller.webhooks[sender]
    return secret(whereabouts, f"controller.webhooks.{sender}", os.environ, Syntax.PASSWORD) or ""


def _election(ctx: Context, lease: str) -> Election:
    namespace, _, name = lease.partition("/")
    settings, reader = ctx.config.cluster, ctx.cluster()
    if not namespace or not name:
        raise click.UsageError(f"--lease {lease!r} is not NAMESPACE/NAME")
    if settings is None or reader is None:
        raise ConfigError("--lease needs a cluster", hint="set cluster: in gitops-bridge.yaml")
    from gitops_bridge.cluster import Lease
    from gitops_bridge.cluster.listing import Patience

    identity = f"{socket.gethostname()}-{os.getpid()}"
    held = Lease(reader.connection(settings.access(None)), namespace, name, identity)
    patience = Patience(lambda: _RENEW)
    return Election(
        hold=lambda: held.hold(patience),
        held=lambda: held.held,
        release=lambda: held.release(patience),
        pause=_RENEW,
        won=lambda: log.info("%s leads", identity),
        failed=_told,
    )


def _told(error: BridgeError) -> None:
    log.warning("the Lease: %s", error)
