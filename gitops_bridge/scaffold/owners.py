"""A repository and what `init` wants to write, to the folders that belong to somebody else."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gitops_bridge.scaffold.placing import placed
from gitops_bridge.scaffold.plan import Manifest, Tree
from gitops_bridge.scaffold.readers import readers

_NAMED = 3
_DEPLOYMENT = "<deployment id>"


def in_the_way(tree: Tree, root: str, wanted: Collection[str], known: Manifest) -> list[str]:
    """Folders that `wanted`, paths of the scaffold, must not be written into: they hold what init
    did not write, or something else reads them. `tree` is the whole repository, of which `known` is
    what init wrote there before."""
    paths = {placed(root, path) for path in wanted}
    ours = {placed(root, path) for path in known.files}
    found = [_held(tree, folder, paths | ours) for folder in _owned(root, wanted, known)]
    new = {path.rpartition("/")[0] for path in paths - ours}
    probes = {placed(root, f"{path.rpartition('/environment/')[0]}/{_DEPLOYMENT}/model")
              for path in wanted if "/environment/" in path}  # fmt: skip
    below = {above for folder in new | probes for above in _up(folder)}
    for reader in readers(tree, ours):
        folders = sorted(below if "*" in reader.folder else new)
        read = next((folder for folder in folders if reader.reads(folder)), None)
        if read is not None:
            found.append(f"{_shown(read)} (read by the {reader.who}, see {reader.file})")
    return [text for text in found if text]


def beside(tree: Tree, root: str, environments: Collection[str]) -> Iterator[str]:
    """What lies in an environment's folder and is no model, in words."""
    for name in environments:
        folder = placed(root, f"overlays/{name}")
        for entry, (kind, _) in tree.entries(folder).items():
            is_model = tree.id(f"{folder}/{entry}/model") is not None
            if kind == "tree" and entry != "environment" and not is_model:
                yield (
                    f"{folder}/{entry} is no model and stays as it is: Argo CD takes the folders "
                    "that hold model/"
                )


def _up(folder: str) -> Iterator[str]:
    """The folder and those it lies in. A generator of Argo CD passes over hidden ones."""
    while folder and not folder.startswith("."):
        yield folder
        folder = folder.rpartition("/")[0]


def _owned(root: str, wanted: Collection[str], known: Manifest) -> list[str]:
    """The folders that are new with `wanted` and ours alone."""
    tops = set() if known.version else {"argocd", "base"}
    tops |= {
        "/".join(path.split("/")[:3])
        for path in wanted
        if path.startswith("overlays/") and path not in known.files
    }
    return sorted(placed(root, top) for top in tops)


def _held(tree: Tree, folder: str, ours: Collection[str]) -> str | None:
    """The folder with the first of the files in it that are not `ours`."""
    foreign = [path for path in _files(tree, folder) if path not in ours]
    if not foreign:
        return None
    names = [path.removeprefix(f"{folder}/") for path in foreign[:_NAMED]]
    more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
    return f"{folder}/ (holds {', '.join(names)}{more})"


def _files(tree: Tree, folder: str) -> Iterator[str]:
    for name, (kind, _) in sorted(tree.entries(folder).items()):
        if kind == "tree":
            yield from _files(tree, f"{folder}/{name}")
        else:
            yield f"{folder}/{name}"


def _shown(folder: str) -> str:
    return f"{folder}/" if folder else "the top of the repository"
