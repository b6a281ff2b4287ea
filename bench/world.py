"""A team's repository with any number of deployments, its server, and the bridge's configuration.

Every row measures in a World: `overlays/<environment>/<deployment>/`, 1 000 to an environment, one
commit for each start and, with `replaced`, one more for a replaced model, made by the bridge's own
pure core and written by `git fast-import`. The server is smart HTTP in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from gitops_bridge import documents
from gitops_bridge.actions import Request, parse
from gitops_bridge.controller import builds, environments
from gitops_bridge.controller.checkout import Folder
from gitops_bridge.controller.sources import Reader
from gitops_bridge.desired import jobs, messages, overlay
from gitops_bridge.desired import record as records
from gitops_bridge.desired.rollout import COMPONENT, PEOPLES, RECORD, Change, Rollout
from gitops_bridge.kustomize import Kustomize, find

TOP = Path(__file__).resolve().parent.parent
PER_ENVIRONMENT = 1000
PYTHON = sys.executable
BIN = Path(sys.executable).parent


def environ(home: Path) -> dict[str, str]:
    """What every process is given, ours and the peers': no configuration of a person's."""
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Peer", "GIT_AUTHOR_EMAIL": "peer@example.com",
        "GIT_COMMITTER_NAME": "Peer", "GIT_COMMITTER_EMAIL": "peer@example.com",
        "GIT_TERMINAL_PROMPT": "0", "PYTHONPATH": str(TOP),
        "TMPDIR": os.environ.get("TMPDIR", tempfile.gettempdir()),
    }  # fmt: skip


def git(folder: Path, *arguments: str, given: bytes | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], input=given, env=environ(folder),
        check=True, capture_output=True,
    )  # fmt: skip
    return done.stdout.decode()


def kustomize(cache: Path | None = None) -> Kustomize:
    return find(os.environ["PATH"], cache)


@dataclass(frozen=True)
class Spot:
    """One deployment of a world, by its number."""

    number: int

    @property
    def id(self) -> str:
        return f"65b{self.number:021x}"

    @property
    def environment(self) -> str:
        return f"env-{self.number // PER_ENVIRONMENT}"

    @property
    def environment_id(self) -> str:
        return environment_id(self.number // PER_ENVIRONMENT)

    @property
    def home(self) -> str:
        return f"overlays/{self.environment}/{self.id}"

    def model(self, generation: int) -> str:
        return f"65c{generation:03x}{self.number:018x}"

    def package(self, generation: int) -> str:
        return f"65d{generation:03x}{self.number:018x}"

    def file(self, generation: int, folder: Path) -> dict[str, Any]:
        """As `document`, with the model's package in a file of `folder`, as the agent writes it."""
        package = folder / f"{self.package(generation + 1)}.json"
        package.write_text(json.dumps(self._details(generation + 1)))
        document = self.document(generation)
        document["deploymentInfo"]["modelPackageDetails"] = str(package)
        return document

    def _details(self, generation: int) -> dict[str, Any]:
        return {"id": self.package(generation)}

    def document(self, generation: int) -> dict[str, Any]:
        """An action file that replaces the model of `generation` by the next one."""
        return {
            "pluginConfig": {
                "MLOPS_BOSUN_PRED_ENV_TYPE": "ExternalCommand",
                "MLOPS_BOSUN_PRED_ENV_PLATFORM": "os",
                "MLOPS_BOSUN_PRED_ENV_ID": self.environment_id,
                "MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING": False,
            },
            "peInfo": {
                "id": self.environment_id, "name": self.environment, "deployments": [],
                "keyValueConfig": {},
            },
            "deploymentInfo": {
                "id": self.id, "name": f"deployment {self.number}", "description": "",
                "modelId": self.model(generation), "newModelId": self.model(generation + 1),
                "modelExecutionType": "dedicated", "modelFormat": "datarobot",
                "modelArtifact": "/tmp/model.mlpkg", "keyValueConfig": {},
            },
        }  # fmt: skip

    def replacement(self, generation: int) -> Request:
        package = {"modelPackageDetails": self._details(generation + 1)}
        return parse("deployment_replace_model", self.document(generation), package)

    def start(self, generation: int) -> Request:
        document = self.document(generation)
        document["deploymentInfo"].pop("newModelId")
        package = {"modelPackageDetails": self._details(generation)}
        return parse("deployment_start", document, package)


