"""A repository to what in it tells Argo CD or Flux to read its folders.

`init` must not write into a folder that something else reads: a root Application would apply our
files, or turn from a directory of manifests to our kustomization.yaml and prune all the rest; an
ApplicationSet over overlays/*/* would deploy each model a second time.
Sources: https://argo-cd.readthedocs.io/en/stable/user-guide/directory/,
https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/Generators-Git/,
https://fluxcd.io/flux/components/kustomize/kustomizations/#path.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from gitops_bridge import documents
from gitops_bridge.scaffold.plan import Tree

_KINDS = re.compile(rb"kind:\s*[\"']?(Application|ApplicationSet|Kustomization)\b")
_GROUPS = ("argoproj.io/", "kustomize.toolkit.fluxcd.io/")
_LARGEST = 1 << 20  # bytes of a file that people write by hand
_MOST = 50_000  # files that are looked at


@dataclass(frozen=True)
class Reader:
    """What reads folders: `who` it is, the `file` that says so, the folder or pattern it reads,
    whether folders below it too, and patterns of folders that it leaves out."""

    who: str
    file: str
    folder: str
    is_recursive: bool = False
    leaves_out: tuple[str, ...] = ()

    def reads(self, folder: str) -> bool:
        """Whether it reads the files that lie in `folder`; "" is the top of the repository."""
        if any(_matches(folder, pattern) for pattern in self.leaves_out):
            return False
        if self.is_recursive and (not self.folder or f"{folder}/".startswith(f"{self.folder}/")):
            return True
        return _matches(folder, self.folder)


def readers(tree: Tree, ours: Collection[str] = ()) -> list[Reader]:
    """Whatever reads a folder, by the YAML files of the repository but `ours`."""
    found: list[Reader] = []
    for path in _yaml_files(tree, ours):
        content = tree.read(path)
        if content and len(content) <= _LARGEST and _KINDS.search(content):
            for document in _documents(content):
                found += _of(document, path)
    return [item for item in found if not _is_rendered(tree, item.folder)]


def _is_rendered(tree: Tree, folder: str) -> bool:
    """Whether only what a file there lists is read, and not whatever else is put beside it."""
    return not {
        "kustomization.yaml",
        "kustomization.yml",
        "Kustomization",
        "Chart.yaml",
    }.isdisjoint(tree.entries(folder) if "*" not in folder else ())


def _yaml_files(tree: Tree, ours: Collection[str]) -> Iterator[str]:
    waiting, left = [""], _MOST
    while waiting:
        folder = waiting.pop()
        for name, (kind, _) in tree.entries(folder).items():
            path = f"{folder}/{name}" if folder else name
            if kind == "tree":
                waiting.append(path)
            elif path.endswith((".yaml", ".yml", ".json")) and path not in ours and left:
                left -= 1
                yield path


def _documents(content: bytes) -> list[Any]:
    try:
        return documents.load_all(content)
    except documents.InvalidYaml:
        return []  # a template; what Helm makes of it cannot be told


def _of(document: Any, file: str) -> Iterator[Reader]:
    group = str(document.get("apiVersion")) if isinstance(document, Mapping) else ""
    if not group.startswith(_GROUPS) or not isinstance(document.get("spec"), Mapping):
        return
    kind, spec = document.get("kind"), document["spec"]
    who = f"{kind} {_at(document, 'metadata', 'name') or 'without a name'}"
    if kind == "Application":
        yield from _sources(spec, who, file)
    elif kind == "ApplicationSet":
        yield from _generators(spec, who, file)
        yield from _sources(_at(spec, "template", "spec"), who, file)
    elif kind == "Kustomization" and isinstance(spec.get("path", ""), str):
        yield Reader(who, file, _normal(spec.get("path", "")), is_recursive=True)


def _sources(spec: Any, who: str, file: str) -> Iterator[Reader]:
    """Those of the sources that name a folder outright; an ApplicationSet's mostly do not."""
    several = _at(spec, "sources")
    for source in [_at(spec, "source"), *(several if isinstance(several, list) else [])]:
        path = _at(source, "path")
        if isinstance(path, str) and "{{" not in path and not _at(source, "directory", "exclude"):
            yield Reader(who, file, _normal(path), bool(_at(source, "directory", "recurse")))


def _generators(node: Any, who: str, file: str) -> Iterator[Reader]:
    """Of the git generators at any depth, for matrix and merge hold others."""
    if isinstance(node, Mapping):
        directories = _at(node, "git", "directories")
        items = [item for item in directories or [] if isinstance(item, Mapping)]
        left_out = tuple(_pattern(item) for item in items if item.get("exclude"))
        for item in items:
            if not item.get("exclude"):
                yield Reader(who, file, _pattern(item), leaves_out=left_out)
    inner: Collection[Any] = node.values() if isinstance(node, Mapping) else ()
    for child in node if isinstance(node, list) else inner:
        if isinstance(child, Mapping | list):
            yield from _generators(child, who, file)


def _pattern(item: Mapping[str, Any]) -> str:
    """What a template stands for may be anything."""
    return _normal(re.sub(r"\{\{.*?\}\}", "*", str(item.get("path", ""))))


def _at(node: Any, *steps: str) -> Any:
    for step in steps:
        node = node.get(step) if isinstance(node, Mapping) else None
    return node


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path}").strip("/")


def _matches(folder: str, pattern: str) -> bool:
    """Step by step, for `*` does not match a slash there."""
    steps, patterns = folder.split("/"), pattern.split("/")
    if bool(folder) is not bool(pattern) or len(steps) != len(patterns):
        return False
    return all(map(fnmatchcase, steps, patterns))
