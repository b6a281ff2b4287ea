"""An environment's folder to what a rollout needs of it.

The team's Kustomize is the only place for these settings, so they are read from its rendered form:
where the routes take the deployment's id, where images go and what they are built on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from gitops_bridge import __version__
from gitops_bridge.controller.listing import never_set_up
from gitops_bridge.controller.sources import KUSTOMIZATION, Reader, Sources, Tree
from gitops_bridge.desired import admission, build, overlay, proof
from gitops_bridge.errors import RenderError
from gitops_bridge.kustomize import Kustomize

ARGOCD = "argocd"
_PROBE = "gitops-bridge-probe"


@dataclass(frozen=True)
class Facts:
    """seams and builder of an environment; `guards` are the folders they were read from."""

    seams: overlay.Seams
    builder: build.Builder
    guards: dict[str, str | None]


def folder(environment: str) -> str:
    return f"overlays/{environment}/environment"


def require(tree: Tree, environment: str) -> None:
    """That the repository was ever set up for the environment, so that what it does not hold may
    be called stopped. Raises ConfigError."""
    if tree.id(f"overlays/{environment}") is None:
        raise never_set_up(environment)


def facts(reader: Reader, environment: str, kustomize: Kustomize) -> Facts:
    """What the rendered environment says. Raises ConfigError when it was never set up, RenderError
    when it does not render or lacks a seam."""
    _refuse_absent(reader.tree, environment)
    noted = _noted(environment, reader, kustomize)
    if noted is None:
        noted = read(reader, environment, kustomize)
        _note(environment, kustomize, noted)
    return noted


def _refuse_absent(tree: Tree, environment: str) -> None:
    if tree.id(folder(environment)) is None:
        raise never_set_up(environment)


def read(reader: Reader, environment: str, kustomize: Kustomize) -> Facts:
    """As `facts`, rendered now: for trees whose ids do not change with their content."""
    _refuse_absent(reader.tree, environment)
    home, probe = folder(environment), f"overlays/{environment}/{_PROBE}"
    for part in ("serving", "builder"):
        if reader.tree.id(f"{home}/{part}") is None:
            raise RenderError(
                f"the repository has no {home}/{part}", hint="git revert the commit that removed it"
            )
    serving = reader.sources(probe, {KUSTOMIZATION: overlay.environment_probe().encode()})
    building = reader.sources(f"{home}/builder")
    roots = {**serving.roots, **building.roots, ARGOCD: reader.tree.id(ARGOCD)}
    try:
        seams = replace(
            overlay.seams(_rendered(serving, probe, kustomize)),
            leaves_replicas=_leaves_replicas(reader.tree, probe),
        )
        builder = build.builder(_rendered(building, f"{home}/builder", kustomize))
    except RenderError as error:
        said = error.message.replace(probe, f"{home}/serving")
        raise RenderError(said if home in said else f"{home}: {said}", hint=error.hint) from None
    return Facts(seams, builder, {key: value for key, value in roots.items() if key != probe})


def _leaves_replicas(tree: Tree, probe: str) -> bool:
    """Whether the ApplicationSet says so that would deploy `probe`."""
    files = {f"{ARGOCD}/{path}": content for path, content in tree.files(ARGOCD).items()}
    applications, _ = admission.read(files).applications([probe])
    return any(item.leaves_replicas for item in applications)


def _noted(environment: str, reader: Reader, kustomize: Kustomize) -> Facts | None:
    """What was read before from the very same folders by this version and the same renderer, None
    when there is no such note. It spares an action the reading of everything its environment is
    made of."""
    if kustomize.cache is None:
        return None
    text = kustomize.cache.read(f"facts-{environment}.json", _made_from(kustomize))
    if text is None:
        return None
    data = json.loads(text)
    guards = data["guards"]
    if any(reader.tree.id(path) != identifier for path, identifier in guards.items()):
        return None
    routes = tuple(overlay.Route(**route) for route in data["routes"])
    seams = overlay.Seams(routes, data["leaves_replicas"])
    return Facts(seams, build.Builder(**data["builder"]), guards)


def _note(environment: str, kustomize: Kustomize, facts: Facts) -> None:
    if kustomize.cache is None:
        return
    data = {
        "guards": facts.guards,
        "routes": [asdict(route) for route in facts.seams.routes],
        "leaves_replicas": facts.seams.leaves_replicas,
        "builder": asdict(facts.builder),
    }
    kustomize.cache.write(f"facts-{environment}.json", json.dumps(data), _made_from(kustomize))


def _made_from(kustomize: Kustomize) -> str:
    return f"{__version__} {kustomize.identity}"


def _rendered(found: Sources, path: str, kustomize: Kustomize) -> list[proof.Manifest]:
    return proof.manifests(kustomize.build(found.files, path), path)
