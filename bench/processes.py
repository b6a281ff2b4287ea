"""Whole processes: `bosun-plugin-runner` from its start to its end, with ours and other plugins."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bench import peers
from bench.bridge import Resident
from bench.harness import Bench, Line, at_least, at_most, take_turns, timed
from bench.world import BIN, PYTHON, TOP, Spot, environ
from gitops_bridge import documents

OURS = "gitops_bridge.bosun"


class Runner:
    """Calls the agent's runner; every call checks that the action passed."""

    def __init__(self, folder: Path, plugin: str, private: Path) -> None:
        self._folder = folder
        self._plugin = plugin
        self._private = private

    def seconds(self, action: str, document: dict[str, Any]) -> float:
        config, status = self._folder / "action.yaml", self._folder / "status.yaml"
        config.write_text(documents.dump(document))
        status.unlink(missing_ok=True)
        taken = timed(
            [
                BIN / "bosun-plugin-runner", "--plugin", self._plugin, "--action", action,
                "--config", config, "--private-config", self._private, "--status-file", status,
            ],
            environ(self._folder), TOP,
        )  # fmt: skip
        said = yaml.safe_load(status.read_text())
        if said["status"] not in {"passing", "warning"}:
            raise RuntimeError(f"{self._plugin}: {said}")
        return taken


def process(bench: Bench) -> Iterator[Line]:
    """replace_model; earlier processes remembered the renderings, as `bench.bridge` says."""
    here, rounds = bench.large, bench.rounds(16)
    ours = Resident(here, "process-ours", bench.url).ready(rounds)
    tree = here.root / "process-tree"
    peers.WorkTree(bench.url(here.remote("process-peer")), tree)
    private = here.root / "process-peer.yaml"
    private.write_text(f"tree: {tree}\n")
    runners = {
        "ours": Runner(here.root, OURS, ours.config),
        "peer": Runner(here.root, "bench.plugins.git_cli", private),
        "noop": Runner(here.root, "bench.plugins.noop", private),
    }

    def turn(name: str):  # type: ignore[no-untyped-def]
        return lambda turn: runners[name].seconds(
            "deployment_replace_model", here.spot(turn).file(here.generation, here.root)
        )

    found = take_turns(rounds, **{name: turn(name) for name in runners})
    what = f"replace_model, whole process, {here.overlays} overlays, beside the plugin by git CLI"
    yield at_least("process", what, 1.7, found["peer"], found["ours"])
    what = "the same beside a plugin that does nothing"
    yield at_most("process", what, 3, found["noop"], found["ours"])


def status(bench: Bench) -> Iterator[Line]:
    """pe_status of an environment with 10 deployments that DataRobot knows. From the mirror: the
    branch was seen seconds ago. With one fetch: it was not."""
    here, rounds = bench.large, bench.rounds(16)
    ours = Resident(here, "status-ours", bench.url, status_age=3600)
    folder = here.root / "status-test"
    folder.mkdir()
    keys = (
        "launch_time_sec",
        "stop_time_sec",
        "pe_status_time_sec",
        "deployment_status_time_sec",
        "plugin_start_time",
    )
    zeros = dict.fromkeys(keys, 0)
    private = folder / "private.yaml"
    private.write_text(json.dumps({**zeros, "tmp_dir": str(folder)}))
    known = [Spot(number) for number in range(10)]
    test = Runner(folder, "test", private)
    test.seconds("plugin_start", _about(known))
    for spot in known:
        document = spot.document(here.generation)
        document["deploymentInfo"].pop("newModelId")
        test.seconds("deployment_start", document)
    mine = Runner(here.root, OURS, ours.config)
    seen = ours.ctx.repository._mirror.folder / "fetched"

    def stale(_: int) -> float:
        seen.unlink(missing_ok=True)
        return mine.seconds("pe_status", _about(known))

    def fresh(_: int) -> float:
        seen.write_text(str(time.monotonic_ns()))
        return mine.seconds("pe_status", _about(known))

    found = take_turns(
        rounds, mirror=fresh, fetch=stale, test=lambda _: test.seconds("pe_status", _about(known))
    )
    what = "pe_status, whole process, from the mirror, beside `--plugin test` with sleeps at 0"
    yield at_most("status", what, 1.5, found["test"], found["mirror"])
    yield at_most("status", "the same with one fetch", 2.3, found["test"], found["fetch"])


def _about(known: list[Spot]) -> dict[str, Any]:
    document = known[0].document(1)
    document["peInfo"]["deployments"] = [
        {"id": spot.id, "name": f"deployment {spot.number}", "modelId": spot.model(1),
         "modelExecutionType": "dedicated"}
        for spot in known
    ]  # fmt: skip
    del document["deploymentInfo"]
    return document


def memory(bench: Bench) -> Iterator[Line]:
    """The most a whole process of ours takes, at many overlays beside few."""
    for action in ("deployment_replace_model", "pe_status", "deployment_list"):
        peaks = []
        for here in (bench.small, bench.large):
            ours = Resident(here, f"memory-{action}", bench.url).ready(1)
            document = here.spot(1).file(here.generation, here.root)
            if action != "deployment_replace_model":
                del document["deploymentInfo"]
            peaks.append(_peak(here.root, ours.config, action, document))
        said = f"{peaks[1] / 1024:.0f} MB beside {peaks[0] / 1024:.0f} MB"
        what = f"peak memory of {action} at {bench.large.overlays} overlays beside 10"
        met = peaks[1] <= 1.25 * peaks[0]
        yield Line("memory", what, "<= 1.25x", f"{peaks[1] / peaks[0]:.2f}x ({said})", met)


_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _peak(folder: Path, config: Path, action: str, document: dict[str, Any]) -> int:
    """Peak resident kB of our own door, or of the largest program it starts. A small process
    stands between, because what is forked starts with its parent's peak."""
    path = folder / "action.yaml"
    path.write_text(documents.dump(document))
    command = [
        PYTHON, "-m", "gitops_bridge", "run", "--action", action, "--config", str(path),
        "--private-config", str(config), "--status-file", str(folder / "status.yaml"),
    ]  # fmt: skip
    done = subprocess.run(
        [PYTHON, "-S", "-c", _MEASURE, *command],
        env=environ(folder), cwd=TOP, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout)
