"""The other ways to make the same commit, each as its users write it: with the git program.

They change the same two files by replacing ids in their text, which is as cheap as an edit can be,
and none of them looks for people's reverts or proves anything unless told to.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.world import Spot, environ

_BOT = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "advice.detachedHead=false")


class Refused(Exception):
    """The push came too late."""


def git(folder: Path, *arguments: object) -> None:
    done = subprocess.run(
        ["git", *_BOT, *map(str, arguments)], cwd=folder, env=environ(folder), capture_output=True
    )
    if done.returncode:
        said = done.stderr.decode()
        if "[rejected]" in said or "[remote rejected]" in said or "cannot lock ref" in said:
            raise Refused(said)
        raise RuntimeError(f"git {arguments}: {said}")


def edit(tree: Path, spot: Spot, generation: int) -> None:
    """Another model in the two files that a rollout changes."""
    for name in ("kustomization.yaml", "record.yaml"):
        path = tree / spot.home / "model" / name
        text = path.read_text()
        path.write_text(text.replace(spot.model(generation), spot.model(generation + 1)))


def commit(tree: Path, spot: Spot) -> None:
    git(tree, "add", "--", spot.home)
    git(tree, "commit", "--quiet", "--message", f"Replace model of {spot.id}")


class WorkTree:
    """A kept clone: fetch, reset, edit, add, commit, push. What bots and CI scripts do."""

    def __init__(self, url: str, folder: Path) -> None:
        self.tree = folder
        git(folder.parent, "clone", "--quiet", "--branch", "main", url, folder)

    def deliver(
        self, spot: Spot, generation: int, render: Callable[[], None] = lambda: None
    ) -> None:
        """`render` is called before and after the edit, where proof is asked for."""
        git(self.tree, "fetch", "--quiet", "origin", "main")
        git(self.tree, "reset", "--quiet", "--hard", "origin/main")
        render()
        edit(self.tree, spot, generation)
        render()
        commit(self.tree, spot)
        git(self.tree, "push", "--quiet", "origin", "HEAD:main")

    def deliver_against_others(self, spot: Spot, generation: int, give_up: float) -> int:
        """Again after each refusal, with a jittered wait of up to a second; gives the retries.
        Raises Refused when it is `give_up` (seconds, monotonic)."""
        retries = 0
        while True:
            try:
                self.deliver(spot, generation)
                return retries
            except Refused:
                if time.monotonic() > give_up:
                    raise
                retries += 1
                time.sleep(random.uniform(0, min(1.0, 0.05 * 2**retries)))  # noqa: S311

    def deliver_together(self, spots: list[Spot], generation: int) -> None:
        """One commit each, one push."""
        git(self.tree, "fetch", "--quiet", "origin", "main")
        git(self.tree, "reset", "--quiet", "--hard", "origin/main")
        for spot in spots:
            edit(self.tree, spot, generation)
            commit(self.tree, spot)
        git(self.tree, "push", "--quiet", "origin", "HEAD:main")


def clone_per_action(url: str, folder: Path, spot: Spot, generation: int) -> float:
    """A fresh shallow clone, edit, commit, push; seconds, the removal of the clone not counted."""
    began = time.perf_counter()
    git(folder.parent, "clone", "--quiet", "--depth", 1, "--branch", "main", url, folder)
    edit(folder, spot, generation)
    commit(folder, spot)
    git(folder, "push", "--quiet", "origin", "HEAD:main")
    seconds = time.perf_counter() - began
    shutil.rmtree(folder)
    return seconds
