"""Git read as a whole: every deployment with its model, and the history of one."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.bridge import Resident, context
from bench.harness import Bench, Line, at_least, at_most, reported, shown, take_turns
from bench.world import PER_ENVIRONMENT, Spot, environ
from gitops_bridge import agent
from gitops_bridge.actions import Outcome
from gitops_bridge.controller import Context, handle
from gitops_bridge.controller import history as bridge_history
from gitops_bridge.desired.record import Serving

_MODEL = re.compile(rb'^model: "?([^"\n]+)"?$', re.MULTILINE)


def listing(bench: Bench) -> Iterator[Line]:
    """All environments, one after the other, from a mirror that needs no fetch; and what the whole
    answers to deployment_list take, which the peer does not make."""
    here, rounds = bench.large, bench.rounds(12)
    ours = Resident(here, "list-ours", bench.url, status_age=3600)

    def first(_: int) -> float:
        ctx = context(ours.config)
        began = time.perf_counter()
        count = _listed(ctx)
        return _checked(time.perf_counter() - began, count, here.overlays)

    def again(_: int) -> float:
        began = time.perf_counter()
        count = _listed(ours.ctx)
        return _checked(time.perf_counter() - began, count, here.overlays)

    def peer(_: int) -> float:
        began = time.perf_counter()
        count = len(_by_git(here.base))
        return _checked(time.perf_counter() - began, count, here.overlays)

    def answered(_: int) -> float:
        began = time.perf_counter()
        count = sum(len(outcome.deployments or {}) for outcome in _answers(ours.ctx))
        return _checked(time.perf_counter() - began, count, here.overlays)

    _listed(ours.ctx)
    found = take_turns(rounds, first=first, again=again, answered=answered, peer=peer)
    what = f"{here.overlays} deployments with their models, first time, beside ls-tree + cat-file"
    yield at_most("list", what, 3, found["peer"], found["first"])
    yield at_least("list", "the same again, nothing changed", 20, found["peer"], found["again"])
    said = shown(found["answered"])
    yield reported("list", "  as whole answers to deployment_list, nothing changed", said)


def _listed(ctx: Context) -> int:
    """How many deployments have a model."""
    tree_reader = ctx.repository.tree_reader(ctx.config.repository.branch, fetch=False)
    found = (ctx.listing.serving(tree_reader, item.name) for item in ctx.config.environments)
    return sum(isinstance(one, Serving) for serving in found for one in serving.values())


def _answers(ctx: Context) -> Iterator[Outcome]:
    for number in range(len(ctx.config.environments)):
        document = Spot(number * PER_ENVIRONMENT).document(1)
        del document["deploymentInfo"]
        yield handle(ctx, agent.request("deployment_list", document))


def _checked(seconds: float, count: int, wanted: int) -> float:
    if count != wanted:
        raise RuntimeError(f"{count} deployments listed of {wanted}")
    return seconds


def _by_git(repository: Path) -> dict[str, str]:
    """Deployment -> model, as a script reads them with the git program."""
    git = ["git", f"--git-dir={repository}"]
    names = subprocess.run(
        [*git, "ls-tree", "-r", "main", "overlays/"],
        env=environ(repository), check=True, capture_output=True,
    ).stdout.splitlines()  # fmt: skip
    wanted = [line.split(b"\t") for line in names if line.endswith(b"/model/record.yaml")]
    ids = b"\n".join(head.split()[2] for head, _ in wanted)
    out = subprocess.run(
        [*git, "cat-file", "--batch"],
        input=ids, env=environ(repository), check=True, capture_output=True,
    ).stdout  # fmt: skip
    found, at = {}, 0
    for _, path in wanted:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        match = _MODEL.search(out, end, end + 1 + size)
        at = end + 2 + size
        if match:
            found[path.split(b"/")[2].decode()] = match[1].decode()
    return found


def history(bench: Bench) -> Iterator[Line]:
    """The mirror has its changed-path graph, the peer's clone none."""
    here, rounds = bench.large, bench.rounds(12)
    ours = Resident(here, "history-ours", bench.url)
    plain = here.remote("history-peer")
    fetches = []

    def mine(turn: int) -> float:
        began = time.perf_counter()
        ours.ctx.repository.fetch()
        fetches.append(time.perf_counter() - began)
        snapshot = ours.ctx.repository.snapshot("main", fetch=False)
        began = time.perf_counter()
        told = list(bridge_history.entries(ours.ctx, snapshot.commit, here.spot(turn).home))
        return _checked(time.perf_counter() - began, len(told), here.generation + 1)

    def peer(turn: int) -> None:
        subprocess.run(
            ["git", "-c", "core.commitGraph=false", "log", "main", "--", here.spot(turn).home],
            cwd=plain, env=environ(plain), check=True, capture_output=True,
        )  # fmt: skip

    found = take_turns(rounds, ours=mine, peer=peer)
    commits = here.overlays * (here.generation + 1)
    what = f"history of one deployment over {commits} commits, beside git log without a graph"
    yield at_least("history", what, 10, found["peer"], found["ours"])
    said = shown(sorted(fetches)[len(fetches) // 2])
    yield reported("history", "the fetch that goes before it", said)
