"""One resident process of several: `python -m bench.worker`, told what to do on its standard input.

First line: what it is and its actions, as JSON. It warms up, prints `ready`, waits for another line
and then works through the actions, one after the other. Prints seconds, retries and failures.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import bridge, peers
from bench.world import Spot
from gitops_bridge.errors import BridgeError


def main() -> None:
    told = json.loads(sys.stdin.readline())
    act = _ours(told) if told["kind"] == "ours" else _peer(told)
    print("ready", flush=True)
    sys.stdin.readline()
    seconds, retries, failures = [], 0, []
    for number in told["spots"]:
        began = time.perf_counter()
        try:
            retries += act(Spot(number))
        except (BridgeError, peers.Refused, RuntimeError) as error:
            failures.append(str(error)[:300])
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"seconds": seconds, "retries": retries, "failures": failures}))


def _ours(told: dict[str, Any]) -> Callable[[Spot], int]:
    ctx = bridge.context(Path(told["config"]))
    bridge.replace(ctx, Spot(told["spots"][0]), told["generation"], dry_run=True)  # loads the code

    def act(spot: Spot) -> int:
        bridge.replace(ctx, spot, told["generation"])
        return 0

    return act


def _peer(told: dict[str, Any]) -> Callable[[Spot], int]:
    kept = peers.WorkTree(told["url"], Path(told["tree"]))

    def act(spot: Spot) -> int:
        give_up = time.monotonic() + told["patience"]
        return kept.deliver_against_others(spot, told["generation"], give_up)

    return act


if __name__ == "__main__":
    main()
