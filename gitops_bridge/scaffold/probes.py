"""A repository as it will be to what must render before it is committed.

`cli.init` has kustomize build each folder named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitops_bridge import documents

_PROBE = "probe"
_SERVING = "/environment/serving/kustomization.yaml"


def environments(files: Iterable[str]) -> list[str]:
    """The environments whose serving component is among the paths."""
    parts = [path.split("/") for path in files if path.endswith(_SERVING)]
    return sorted(name for top, name, *rest in parts if top == "overlays" and len(rest) == 3)


def tree(files: Mapping[str, bytes], environments: Iterable[str]) -> dict[str, bytes]:
    """`files` with one made-up deployment in each environment that uses every part of it."""
    probes = {
        f"overlays/{name}/{_PROBE}/kustomization.yaml": _deployment() for name in environments
    }
    return {**files, **{path: text.encode() for path, text in probes.items()}}


def folders(environments: Iterable[str]) -> list[str]:
    return [
        folder
        for name in environments
        for folder in (f"overlays/{name}/{_PROBE}", f"overlays/{name}/environment/builder")
    ]


def _deployment() -> str:
    model = "../../../base/components/dedicated-model"
    parts = ["../environment/serving", model, f"{model}/monitored"]
    return documents.dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": ["../../../base"],
            "components": [*parts, "../environment/monitoring", "../environment/autoscaling"],
        }
    )
