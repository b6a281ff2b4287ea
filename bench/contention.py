"""Many processes on one branch: ours share a mirror, the git program's fetch and try again."""

from __future__ import annotations

import collections
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bridge import Resident
from bench.harness import Bench, Line, percentile, reported, shown, timed
from bench.world import PYTHON, TOP, Spot, World, environ, git
from gitops_bridge import documents

PATIENCE = 60.0  # seconds for which the peer tries one action again


@dataclass(frozen=True)
class Crowd:
    """What many processes did together: seconds from the start to the last one's end."""

    seconds: float
    latencies: Sequence[float]
    retries: int
    failures: Sequence[str]

    @property
    def rate(self) -> float:
        return (len(self.latencies) - len(self.failures)) / self.seconds


def contention(bench: Bench) -> Iterator[Line]:
    for processes, each, factor in ((8, 10, 10), (32, 4, 50)):
        yield from _at_once(bench, processes, each, factor)


def _at_once(bench: Bench, processes: int, each: int, factor: float) -> Iterator[Line]:
    here, name = bench.medium, f"crowd{processes}"
    spots = [here.spot(number).number for number in range(processes * each)]
    shares = [spots[start::processes] for start in range(processes)]
    ours = Resident(here, name, bench.url).ready(len(spots) - 1)
    mine = _crowd(
        here, [{"kind": "ours", "config": str(ours.config), "spots": share} for share in shares]
    )
    doubled = _not_exactly_once(here, ours.remote, spots)
    remote = here.remote(f"{name}-peer")
    theirs = _crowd(
        here,
        [
            {"kind": "peer", "url": bench.url(remote), "tree": str(here.root / f"{name}-{index}"),
             "spots": share, "patience": PATIENCE}
            for index, share in enumerate(shares)
        ],
    )  # fmt: skip
    subprocess.run(["rm", "-rf", *here.root.glob(f"{name}-[0-9]*")], check=True)
    what = f"{processes} resident processes, {each} actions each, beside fetch-and-retry"
    ratio = mine.rate / theirs.rate
    said = f"{ratio:.0f}x ({mine.rate:.0f}/s beside {theirs.rate:.2f}/s, {_told(theirs)})"
    yield Line("contention", what, f">= {factor:g}x", said, ratio >= factor)
    wrong = len(mine.failures) + len(doubled)
    said = f"{len(mine.failures)} failed, {len(doubled)} lost or doubled"
    if wrong:
        said += f": {(list(mine.failures) + doubled)[0]}"
    yield Line("contention", "  nothing lost, failed or doubled", "0", said, wrong == 0)
    late = percentile(mine.latencies, 0.95)
    if processes == 32:
        yield Line("contention", "  p95 of an action", "< 1 s", shown(late), late < 1)
    else:
        yield reported("contention", "  p95 of an action", shown(late))
    yield reported("contention", "  the same by cold processes", _cold(bench, processes))


def _told(crowd: Crowd) -> str:
    gave_up = f", {len(crowd.failures)} gave up" if crowd.failures else ""
    return f"{crowd.retries / len(crowd.latencies):.1f} retries each{gave_up}"


def _crowd(world: World, tasks: Sequence[dict[str, Any]]) -> Crowd:
    workers = [
        subprocess.Popen(
            [PYTHON, "-m", "bench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=TOP, env=environ(world.root),
        )
        for _ in tasks
    ]  # fmt: skip
    for worker, task in zip(workers, tasks, strict=True):
        _say(worker, json.dumps({**task, "generation": world.generation}))
    for worker in workers:
        _hear(worker)
    began = time.perf_counter()
    for worker in workers:
        _say(worker, "go")
    found = [json.loads(_hear(worker)) for worker in workers]
    seconds = time.perf_counter() - began
    for worker in workers:
        worker.wait()
    return Crowd(
        seconds,
        [item for one in found for item in one["seconds"]],
        sum(one["retries"] for one in found),
        [item for one in found for item in one["failures"]],
    )


def _say(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None  # noqa: S101
    worker.stdin.write(line + "\n")
    worker.stdin.flush()


def _hear(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None  # noqa: S101
    line = worker.stdout.readline()
    if not line:
        raise RuntimeError(f"a worker died: {worker.wait()}")
    return line


def _not_exactly_once(world: World, remote: Path, spots: Sequence[int]) -> list[str]:
    """Deployments that have not exactly one new commit each, or whose repository is unsound."""
    git(remote, "fsck", "--connectivity-only")
    base = git(world.base, "rev-parse", "main").strip()
    log = git(remote, "log", "--format=%(trailers:key=DataRobot-Deployment,valueonly)",
              f"{base}..main")  # fmt: skip
    counted = collections.Counter(log.split())
    wanted = {Spot(number).id for number in spots}
    return [name for name in sorted(wanted | set(counted)) if counted[name] != 1]


def _cold(bench: Bench, processes: int) -> str:
    """Each action a process of its own, through our own door."""
    here = bench.medium
    count = 2 * processes
    ours = Resident(here, f"cold{processes}", bench.url).ready(count - 1)
    folder = here.root / f"cold{processes}"
    folder.mkdir()

    def act(number: int) -> float:
        action = folder / f"{number}.yaml"
        action.write_text(documents.dump(here.spot(number).file(here.generation, folder)))
        status = folder / f"{number}.status"
        seconds = timed(
            [
                PYTHON, "-m", "gitops_bridge", "run", "--action", "deployment_replace_model",
                "--config", action, "--private-config", ours.config, "--status-file", status,
            ],
            environ(folder), TOP,
        )  # fmt: skip
        if "status: failing" in status.read_text():
            raise RuntimeError(status.read_text())
        return seconds

    began = time.perf_counter()
    with ThreadPoolExecutor(processes) as pool:
        latencies = list(pool.map(act, range(count)))
    rate = count / (time.perf_counter() - began)
    return f"{rate:.1f}/s, p95 {shown(percentile(latencies, 0.95))}"
