"""An environment's folder to what a rollout needs of it; `rollouts` and `checks` ask.

The team's Kustomize is the only place for these settings, so they are read from its rendered form:
where the routes take the deployment's id, where images go and what they are built on.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitops_bridge.bridge.sources import KUSTOMIZATION, Reader, Sources
from gitops_bridge.desired import build, overlay, proof
from gitops_bridge.errors import ConfigError
from gitops_bridge.kustomize import Kustomize

_PROBE = "gitops-bridge-probe"


@dataclass(frozen=True)
class Facts:
    """seams and builder of an environment; `guards` are the folders they were read from."""

    seams: overlay.Seams
    builder: build.Builder
    guards: dict[str, str | None]


def folder(environment: str) -> str:
    return f"overlays/{environment}/environment"


def facts(reader: Reader, environment: str, kustomize: Kustomize) -> Facts:
    """What the rendered environment says. Raises ConfigError when it was never set up, RenderError
    when it does not render or lacks a seam."""
    home = folder(environment)
    if reader.tree.id(home) is None:
        raise ConfigError(
            f"the repository has no {home}",
            hint=f"gitops-bridge init sets up the environment {environment}",
        )
    probe = f"overlays/{environment}/{_PROBE}"
    serving = reader.sources(probe, {KUSTOMIZATION: overlay.environment_probe().encode()})
    building = reader.sources(f"{home}/builder")
    roots = {**serving.roots, **building.roots}
    return Facts(
        seams=overlay.seams(_rendered(serving, probe, kustomize)),
        builder=build.builder(_rendered(building, f"{home}/builder", kustomize)),
        guards={key: value for key, value in roots.items() if key != probe},
    )


def _rendered(found: Sources, path: str, kustomize: Kustomize) -> list[proof.Manifest]:
    return proof.manifests(kustomize.build(found.files, path), path)
