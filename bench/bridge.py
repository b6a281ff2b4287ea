"""Ours, as a resident process has it: one Context whose mirror is warm, and actions for it.

"Render excluded" means that the kustomize processes are left out and nothing else: each measured
action is run dry beforehand, so that the renderer has remembered the very trees (by the hash of all
their files) that the action will hand to it. Reading, hashing, looking up and parsing still happen.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.world import Spot, World, environ
from gitops_bridge import agent
from gitops_bridge.actions import Outcome, Package, Status
from gitops_bridge.controller import Context, handle, open_context
from gitops_bridge.controller.reporting import plugin_start


def context(config: Path) -> Context:
    """Opened, mirrored, packed and with every environment's rendering remembered."""
    ctx = open_context(agent.read_config(config), environ(config.parent))
    plugin_start(ctx)
    ctx.repository.maintain()
    return ctx


def render_beforehand(ctx: Context, spots: Sequence[Spot], generation: int) -> None:
    """Remember what the actions on `spots` will render, before and after."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda spot: replace(ctx, spot, generation, dry_run=True), spots))


def replace(
    ctx: Context, spot: Spot, generation: int, *, dry_run: bool = False, unbuilt: bool = False
) -> Outcome:
    """The action as an agent sends it, with a model that was built for somebody before: one commit,
    as the peers make it. An `unbuilt` model brings its Job, on the branch `builds`."""
    request = spot.replacement(generation)
    if unbuilt and request.model:
        model = dataclasses.replace(request.model, package=Package(f"65e{request.model.id[3:]}"))
        request = dataclasses.replace(request, model=model)
    outcome = handle(ctx, request, dry_run=dry_run)
    if outcome.status is not Status.PASSING or not (dry_run or outcome.commit):
        raise RuntimeError(f"{spot}: {outcome}")
    return outcome


def timed(ctx: Context, spot: Spot, generation: int) -> float:
    began = time.perf_counter()
    replace(ctx, spot, generation)
    return time.perf_counter() - began


class Resident:
    """A context of its own on a copy of the world's repository."""

    def __init__(
        self, world: World, name: str, url_of: Callable[[Path], str], **actions: int
    ) -> None:
        self.world = world
        self.remote = world.remote(name)
        self.config = world.config(name, url_of(self.remote), **actions)
        self.ctx = context(self.config)

    def turn(self, turn: int) -> float:
        return timed(self.ctx, self.world.spot(turn), self.world.generation)

    def unbuilt_turn(self, turn: int) -> float:
        spot, generation = self.world.spot(turn), self.world.generation
        replace(self.ctx, spot, generation, dry_run=True, unbuilt=True)
        began = time.perf_counter()
        replace(self.ctx, spot, generation, unbuilt=True)
        return time.perf_counter() - began

    def ready(self, turns: int) -> Resident:
        """With the renderings of that many turns remembered."""
        spots = [self.world.spot(turn) for turn in range(turns + 1)]
        render_beforehand(self.ctx, spots, self.world.generation)
        return self
