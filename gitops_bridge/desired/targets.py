"""The kustomizations of a build to those patches among them that change nothing, because no object
is there that their target selects. kustomize takes them without a word; `checks` tells them.

What is there when a patch runs is told as kustomize accumulates it: resources, generated objects,
components on top of them, then the patches, then the new names. Names are matched as they were in
the file and as they are by then.
https://github.com/kubernetes-sigs/kustomize/blob/master/api/internal/target/kusttarget.go
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitops_bridge import documents

Kustomization = Mapping[str, Any]

_GENERATED = (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret"))
_SETS = re.compile(r"\[.*(\[|--|&&|\|\||~~)")
"""What Python may once read as a set of sets, and warns of."""
_UNFORESEEN = ("generators", "transformers", "helmCharts", "helmChartInflationGenerator")


@dataclass(frozen=True)
class _Object:
    """An object by what a target may select; `first` is its name in the file, `name` its last."""

    group: str
    version: str
    kind: str
    namespace: str
    first: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.first}"

    def is_selected(self, target: Mapping[str, Any]) -> bool:
        """A target's fields are regular expressions of the whole value. Selectors of labels and
        annotations are taken to match."""
        values = {
            "group": (self.group,), "version": (self.version,), "kind": (self.kind,),
            "namespace": (self.namespace or "default",), "name": (self.first, self.name),
        }  # fmt: skip
        return all(
            any(_fits(str(target[field]), value) for value in found)
            for field, found in values.items()
            if target.get(field)
        )


def _fits(pattern: str, value: str) -> bool:
    if _SETS.search(pattern):
        return True
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # Go's dialect, or an error that kustomize tells
        return True


class Targets:
    """Keeps the objects of files that several builds share."""

    def __init__(self) -> None:
        self._read: dict[bytes, tuple[_Object, ...]] = {}

    def missed(
        self,
        folder: str,
        files: Mapping[str, bytes],
        kustomizations: Mapping[str, Kustomization],
        links: Mapping[str, str] | None = None,
    ) -> list[str]:
        """The patches that select nothing in the build of `folder`, each with what is there.

        `files` are all that take part by their path, `kustomizations` those in them by folder,
        `links` the paths that lead through symbolic links with what is behind them.
        Nothing is said of a build whose objects only kustomize itself can know.
        """
        if any(item.get(key) for item in kustomizations.values() for key in _UNFORESEEN):
            return []
        build = _Build(files, kustomizations, links or {}, self._objects)
        build.accumulate(folder, ())
        return build.problems

    def _objects(self, content: bytes) -> tuple[_Object, ...]:
        if content not in self._read:
            self._read[content] = tuple(_objects(content))
        return self._read[content]


class _Build:
    def __init__(
        self,
        files: Mapping[str, bytes],
        kustomizations: Mapping[str, Kustomization],
        links: Mapping[str, str],
        objects: Callable[[bytes], Sequence[_Object]],
    ) -> None:
        self._files, self._kustomizations, self._objects = files, kustomizations, objects
        self._links = links
        self.problems: list[str] = []

    def accumulate(self, folder: str, given: Sequence[_Object]) -> list[_Object]:
        """The objects there are once the kustomization in `folder` has run on those `given`."""
        kustomization = self._kustomizations[folder]
        found = list(given)
        for path in self._paths(kustomization, ("resources", "bases"), folder):
            if path in self._kustomizations:
                found += self.accumulate(path, ())
            else:
                found += self._objects(self._files.get(path, b""))
        found += _generated(kustomization)
        for path in self._paths(kustomization, ("components",), folder):
            if path in self._kustomizations:
                found = self.accumulate(path, found)
        self.problems += _missed(kustomization, folder, found)
        return [_renamed(item, kustomization) for item in found]

    def _paths(
        self, kustomization: Kustomization, keys: Sequence[str], folder: str
    ) -> Iterator[str]:
        for key in keys:
            for reference in kustomization.get(key) or []:
                if isinstance(reference, str):
                    path = posixpath.normpath(posixpath.join(folder, reference))
                    yield self._links.get(path, path)


def _missed(kustomization: Kustomization, folder: str, there: Sequence[_Object]) -> Iterator[str]:
    for patch in _mappings(kustomization.get("patches")):
        target = patch.get("target")
        if not isinstance(target, Mapping) or any(item.is_selected(target) for item in there):
            continue
        wanted = ", ".join(f"{key}: {value}" for key, value in target.items())
        present = ", ".join(sorted({str(item) for item in there})) or "nothing"
        yield (
            f"{folder}: the patch with the target {{{wanted:.200}}} changes nothing: no such "
            f"object is there, but {present}"
        )


def _generated(kustomization: Kustomization) -> Iterator[_Object]:
    for key, kind in _GENERATED:
        for item in _mappings(kustomization.get(key)):
            name = str(item.get("name"))
            yield _Object("", "v1", kind, str(item.get("namespace") or ""), name, name)


def _renamed(item: _Object, kustomization: Kustomization) -> _Object:
    prefix, suffix = kustomization.get("namePrefix") or "", kustomization.get("nameSuffix") or ""
    return replace(
        item,
        name=f"{prefix}{item.name}{suffix}",
        namespace=str(kustomization.get("namespace") or item.namespace),
    )


def _objects(content: bytes) -> Iterator[_Object]:
    try:
        found = documents.load_all(content)
    except documents.InvalidYaml:
        return  # kustomize tells it
    for item in _mappings(found):
        metadata = item.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        group, _, version = str(item.get("apiVersion")).rpartition("/")
        name = str(metadata.get("name"))
        namespace = str(metadata.get("namespace") or "")
        yield _Object(group, version, str(item.get("kind")), namespace, name, name)


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, list) else []:
        if isinstance(item, Mapping):
            yield item