def environment_id(number: int) -> str:
    return f"65a{number:021x}"


@dataclass(frozen=True)
class World:
    """`generation` is that of the serving models; `base` is the repository copies are made of."""

    root: Path
    overlays: int
    generation: int

    @property
    def base(self) -> Path:
        return self.root / "base.git"

    def spot(self, number: int) -> Spot:
        """Spread over the environments and, in each, over the folder."""
        return Spot(number * 7919 % self.overlays)

    def remote(self, name: str) -> Path:
        """A copy of the repository of its own, for one of those that are compared."""
        target = self.root / f"{name}.git"
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.base), str(target)], check=True)
        return target

    def config(self, name: str, url: str, **actions: int) -> Path:
        """A configuration whose mirror lies beside it, both fresh."""
        cache = self.root / f"{name}-cache"
        shutil.rmtree(cache, ignore_errors=True)
        path = self.root / f"{name}.yaml"
        count = -(-self.overlays // PER_ENVIRONMENT)
        document = {
            "repository": {"url": url, "cache": str(cache)},
            "actions": actions,
            "environments": {
                environment_id(number): {
                    "name": f"env-{number}", "namespace": f"serving-{number}",
                    "prediction_url": "https://predictions.example.com/deployments",
                }
                for number in range(count)
            },
        }  # fmt: skip
        path.write_text(documents.dump(document))
        return path


def make(root: Path, overlays: int, *, replaced: bool = False) -> World:
    """A new world below `root`, packed as a server keeps it."""
    root.mkdir(parents=True)
    world = World(root, overlays, 1 if replaced else 0)
    git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(world.base))
    for key, value in (("receive.autogc", "false"), ("gc.auto", "0"), ("http.receivepack", "true")):
        git(world.base, "config", key, value)
    feed = subprocess.Popen(
        ["git", "-C", str(world.base), "fast-import", "--quiet", "--depth=10"],
        stdin=subprocess.PIPE, env=environ(root),
    )  # fmt: skip
    assert feed.stdin is not None  # noqa: S101
    with feed.stdin as pipe:
        for piece in _history(world, replaced):
            pipe.write(piece)
    if feed.wait():
        raise RuntimeError("git fast-import failed")
    git(world.base, "repack", "-adfq")  # fast-import's own deltas are poor: twice as slow to read
    git(world.base, "pack-refs", "--all")
    return world


def _history(world: World, replaced: bool) -> Iterator[bytes]:
    shared = dict(_shared(world))
    yield _commit("Set up", 0, shared)
    generations = [*range(world.generation + 1)]
    written = _Written()
    stamp = 0
    for generation in generations:
        for number in range(world.overlays):
            stamp += 1
            spot = Spot(number)
            message, content = written.overlay(spot, generation)
            yield _commit(message, stamp, {f"{spot.home}/{k}": v for k, v in content.items()})
    built = (
        written.job(Spot(number), generation)
        for number in range(world.overlays)
        for generation in range(world.generation, world.generation + 1 + _ahead(world))
    )
    yield _commit("Build", stamp, dict(built), "builds")


