"""`python -m bench [ROW…] [--quick]`: measures, prints one line per row, asserts nothing."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import cluster, contention, delivery, processes, reading, rendering
from bench.harness import Bench, Line, Row, pin

ROWS: dict[str, Row] = {
    "deliver": delivery.deliver,
    "push": delivery.push,
    "prove": delivery.prove,
    "clone": delivery.clone,
    "scale": delivery.scale,
    "batch": delivery.batch,
    "process": processes.process,
    "status": processes.status,
    "contention": contention.contention,
    "render": rendering.render,
    "job": rendering.job,
    "check": rendering.check,
    "list": reading.listing,
    "history": reading.history,
    "memory": processes.memory,
    "cluster": cluster.cluster,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"default: {' '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size; no verdict")
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    began = time.monotonic()
    cores = pin()
    memory = Path("/dev/shm")
    folder = str(memory) if os.access(memory, os.W_OK) else None
    scratch = Path(tempfile.mkdtemp(prefix="gitops-bridge-bench-", dir=folder))
    os.environ["TMPDIR"] = str(scratch)
    bench = Bench(scratch, options.quick, note=lambda text: print(text, file=sys.stderr))
    print(_machine(cores, scratch))
    lines: list[Line] = []
    try:
        with bench.exits:
            for name in options.rows or ROWS:
                for line in ROWS[name](bench):
                    lines.append(line)
                    print(f"{line.verdict:7} {line.row:10} {line.what}", flush=True)
                    print(f"        {line.target:10} {line.measured}", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    missed = sum(line.met is False for line in lines)
    met = sum(line.met is True for line in lines)
    load = os.getloadavg()[0]
    print(f"{met} met, {missed} missed in {time.monotonic() - began:.0f} s; load {load:.1f}")
    if options.quick:
        print("a quick run shows that the benchmark works, not whether the targets are met")


def _machine(cores: int, scratch: Path) -> str:
    import pygit2

    said = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    where = "tmpfs" if str(scratch).startswith("/dev/shm") else "disk"
    return (
        f"{cores} cores of {os.cpu_count()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {said.strip()}, pygit2 {pygit2.__version__}, "
        f"data on {where}, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
