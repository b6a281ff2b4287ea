"""Recorded snapshots of a real cluster: their lists, what Git held, and the right answer.

`tests/recorded/README.md` describes the form; RECORDED names another folder of the same form.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gitops_bridge.desired.overlay import Image
from gitops_bridge.live import Goal, Kind, Observation, Wanted, parse

REPOSITORY = "192.0.2.10:5000/models/frozen"
HERE = Path(__file__).parent / "recorded"
FILES = {
    Kind.DEPLOYMENTS: "deployments",
    Kind.REPLICA_SETS: "replicasets",
    Kind.PODS: "pods",
    Kind.JOBS: "jobs",
    Kind.BUILD_PODS: "build-pods",
    Kind.APPLICATIONS: "applications",
}


def folder() -> Path:
    return Path(os.environ.get("RECORDED") or HERE)


@dataclass(frozen=True)
class Snapshot:
    """One moment of one scenario."""

    path: Path
    git: dict

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def at(self) -> str:
        return self.git["recorded_at"]

    def items(self, kind: Kind) -> list:
        """A list of the Kubernetes API, fresh so that a test may change it."""
        file = self.path / f"{FILES[kind]}.json"
        return json.loads(file.read_text())["items"] if file.exists() else []

    def lists(self) -> dict[Kind, list]:
        return {kind: self.items(kind) for kind in Kind}

    @property
    def build_log(self) -> tuple[str, ...]:
        file = self.path / "build-pod-log.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        return tuple(line.partition("] ")[2] for line in lines)

    @property
    def is_about_a_stop(self) -> bool:
        """Only a stop asks for the removal of the model that is in place."""
        return self.git["on_main"] is None and self.git["model"] == self.git["previous_model"]

    @property
    def is_building(self) -> bool:
        """Not so where the build was there before the scenario began: it was for another model."""
        before = json.loads((_first(self.path) / "git.json").read_text())
        build = self.git["build_commit"]
        return build is not None and (self.git["digest"] is None or build != before["build_commit"])

    def is_ours(self, revision: str) -> bool:
        """Whether a commit of main is ours or came after it; main is a straight line."""
        return _position(revision) >= _position(self.git["our_commit"])

    def wanted(self) -> Wanted:
        """What Git and the branches told at that moment."""
        git, on_main = self.git, self.git["on_main"]
        pushed = git["our_commit"] is not None
        pending = self.is_building and not pushed
        goal = Goal.SERVE if on_main else Goal.STOP if pushed else Goal.NONE
        asked = (git["model"], git["tag"])
        superseded = pushed and not self.is_about_a_stop and asked != (
            on_main and (on_main["model"], on_main["tag"])
        )  # fmt: skip
        replaced = git["previous_model"] if pushed else None
        return Wanted(
            environment=git["environment"],
            deployment=git["deployment"],
            goal=goal,
            model=on_main and on_main["model"],
            image=on_main and Image(REPOSITORY, on_main["tag"], on_main["digest"]),
            previous_model=replaced,
            pending_model=git["model"] if pending else None,
            build_job=_job(self) if pending else None,
            superseded=superseded,
            covers=self.is_ours,
            models=_models(folder()),
        )


def snapshots() -> list[Snapshot]:
    found = sorted(folder().glob("*/*/git.json"))
    return [Snapshot(path.parent, json.loads(path.read_text())) for path in found]


def observation(lists: dict[Kind, list], unseen=(), at=None) -> Observation:
    parsed = (parse(kind, item) for kind, items in lists.items() for item in items)
    return Observation([item for item in parsed if item], unseen, at)


def _first(snapshot: Path) -> Path:
    return min(snapshot.parent.glob("*/git.json")).parent


def _job(snapshot: Snapshot) -> str:
    """The Job of the build commit, `build-<end of the model's id>-…`; the recording does not hold
    the files of the branch, so it is looked for in what Argo CD and Kubernetes tell."""
    applications = json.dumps(snapshot.items(Kind.APPLICATIONS) + snapshot.items(Kind.JOBS))
    found = re.search(rf"build-{snapshot.git['model'][-3:]}-[0-9a-z]+", applications)
    return found[0] if found else "build-not-there-yet"


def _position(commit: str | None) -> int:
    return _positions(folder()).get(commit or "", -1)


@cache
def _positions(where: Path) -> dict[str, int]:
    main = json.loads((where / "commits.json").read_text())["main"]
    return {commit["sha"]: position for position, commit in enumerate(main)}


@cache
def _models(where: Path) -> dict[str, str]:
    """Model by digest, as the records in the history of main name them."""
    found = [json.loads(path.read_text()) for path in where.glob("*/*/git.json")]
    places = found + [git["on_main"] for git in found if git["on_main"]]
    return {place["digest"]: place["model"] for place in places if place["digest"]}