def _ahead(world: World) -> int:
    """How many generations of models were built already beyond those that serve: one, and where
    there are few deployments, whose models are replaced again and again, more."""
    return max(1, 60 // world.overlays)


def _shared(world: World) -> Iterator[tuple[str, bytes]]:
    for path, content in Folder(TOP / "base").files("").items():
        yield f"base/{path}", content
    example = Folder(TOP / "overlays" / "example" / "environment").files("")
    for number in range(-(-world.overlays // PER_ENVIRONMENT)):
        for path, content in example.items():
            yield f"overlays/env-{number}/environment/{path}", content


def _commit(message: str, number: int, files: dict[str, bytes], branch: str = "main") -> bytes:
    text = message.encode()
    lines = [
        b"commit refs/heads/%s" % branch.encode(),
        b"committer gitops-bridge <gitops-bridge@localhost> %d +0000" % (1_700_000_000 + number),
        b"data %d\n%s" % (len(text), text),
        *(
            b"M 100644 inline %s\ndata %d\n%s" % (path.encode(), len(content), content)
            for path, content in files.items()
        ),
    ]
    return b"\n".join(lines) + b"\n"


class _Written:
    """What the bridge would have written. Made once by its own core; ids and tags are put in."""

    def __init__(self) -> None:
        facts = environments.facts(Reader(Folder(TOP)), "example", kustomize())
        self._builder = facts.builder
        self._was = Spot(0xABCDEF)
        self._texts = [self._made(facts.seams, generation) for generation in (0, 1)]

    def _made(self, seams: overlay.Seams, generation: int) -> tuple[str, str, str]:
        spot = self._was
        asked = spot.replacement(generation - 1) if generation else spot.start(0)
        made = self._build(spot, generation)
        image = made.image
        text = overlay.component(
            deployment_id=spot.id, environment_id=spot.environment_id, model=made.model,
            scale=asked.scale, monitoring=False, image=image, seams=seams, restarts=0,
        )  # fmt: skip
        after = records.of(asked, rollout=generation + 1, restarts=0, image=str(image))
        before = None
        if generation:
            before = replace(after, model=replace(after.model, id=spot.model(generation - 1)))
        change = Change.REPLACE if generation else Change.START
        message = messages.commit(Rollout(change, {}, before, after), spot.id, spot.environment)
        return message, text, records.write(after)

    def _build(self, spot: Spot, generation: int) -> builds.Build:
        model = spot.start(generation).model
        if model is None:
            raise ValueError("a start has a model")
        return builds.wanted(spot.environment, self._builder, model)

    def overlay(self, spot: Spot, generation: int) -> tuple[str, dict[str, bytes]]:
        """The commit message and the overlay's files after it."""
        message, component, record = (
            self._exchanged(text, spot, generation) for text in self._texts[generation]
        )
        return message, {
            PEOPLES: overlay.seed().encode(),
            COMPONENT: component.encode(),
            RECORD: record.encode(),
        }

    def job(self, spot: Spot, generation: int) -> tuple[str, bytes]:
        """The path on `builds` and the file of the Job that has built a model."""
        was, now = self._build(self._was, generation), self._build(spot, generation)
        text = self._job(generation).replace(was.key, now.key)
        name = jobs.job_name(key=now.key, package_id=now.package_id)
        return (
            f"{spot.environment}/{name}.yaml",
            self._exchanged(text, spot, generation).encode(),
        )

    @cache  # noqa: B019
    def _job(self, generation: int) -> str:
        made = self._build(self._was, generation)
        return documents.dump(
            jobs.job(
                builder=made.builder, model=made.model, package_id=made.package_id, key=made.key
            )
        )

    def _exchanged(self, text: str, spot: Spot, generation: int) -> str:
        was = self._was
        ages = range(generation + 1)
        exchanges = [
            (self._build(was, generation).image.tag, self._build(spot, generation).image.tag),
            (was.id, spot.id),
            (was.environment_id, spot.environment_id),
            (f"deployment {was.number}", f"deployment {spot.number}"),
            (f" in {was.environment}", f" in {spot.environment}"),
            *((was.model(age), spot.model(age)) for age in ages),
            *((was.package(age), spot.package(age)) for age in ages),
        ]
        for old, new in exchanges:
            text = text.replace(old, new)
        return text


@contextmanager
def served(root: Path) -> Iterator[str]:
    """The address of a smart HTTP server for the repositories below `root`."""
    server = subprocess.Popen(
        [PYTHON, "-m", "bench.server", str(root)],
        stdout=subprocess.PIPE, text=True, cwd=TOP, env=environ(root),
    )  # fmt: skip
    try:
        assert server.stdout is not None  # noqa: S101
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()
