"""What the rows share: the machine they run on, taking turns, medians, and a line of the table."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import world
from bench.world import World

CORES = 2


@dataclass(frozen=True)
class Line:
    """One line of the table. `met` is None for what is reported and claimed nowhere."""

    row: str
    what: str
    target: str
    measured: str
    met: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "MET", False: "MISSED", None: "-"}[self.met]


def at_least(row: str, what: str, factor: float, peer: float, ours: float) -> Line:
    """Ours is to be `factor` times faster; both in seconds."""
    ratio = peer / ours
    measured = f"{ratio:.1f}x ({shown(ours)} beside {shown(peer)})"
    return Line(row, what, f">= {factor:g}x", measured, ratio >= factor)


def at_most(row: str, what: str, factor: float, beside: float, ours: float) -> Line:
    """Ours may take `factor` times what is beside it; both in seconds."""
    ratio = ours / beside
    measured = f"{ratio:.2f}x ({shown(ours)} beside {shown(beside)})"
    return Line(row, what, f"<= {factor:g}x", measured, ratio <= factor)


def reported(row: str, what: str, measured: str) -> Line:
    return Line(row, what, "", measured)


def shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


Approach = Callable[[int], float | None]
"""One turn, by its number. It may time itself; else the whole call counts."""


def take_turns(rounds: int, **approaches: Approach) -> dict[str, float]:
    """The median seconds of each approach over `rounds` turns, each round in another order. The
    first round warms up and is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in approaches}
    names = list(approaches)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.perf_counter()
            own = approaches[name](turn)
            seconds = time.perf_counter() - began if own is None else own
            if turn:
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timed(command: Sequence[object], environ: Mapping[str, str], folder: Path) -> float:
    """Seconds that a whole process takes. Raises CalledProcessError when it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], env=environ, cwd=folder, capture_output=True
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.decode()[-2000:]}")
    return seconds


@dataclass
class Bench:
    """Where a run works and how much it does; the worlds are made when first asked for."""

    scratch: Path
    quick: bool
    note: Callable[[str], None]
    exits: ExitStack = field(default_factory=ExitStack)
    _worlds: dict[str, World] = field(default_factory=dict)
    _servers: dict[Path, str] = field(default_factory=dict)

    def rounds(self, full: int) -> int:
        return max(3, full // 4) if self.quick else full

    @property
    def large(self) -> World:
        """10 000 overlays after 20 000 commits; a tenth of it in a quick run."""
        return self._world("large", 1000 if self.quick else 10_000, replaced=True)

    @property
    def medium(self) -> World:
        """1 000 overlays."""
        return self._world("medium", 250 if self.quick else 1000, replaced=False)

    @property
    def small(self) -> World:
        """10 overlays."""
        return self._world("small", 10, replaced=False)

    def _world(self, name: str, overlays: int, *, replaced: bool) -> World:
        if name not in self._worlds:
            self.note(f"making a repository with {overlays} overlays …")
            made = world.make(self.scratch / name, overlays, replaced=replaced)
            self._worlds[name] = made
        return self._worlds[name]

    def url(self, repository: Path) -> str:
        """Where the smart HTTP server has a repository of a world."""
        root = repository.parent
        if root not in self._servers:
            self._servers[root] = self.exits.enter_context(world.served(root))
        return f"{self._servers[root]}/{repository.name}"


def pin() -> int:
    """Keep this process and all it starts on two cores; says on how many it runs."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:CORES]
        os.sched_setaffinity(0, cores)
        return len(cores)
    return os.cpu_count() or 1


Row = Callable[[Bench], Iterator[Line]]
