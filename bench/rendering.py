"""kustomize: one overlay as `init` leaves it, a builder's Job, all overlays of a repository."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

from bench.harness import Bench, Line, at_least, at_most, shown, take_turns, timed
from bench.world import PYTHON, TOP, environ, git, kustomize
from gitops_bridge.controller.checkout import Folder
from gitops_bridge.controller.sources import Reader

JOB = """
import sys, time
from gitops_bridge import documents
from gitops_bridge.actions import ExecutionType, Model
from gitops_bridge.desired import build, jobs

text, package, model = sys.stdin.read(), "1" * 24, Model("2" * 24, ExecutionType.DEDICATED)
began = time.perf_counter()
builder = build.builder(documents.load_all(text))
key = build.content_key(model=model, package_id=package, builder=builder)
build.image(builder=builder, package_id=package, key=key)
documents.dump(jobs.job(builder=builder, model=model, package_id=package, key=key))
print(time.perf_counter() - began)
"""
SAMPLE = 100  # overlays of the sequential peer that stand for all


def render(bench: Bench) -> Iterator[Line]:
    """Files in, YAML out, nothing remembered: a folder is written, built and removed."""
    home = "overlays/example/65a000000000000000000010"
    used = Reader(Folder(TOP)).sources(home)
    renderer = kustomize()
    helping = [renderer.command[0], "kustomize", "--help"]
    found = take_turns(
        bench.rounds(40),
        ours=lambda _: _ignore(renderer.build(used.files, home)),
        help=lambda _: timed(helping, environ(bench.scratch), bench.scratch),
    )
    what = "one overlay rendered, beside `kubectl kustomize --help`"
    yield at_most("render", what, 1.7, found["help"], found["ours"])


def job(bench: Bench) -> Iterator[Line]:
    """What kustomize printed of a builder to the bytes of a Job file. Each turn is a process of its
    own, as an action mostly is: nothing is remembered."""
    home = "overlays/example/environment/builder"
    used = Reader(Folder(TOP)).sources(home)
    renderer = kustomize()
    text = renderer.build(used.files, home)
    found = take_turns(
        bench.rounds(20),
        ours=lambda _: float(
            subprocess.run(
                [PYTHON, "-c", JOB], input=text, text=True, check=True, capture_output=True, cwd=TOP
            ).stdout
        ),
        kustomize=lambda _: _ignore(renderer.build(used.files, home)),
    )
    measured = f"{shown(found['ours'])}, beside kustomize's own {shown(found['kustomize'])}"
    what = "content key and Job of one build, beyond the kustomize call"
    yield Line("job", what, "< 60 ms", measured, found["ours"] < 0.06)


def _ignore(_: str) -> None:
    return None


def check(bench: Bench) -> Iterator[Line]:
    """`gitops-bridge check` on a checkout, whole process, beside one kustomize after the other."""
    here = bench.medium
    tree = here.root / "check-tree"
    git(here.root, "clone", "--quiet", str(here.base), str(tree))
    renderer = kustomize().command
    every = here.overlays // min(SAMPLE, here.overlays)
    sample = [here.spot(number).home for number in range(0, here.overlays, every)]
    theirs = 0.0
    ours = []
    for turn in range(3):
        began = time.perf_counter()
        timed([PYTHON, "-m", "gitops_bridge", "check", tree], environ(here.root), TOP)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        for home in sample[turn::3]:
            subprocess.run([*renderer, home], cwd=tree, check=True, capture_output=True)
        theirs += time.perf_counter() - began
    shutil.rmtree(tree)
    what = f"all of {here.overlays} overlays, beside one process each ({len(sample)} of them timed)"
    yield at_least("check", what, 6, theirs * here.overlays / len(sample), sorted(ours)[1])
