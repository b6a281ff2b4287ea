"""Every overlay of a repository rendered and verified: `gitops-bridge check`, a team's own CI.

Starting kustomize costs more than building an overlay, so overlays are built by the dozen in one
aggregate and told apart by their deployment label. An aggregate that does not build, or holds what
no deployment owns, is built one by one, so that every problem is told with its overlay.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gitops_bridge import blobs, documents
from gitops_bridge.controller import environments
from gitops_bridge.controller.sources import KUSTOMIZATION, Reader, Sources
from gitops_bridge.desired import kustomization, overlay, proof
from gitops_bridge.desired import record as records
from gitops_bridge.desired.reach import removed_overlays, too_many
from gitops_bridge.desired.rollout import RECORD
from gitops_bridge.desired.targets import Targets
from gitops_bridge.errors import BridgeError
from gitops_bridge.git import removed
from gitops_bridge.kustomize import Kustomize

_TOGETHER = 25  # overlays in one build; more makes kustomize slower than linear
_AGGREGATE = "gitops-bridge-aggregate"


@dataclass(frozen=True)
class Finding:
    """A folder of the repository and what is wrong with it; `problems` is empty when it holds.
    `warnings` are what kustomize says and renders all the same."""

    folder: str
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()


class Folder:
    """A checked-out repository, read as a Tree is: as Git sees it, so no link is followed and no
    submodule entered."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def id(self, path: str) -> str | None:
        """Only whether something is there: a work tree has no ids."""
        target = self._root / path
        return "present" if os.path.lexists(target) and not self._is_behind(path) else None

    def read(self, path: str) -> bytes | None:
        target = self._root / path
        if self.id(path) is None or target.is_dir() or target.is_symlink():
            return None
        return target.read_bytes()

    def link(self, path: str) -> str | None:
        target = self._root / path
        return os.readlink(target) if target.is_symlink() and not self._is_behind(path) else None

    def files(self, path: str) -> Mapping[str, bytes]:
        base = self._root / path
        if self._is_behind(path) or base.is_symlink():
            return {}
        return {found.relative_to(base).as_posix(): _content(found) for found in _below(base)}

    def _is_behind(self, path: str) -> bool:
        """Whether a folder on the way to `path` is a link or a submodule."""
        parents = list((self._root / path).relative_to(self._root).parents)[:-1]
        return any(_ends(self._root / parent) for parent in parents)


def _below(folder: Path) -> Iterator[Path]:
    """Everything below that Git would keep, sorted."""
    for found in sorted(folder.iterdir()) if folder.is_dir() else []:
        if found.name == ".git":
            continue
        if found.is_dir() and not _ends(found):
            yield from _below(found)
        else:
            yield found


def _ends(folder: Path) -> bool:
    return folder.is_symlink() or (folder / ".git").exists()


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return blobs.Special(os.readlink(os.fsencode(path)), blobs.LINK)
    if path.is_dir():
        return blobs.Special(b"", blobs.SUBMODULE)
    return blobs.of(path.read_bytes(), blobs.EXECUTABLE if path.stat().st_mode & 0o100 else 0)


def overlays(root: Path) -> list[str]:
    """The deployments' folders below `overlays/`, sorted."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in (root / "overlays").glob("*/*")
        if path.is_dir() and path.name != "environment"
    )


def check(root: Path, kustomize: Kustomize) -> Iterator[Finding]:
    """A Finding for each environment and each deployment of the checkout at `root`."""
    reader = Reader(Folder(root))
    names = sorted(path.name for path in (root / "overlays").glob("*") if path.is_dir())
    targets = Targets()
    for name in names:
        found = environments.problems(reader, name, kustomize, targets)
        yield Finding(environments.folder(name), tuple(found))
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        checked = pool.map(
            lambda some: _checked(reader, some, kustomize, targets), chunks(overlays(root))
        )
        for findings in checked:
            yield from findings


def chunks(folders: Sequence[str]) -> Iterator[Sequence[str]]:
    """Folders in portions that are built together."""
    for start in range(0, len(folders), _TOGETHER):
        yield folders[start : start + _TOGETHER]


def _checked(
    reader: Reader, folders: Sequence[str], kustomize: Kustomize, targets: Targets
) -> list[Finding]:
    return [
        _verified(folder, used, rendered, targets)
        if isinstance(used, Sources) and isinstance(rendered, list)
        else Finding(folder, (str(used if isinstance(used, BridgeError) else rendered),))
        for folder, used, rendered in render(reader, folders, kustomize)
    ]


Rendered = tuple[str, "Sources | BridgeError", "list[proof.Manifest] | BridgeError"]


def render(reader: Reader, folders: Sequence[str], kustomize: Kustomize) -> list[Rendered]:
    """Each folder with what it was built from and its manifests, or with the error instead."""
    used = {folder: _sources(reader, folder) for folder in folders}
    sound = {folder: item for folder, item in used.items() if isinstance(item, Sources)}
    together = _together(sound, kustomize)
    return [
        (
            folder,
            item,
            item
            if isinstance(item, BridgeError)
            else together[folder]
            if folder in together
            else _alone(item, folder, kustomize),
        )
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
        objects = proof.manifests(kustomize.build(files, _AGGREGATE), _AGGREGATE)
    except BridgeError:
        return {}
    by_id: dict[object, list[proof.Manifest]] = {}
    for item in objects:
        by_id.setdefault(_owner(item), []).append(item)
    found = {folder: by_id.pop(posixpath.basename(folder), []) for folder in used}
    return {} if by_id or not all(found.values()) else found


def _owner(item: proof.Manifest) -> object:
    return str(overlay.at(item, "metadata", "labels", overlay.DEPLOYMENT_LABEL))


def _alone(used: Sources, folder: str, kustomize: Kustomize) -> list[proof.Manifest] | BridgeError:
    try:
        return proof.manifests(kustomize.build(used.files, folder), folder)
    except BridgeError as error:
        return error


def _verified(
    folder: str, used: Sources, objects: list[proof.Manifest], targets: Targets
) -> Finding:
    """What would be refused in a rollout, and what kustomize takes though nobody can mean it."""
    deployment = posixpath.basename(folder)
    found = proof.problems(
        objects,
        deployment=deployment,
        image=proof.pinned(used.kustomizations.get(f"{folder}/model", {})),
        kustomizations=used.kustomizations.values(),
    )
    own = {
        path: text
        for path, text in used.files.items()
        if path.startswith(f"{folder}/") and not path.endswith(RECORD)
    }
    return Finding(
        folder,
        (
            *found,
            *_of_record(folder, used, deployment),
            *targets.missed(folder, used.files, used.kustomizations),
            *environments.repeated(own),
            *_namespaces(used),
        ),
    )


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


def removals(root: Path, since: str, limit: int) -> str | None:
    """Why the checkout may not replace revision `since`: more than `limit` deployments are gone."""
    gone = {
        folder
        for folder in removed_overlays(removed(root, since))
        if not any((root / folder / name).exists() for name in kustomization.NAMES)
    }
    return too_many(gone, limit) if len(gone) > limit else None
