"""Every overlay of a repository rendered and verified: `gitops-bridge check`, a team's own CI.

Starting kustomize costs more than building an overlay, so overlays are built by the dozen in one
aggregate and told apart by their deployment label. An aggregate that does not build, or holds what
no deployment owns, is built one by one, so that every problem is told with its overlay.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitops_bridge import agent, documents
from gitops_bridge.config import Config, Trust
from gitops_bridge.controller import environments, rehearsal
from gitops_bridge.controller.checkout import Folder, links_out
from gitops_bridge.controller.environments import ARGOCD
from gitops_bridge.controller.sources import KUSTOMIZATION, Reader, Sources, Tree
from gitops_bridge.desired import admission, overlay, proof
from gitops_bridge.desired import record as records
from gitops_bridge.desired.admission.shared_names import SharedNames
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.desired.targets import Targets
from gitops_bridge.errors import BridgeError
from gitops_bridge.kustomize import Kustomize, warnings

CONFIG = "gitops-bridge.yaml"
_TOGETHER = 25  # overlays in one build; more makes kustomize slower than linear
_AGGREGATE = "gitops-bridge-aggregate"
_DEPLOYMENT = re.compile(r"[0-9a-f]{24}")


class Repository(Tree, Protocol):
    """A tree that can be listed."""

    def entries(self, path: str) -> Mapping[str, tuple[str, str]]: ...


@dataclass(frozen=True)
class Finding:
    """A folder of the repository and what is wrong with it; `problems` is empty when it holds.
    `warnings` are what renders and would be refused later, or what kustomize itself says."""

    folder: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def environment_names(tree: Repository) -> list[str]:
    """The folders below overlays/ that are environments of ours: a team may have others there."""
    return [
        name
        for name, (kind, _) in sorted(tree.entries("overlays").items())
        if kind == "tree"
        and (tree.id(environments.folder(name)) is not None or deployments(tree, name))
    ]


def deployments(tree: Repository, environment: str) -> list[str]:
    """The folders of an environment's deployments: those that hold model/, or are called so that
    they should."""
    return [
        f"overlays/{environment}/{name}"
        for name, (kind, _) in sorted(tree.entries(f"overlays/{environment}").items())
        if kind == "tree"
        and name != "environment"
        and (
            _DEPLOYMENT.fullmatch(name)
            or tree.id(f"overlays/{environment}/{name}/model") is not None
        )
    ]


def overlays(root: Path) -> list[str]:
    """The deployments' folders of a checkout, sorted."""
    tree = Folder(root)
    return [folder for name in environment_names(tree) for folder in deployments(tree, name)]


def check(root: Path, kustomize: Kustomize, config: Config | None = None) -> Iterator[Finding]:
    """A Finding for each environment and each deployment of the checkout at `root`, for argocd/
    where there is one, and for links that Argo CD refuses. `config` is by default what the
    checkout's own gitops-bridge.yaml says. Raises ConfigError."""
    if config is None and (root / CONFIG).is_file():
        config = agent.read_config(root / CONFIG)
    found = [
        f"the symbolic link {path} leads out of the repository: Argo CD refuses to render anything "
        "of it (reposerver.allow.oob.symlinks)"
        for path in links_out(root)
    ]
    if found:
        yield Finding(".", tuple(found))
    workers = len(os.sched_getaffinity(0))
    yield from examine(Folder(root), kustomize, config, workers)


def examine(
    tree: Repository, kustomize: Kustomize, config: Config | None, workers: int = 1
) -> Iterator[Finding]:
    """As `check`, for any tree; of a snapshot with one worker only."""
    reader = Reader(tree, config.render.hosts if config else ())
    names = environment_names(tree)
    folders = [folder for name in names for folder in deployments(tree, name)]
    rules = admission.rules(
        admission.read({f"{ARGOCD}/{path}": text for path, text in tree.files(ARGOCD).items()}),
        environments=names,
        folders=folders,
        ids={item.name: item.id for item in config.environments} if config else {},
        trust=config.trust if config else Trust(),
        root=config.repository.root if config else "",
    )
    if rules.platform.sets:
        yield Finding(ARGOCD, tuple(rules.of_platform()))
    targets, shared = Targets(), SharedNames()
    for name in names:
        found = rehearsal.rehearsed(reader, name, kustomize, targets, rules)
        yield Finding(environments.folder(name), found.problems, found.warnings)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for rendered in pool.map(lambda some: render(reader, some, kustomize), chunks(folders)):
            for item in rendered:
                yield _judged(item, targets, rules, shared)


def chunks(folders: Sequence[str]) -> Iterator[Sequence[str]]:
    """Folders in portions that are built together."""
    for start in range(0, len(folders), _TOGETHER):
        yield folders[start : start + _TOGETHER]


