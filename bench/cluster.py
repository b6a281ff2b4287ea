"""What runs, read from a Kubernetes API server: CPU and memory of a process that asks once."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Bench, Line, at_most, reported, shown
from bench.world import TOP

_CPU, _MEMORY = 0.6, 130.0


def cluster(bench: Bench) -> Iterator[Line]:
    """An environment with two Pods for each deployment: Deployments, Pods, Jobs and Applications
    are read and judged. The built-in plugin reads the Deployments alone. Imports are not counted:
    both need the package `kubernetes`."""
    count = 200 if bench.quick else 1000
    with _served(bench.scratch / "cluster", count) as path:
        rounds = bench.rounds(8)
        taken = {
            who: [_asked(who, path, count) for _ in range(rounds)] for who in ("ours", "typed")
        }
    ours, typed = ({key: _median(found, key) for key in found[0]} for found in taken.values())
    what = f"{count} deployments, {2 * count} Pods: whether they serve, our CPU"
    met = ours["cpu"] <= _CPU
    yield Line("cluster", what, f"<= {_CPU:g} s", shown(ours["cpu"]), met)
    peak = f"{ours['megabytes']:.0f} MB"
    yield Line("cluster", "  memory of the process", f"<= {_MEMORY:g} MB", peak,
               ours["megabytes"] <= _MEMORY)  # fmt: skip
    what = "  beside the Deployments alone, as the built-in plugin reads them"
    yield at_most("cluster", what, 1, typed["cpu"], ours["cpu"])
    yield reported("cluster", "  importing the package kubernetes", shown(ours["imports"]))


class _served:
    """An API server in a process of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self._command = [sys.executable, "-m", "bench.cluster_server", str(folder), str(count)]

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            self._command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)


def _asked(who: str, path: str, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.cluster_reader", who, path, str(count)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _median(found: list[dict[str, float]], key: str) -> float:
    return statistics.median(each[key] for each in found)
