"""An action to a pushed commit in a resident process, beside the git program's ways."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from bench import peers, world
from bench.bridge import Resident, replace
from bench.harness import Bench, Line, at_least, at_most, reported, shown, take_turns
from bench.receiving import Received
from gitops_bridge.git import Edit, Signature

ROUNDS = 24
BENCH = Signature("Bench", "bench@example.com")


def deliver(bench: Bench) -> Iterator[Line]:
    """Beside a kept work tree, and over a local path for the curious."""
    here, rounds = bench.large, bench.rounds(ROUNDS)
    ours = Resident(here, "deliver-ours", bench.url).ready(rounds)
    theirs = here.remote("deliver-peer")
    kept = peers.WorkTree(bench.url(theirs), here.root / "deliver-tree")
    found = take_turns(
        rounds, ours=ours.turn, peer=lambda turn: kept.deliver(here.spot(turn), here.generation)
    )
    what = f"action -> pushed commit, resident, {here.overlays} overlays, beside a kept work tree"
    yield at_least("deliver", what, 4, found["peer"], found["ours"])
    found = take_turns(5, ours=Resident(here, "deliver-unbuilt", bench.url).unbuilt_turn)
    what = "the same with a model's Job on the branch builds, one push"
    yield reported("deliver", what, shown(found["ours"]))
    local = Resident(here, "deliver-local", str).ready(5)
    near = peers.WorkTree(str(here.remote("deliver-near")), here.root / "deliver-near-tree")
    found = take_turns(
        5, ours=local.turn, peer=lambda turn: near.deliver(here.spot(turn), here.generation)
    )
    said = f"{shown(found['ours'])} beside {shown(found['peer'])}"
    yield reported("deliver", "the same over a local path", said)


def push(bench: Bench) -> Iterator[Line]:
    """A commit on main and one on `rollouts` in one transaction, made and pushed: our own request
    beside `git push`."""
    here, rounds = bench.large, bench.rounds(ROUNDS)
    sides = {name: Resident(here, f"push-{name}", bench.url) for name in ("request", "git")}
    sides["git"].ctx.repository._mirror._receive_pack.leave_alone()

    def turn(name: str) -> Callable[[int], None]:
        repository = sides[name].ctx.repository

        def pushed(turn: int) -> None:
            path, text = f"{here.spot(turn).home}/bench", b"turn %d" % turn
            main = Edit({path: text}, {path: None}, "Deliver", BENCH)
            state = Edit({path: text}, {path: None}, "Say so", BENCH, prerequisites={"main": main})
            if repository.submit("rollouts", state) is None:
                raise RuntimeError("stale")

        return pushed

    found = take_turns(rounds, request=turn("request"), git=turn("git"))
    request, git = found["request"], found["git"]
    said = f"{git / request:.1f}x ({shown(request)} beside {shown(git)})"
    yield reported("push", "commits on two branches and one push, beside git push", said)


def prove(bench: Bench) -> Iterator[Line]:
    """Two renders each, nothing remembered but the environment's own two."""
    here, rounds = bench.large, bench.rounds(12)
    ours = Resident(here, "prove-ours", bench.url)
    theirs = here.remote("prove-peer")
    kept = peers.WorkTree(bench.url(theirs), here.root / "prove-tree")
    renderer = world.kustomize().command

    def peer(turn: int) -> None:
        spot = here.spot(turn)

        def render() -> None:
            subprocess.run([*renderer, spot.home], cwd=kept.tree, check=True, capture_output=True)

        kept.deliver(spot, here.generation, render)

    found = take_turns(rounds, ours=ours.turn, peer=peer)
    what = "the same, rendered before and after in both"
    yield at_least("prove", what, 2, found["peer"], found["ours"])


def clone(bench: Bench) -> Iterator[Line]:
    here, rounds = bench.large, bench.rounds(8)
    ours = Resident(here, "clone-ours", bench.url).ready(rounds)
    url, folder = bench.url(here.remote("clone-peer")), here.root / "clone-tree"
    found = take_turns(
        rounds,
        ours=ours.turn,
        peer=lambda turn: peers.clone_per_action(url, folder, here.spot(turn), here.generation),
    )
    what = "the same, beside a shallow clone per action"
    yield at_least("clone", what, 20, found["peer"], found["ours"])


def scale(bench: Bench) -> Iterator[Line]:
    """At many overlays beside few; in the small world models are replaced again and again."""
    rounds = bench.rounds(ROUNDS)
    many = Resident(bench.large, "scale-many", bench.url).ready(rounds)
    few = Resident(bench.small, "scale-few", bench.url)
    size = bench.small.overlays

    def turn_of_few(turn: int) -> float:
        spot, generation = bench.small.spot(turn % size), turn // size
        replace(few.ctx, spot, generation, dry_run=True)
        began = time.perf_counter()
        replace(few.ctx, spot, generation)
        return time.perf_counter() - began

    found = take_turns(rounds, many=many.turn, few=turn_of_few)
    what = f"the same at {bench.large.overlays} overlays beside {size}"
    yield at_most("scale", what, 1.5, found["few"], found["many"])
    yield from _of_the_server(bench, found, rounds)


def _of_the_server(bench: Bench, ours: Mapping[str, float], rounds: int) -> Iterator[Line]:
    """How much of it is the server's: what `git receive-pack` takes for such a commit by itself,
    most of it the check that nothing the new commit needs is missing."""
    there = {"many": bench.large, "few": bench.small}
    pushed = {name: Received(here) for name, here in there.items()}
    server = take_turns(rounds, **{name: item.turn for name, item in pushed.items()})
    rest = {name: ours[name] - server[name] for name in there}
    said = (
        f"{shown(server['many'])} beside {shown(server['few'])} are receive-pack's own; "
        f"the rest is {rest['many'] / rest['few']:.2f}x"
    )
    yield reported("scale", "  of which the server takes", said)


def batch(bench: Bench) -> Iterator[Line]:
    """A hundred actions wait while another holds the mirror; then one leads for all."""
    here = bench.large
    count = 25 if bench.quick else 100
    spots = [here.spot(number) for number in range(count)]
    kept = peers.WorkTree(bench.url(here.remote("batch-peer")), here.root / "batch-tree")
    ours = Resident(here, "batch-ours", bench.url).ready(count - 1)
    began = time.perf_counter()
    kept.deliver_together(spots, here.generation)
    theirs = (time.perf_counter() - began) / count
    alone, whole = _released_at_once(ours, spots, here.generation)
    what = f"{count} actions waiting, one push, per action, beside {count} commits and one push"
    yield at_least("batch", what, 20, theirs, alone / count)
    said = f"{theirs / (whole / count):.1f}x ({shown(whole / count)} per action)"
    yield reported("batch", "the same with planning and proving, in one process", said)


def _released_at_once(ours: Resident, spots: list[world.Spot], age: int) -> tuple[float, float]:
    """Seconds from the moment the mirror is free to the last answer; and from the first action."""
    mirror = ours.ctx.repository._mirror
    queue = mirror.folder / "queue"
    began = time.perf_counter()
    with ThreadPoolExecutor(len(spots)) as pool:
        with mirror.lock():
            waiting = [pool.submit(replace, ours.ctx, spot, age) for spot in spots]
            while not queue.is_dir() or len(list(queue.glob("*.intent"))) < len(spots):
                if any(item.done() for item in waiting):
                    raise RuntimeError("an action did not wait")
                threading.Event().wait(0.02)
            planned = time.perf_counter()
        for item in waiting:
            item.result()
    ended = time.perf_counter()
    return ended - planned, ended - began
