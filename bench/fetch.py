"""`gitops-bridge fetch-model` against `curl -o f && sha256sum f`, on one file over loopback.

    python -m bench.fetch [--size 2000] [--rounds 3] [--folder /tmp]

Prints both speeds and the peak memory of fetch-model with their targets; asserts nothing. Rounds
alternate and the best of each counts, so that a busy machine spoils both alike.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

PACKAGE = "65f0aa11bb22cc33dd44ee55"
COMMAND = "from gitops_bridge.cli.fetch_model import fetch_model; fetch_model()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2000, help="MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where to work; default: the temp folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        work = Path(folder)
        package = work / "package.mlpkg"
        make_zip(package, options.size)
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.fetch_server", str(package), PACKAGE],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None  # noqa: S101
            url = server.stdout.readline().strip()
            report(work, url, package.stat().st_size, options.rounds)
        finally:
            server.terminate()
            server.wait()


def report(work: Path, url: str, size: int, rounds: int) -> None:
    best_curl = best_fetch = float("inf")
    peak = 0
    for _ in range(rounds):
        best_curl = min(best_curl, curl(work, url))
        seconds, memory = fetch(work, url)
        best_fetch, peak = min(best_fetch, seconds), max(peak, memory)
    ratio = best_curl / best_fetch
    print(f"file                     {size / 1e6:10.0f} MB")
    print(f"curl -o f && sha256sum f {size / 1e6 / best_curl:10.0f} MB/s  ({best_curl:.2f} s)")
    print(f"fetch-model              {size / 1e6 / best_fetch:10.0f} MB/s  ({best_fetch:.2f} s)")
    verdict("speed against curl and sha256sum", ">= 0.80", f"{ratio:.2f}", ratio >= 0.8)
    verdict("peak memory", "< 150 MB", f"{peak / 1e6:.0f} MB", peak < 150e6)


def verdict(what: str, target: str, measured: str, met: bool) -> None:
    print(f"{what:34} target {target:10} measured {measured:10} {'MET' if met else 'MISSED'}")


def curl(work: Path, url: str) -> float:
    file = work / "by-curl"
    began = time.perf_counter()
    subprocess.run(["curl", "-sS", "-o", str(file), f"{url}/plain/{PACKAGE}"], check=True)
    subprocess.run(["sha256sum", str(file)], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    file.unlink()
    return seconds


def fetch(work: Path, url: str) -> tuple[float, int]:
    """Seconds of the whole command, interpreter and all, and its peak memory in bytes."""
    out = work / "context"
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable, "-c", COMMAND, "--model-package-id", PACKAGE,
            "--execution-type", "dedicated", "--format", "datarobot", "--content-key", "bench",
            "--pps-image", "datarobot/pps:1.0.0", "--out", str(out),
            "--source", f"{url}/plain/{PACKAGE}",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None  # noqa: S101
    said = process.stderr.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"fetch-model failed: {said}")
    shutil.rmtree(out)
    return seconds, usage.ru_maxrss * 1024


def make_zip(path: Path, megabytes: int) -> None:
    """Bytes that do not compress, stored: what a model package mostly is."""
    block = os.urandom(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for part in range(max(1, megabytes // 100)):
            with archive.open(f"model/part-{part}", "w") as file:
                for _ in range(min(100, megabytes) * 1_000_000 // len(block)):
                    file.write(block)


if __name__ == "__main__":
    main()