def _judged(
    rendered: Rendered, targets: Targets, rules: admission.Rules, shared: SharedNames
) -> Finding:
    folder, used, objects = rendered.folder, rendered.used, rendered.objects
    if isinstance(used, BridgeError) or isinstance(objects, BridgeError):
        error = used if isinstance(used, BridgeError) else objects
        return Finding(folder, (str(error),))
    own = {
        path.removeprefix(f"{folder}/"): text
        for path, text in used.files.items()
        if path.startswith(f"{folder}/")
    }
    judged = admission.Overlay(folder, objects, used.kustomizations.keys(), own)
    application = rules.application(folder)
    problems = (
        *_verified(folder, used, objects, targets),
        *rules.of_overlay(judged),
        *(shared.add(application, objects) if application else ()),
    )
    return Finding(folder, tuple(dict.fromkeys(problems)), rendered.warnings)


@dataclass(frozen=True)
class Rendered:
    """A folder with what it was built from and its manifests, or with the error instead."""

    folder: str
    used: Sources | BridgeError
    objects: list[proof.Manifest] | BridgeError
    warnings: tuple[str, ...] = ()


def render(reader: Reader, folders: Sequence[str], kustomize: Kustomize) -> list[Rendered]:
    """Each folder rendered; together where that tells them apart."""
    used = {folder: _sources(reader, folder) for folder in folders}
    sound = {folder: item for folder, item in used.items() if isinstance(item, Sources)}
    together = _together(sound, kustomize)
    return [
        Rendered(folder, item, item)
        if isinstance(item, BridgeError)
        else Rendered(folder, item, together[folder])
        if folder in together
        else _alone(item, folder, kustomize)
        for folder, item in used.items()
    ]


def _sources(reader: Reader, folder: str) -> Sources | BridgeError:
    try:
        return reader.sources(folder)
    except BridgeError as error:
        return error


def _together(
    used: Mapping[str, Sources], kustomize: Kustomize
) -> Mapping[str, list[proof.Manifest]]:
    """The manifests by folder from one build of all, nothing when that cannot be relied on."""
    if len(used) < 2:
        return {}
    aggregate = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"../{folder}" for folder in used],
    }
    files = {path: content for item in used.values() for path, content in item.files.items()}
    files[f"{_AGGREGATE}/{KUSTOMIZATION}"] = documents.dump(aggregate).encode()
    try:
        text = kustomize.build(files, _AGGREGATE)
        objects = proof.manifests(text, _AGGREGATE)
    except BridgeError:
        return {}
    if warnings(text):
        return {}  # one by one it is clear whose they are
    by_id: dict[object, list[proof.Manifest]] = {}
    for item in objects:
        by_id.setdefault(_owner(item), []).append(item)
    found = {folder: by_id.pop(posixpath.basename(folder), []) for folder in used}
    return {} if by_id or not all(found.values()) else found


def _owner(item: proof.Manifest) -> object:
    return str(overlay.at(item, "metadata", "labels", overlay.DEPLOYMENT_LABEL))


def _alone(used: Sources, folder: str, kustomize: Kustomize) -> Rendered:
    try:
        text = kustomize.build(used.files, folder)
        return Rendered(folder, used, proof.manifests(text, folder), tuple(warnings(text)))
    except BridgeError as error:
        return Rendered(folder, used, error)


def _verified(
    folder: str, used: Sources, objects: list[proof.Manifest], targets: Targets
) -> Iterator[str]:
    """What would be refused in a rollout, and what kustomize takes though nobody can mean it."""
    deployment = posixpath.basename(folder)
    model = used.kustomizations.get(used.links.get(f"{folder}/model", f"{folder}/model"), {})
    yield from proof.problems(
        objects,
        deployment=deployment,
        image=proof.pinned(model),
        kustomizations=used.kustomizations.values(),
    )
    yield from _of_record(folder, used, deployment)
    if not used.remote:
        yield from targets.missed(folder, used.files, used.kustomizations, used.links)
    own = {path: text for path, text in used.files.items() if path.startswith(f"{folder}/")}
    yield from rehearsal.repeated(
        {path: text for path, text in own.items() if not path.endswith(RECORD)}
    )
    yield from _namespaces(used)


def _namespaces(used: Sources) -> Iterator[str]:
    """Argo CD's Application says where a deployment goes."""
    for where, item in used.kustomizations.items():
        if item.get("namespace"):
            yield (
                f"{where}: remove `namespace:`: Argo CD's Application sets it, and kustomize would "
                "lose an autoscaler's reference to its Deployment"
            )


def _of_record(folder: str, used: Sources, deployment: str) -> Iterable[str]:
    path = f"{folder}/{RECORD}"
    content = used.files.get(path)
    if content is None:
        yield f"{RECORD} is missing"
        return
    try:
        named = records.read(content, path).deployment
    except BridgeError as error:
        yield str(error)
        return
    if named != deployment:
        yield f"{RECORD} is of deployment {named!r}: the folder was copied"
