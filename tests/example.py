"""What an action would write for `overlays/example`: `python -m tests.example` writes it there."""

from __future__ import annotations

from dataclasses import replace

from gitops_bridge.actions import (
    Action,
    Deployment,
    ExecutionType,
    Model,
    ModelFormat,
    Package,
    Request,
    Scale,
)
from gitops_bridge.controller import builds, environments
from gitops_bridge.controller.checkout import Folder
from gitops_bridge.controller.sources import Reader
from gitops_bridge.desired import overlay
from gitops_bridge.desired.rollout import OverlayFiles, Rollout, decide
from gitops_bridge.kustomize import find
from tests.team import TOP

HOME = TOP / "overlays/example/65a000000000000000000010"
DIGEST = "sha256:" + "85e4" * 16
REQUEST = Request(
    action=Action.DEPLOYMENT_START,
    environment_id="65a000000000000000000001",
    deployment=Deployment("65a000000000000000000010", "churn"),
    model=Model(
        "65a000000000000000000020",
        ExecutionType.DEDICATED,
        ModelFormat.PACKAGE,
        name="Gradient Boosted Trees",
        package=Package("65a000000000000000000030", "churn v7", "churned", "Binary"),
    ),
    scale=Scale(minimum=2, maximum=4),
    monitoring=True,
)


def files() -> dict[str, bytes]:
    """The example deployment's files by their path in its folder."""
    facts = environments.facts(Reader(Folder(TOP)), "example", find(""))
    deployment, model = REQUEST.deployment, REQUEST.model
    assert deployment is not None
    assert model is not None
    image = replace(builds.wanted("example", facts.builder, model).image, digest=DIGEST)

    def component(restarts: int) -> str:
        return overlay.component(
            deployment_id=deployment.id,
            environment_id=REQUEST.environment_id,
            model=model,
            scale=REQUEST.scale,
            monitoring=REQUEST.monitoring,
            image=image,
            seams=facts.seams,
            restarts=restarts,
            name=deployment.name,
        )

    rollout = decide(REQUEST, OverlayFiles({}), image, component, 1)
    assert isinstance(rollout, Rollout)
    return {path: content for path, content in rollout.files.items() if content is not None}


if __name__ == "__main__":
    for path, content in files().items():
        (HOME / path).write_bytes(content)
