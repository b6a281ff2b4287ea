"""A kustomization file's text to what it refers to: files and folders of the repository, and
addresses elsewhere.

Read as kustomize reads it: the first document, keys in any case. Every field that kustomize loads a
file for is known here, because it loads `http://…` from each of them too.
https://github.com/kubernetes-sigs/kustomize/blob/master/api/types/kustomization.go
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_bridge import documents
from gitops_bridge.errors import RenderError

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What kustomize looks for in a folder; more than one of them is an error of its own."""

_LISTS = (
    "resources", "components", "bases", "configurations", "crds",
    "generators", "transformers", "validators",
)  # fmt: skip
_NEEDED = ("resources", "components", "bases", "configurations", "generators", "transformers")
_PLUGINS = ("generators", "transformers", "validators")
_FILE_KEYS = frozenset({"path", "paths", "files", "envs", "env"})
_LOADING = (
    "patches", "patchesjson6902", "configmapgenerator", "secretgenerator", "openapi",
    "replacements", "helmcharts",
)  # fmt: skip
_CANONICAL: dict[str, str] = {
    name.lower(): name
    for name in (
        *_LISTS, "patches", "patchesStrategicMerge", "patchesJson6902", "configMapGenerator",
        "secretGenerator", "openapi", "replacements", "helmCharts", "helmChartInflationGenerator",
        "namePrefix", "nameSuffix", "namespace", "images", "replicas", "labels", "commonLabels",
        "commonAnnotations", "generatorOptions", "sortOptions", "buildMetadata", "vars",
        "apiVersion", "kind", "metadata",
    )
}  # fmt: skip

_REMOTE = re.compile(
    r"(git::)?([A-Za-z][A-Za-z0-9+.-]*://|github\.com[:/]|[A-Za-z][A-Za-z0-9-]*@[^/]*[:/])", re.I
)
_HOST = re.compile(
    r"(?:git::)?(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^/:]*)", re.I
)


@dataclass(frozen=True)
class Reference:
    """A file, a folder or an address that a kustomization names. `needed`: a build fails without
    it; of the others kustomize itself decides."""

    text: str
    field: str
    needed: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether kustomize would ask the network (or, with file://, clone a local repository)."""
        return _REMOTE.match(self.text) is not None

    @property
    def host(self) -> str:
        """The host of an address in lower case; "" for file:// and what has none."""
        found = _HOST.match(self.text)
        if found is None or (found["scheme"] or "").lower() == "file":
            return ""
        return found["host"].lower()


def parse(content: bytes, path: str) -> Mapping[str, Any]:
    """The kustomization in a file, its top-level keys as kustomize spells them.

    Raises RenderError naming `path`.
    """
    try:
        data = documents.first(content)
    except documents.InvalidYaml as error:
        raise RenderError(f"{path} is not YAML: {error}", hint="correct that line") from None
    if not isinstance(data, Mapping):
        raise RenderError(f"{path} is not a kustomization", hint="it must be a mapping")
    return {_CANONICAL.get(str(key).lower(), str(key)): value for key, value in data.items()}


def references(kustomization: Mapping[str, Any], path: str) -> Iterator[Reference]:
    """Everything that kustomize would load for the kustomization at `path`. Raises RenderError for
    a list that is none."""
    for key in _LISTS:
        for text in _listed(kustomization, key, path):
            if "\n" not in text:
                yield Reference(text, key, key in _NEEDED)
            elif key in _PLUGINS:
                yield from plugin_references(text.encode(), key)
    for text in _listed(kustomization, "patchesStrategicMerge", path):
        if "\n" not in text:
            yield Reference(text, "patchesStrategicMerge")
    for key in _LOADING:
        yield from _loaded(kustomization.get(_CANONICAL[key]), _CANONICAL[key])


def plugin_references(content: bytes, field: str) -> Iterator[Reference]:
    """What the configuration of a generator or transformer would load."""
    try:
        found = documents.load_all(content)
    except documents.InvalidYaml:
        return  # kustomize tells it
    for item in found:
        yield from _loaded(item, field)


def are_plugins(reference: Reference) -> bool:
    return reference.field in _PLUGINS


def _listed(kustomization: Mapping[str, Any], key: str, path: str) -> list[str]:
    listed = kustomization.get(key) or []
    if not isinstance(listed, list):
        raise RenderError(f"{path}: {key} is {listed!r:.60}", hint="it must be a list")
    return [item for item in listed if isinstance(item, str)]


def _loaded(node: object, field: str) -> Iterator[Reference]:
    """The texts at the keys that name files, however deep."""
    if isinstance(node, list):
        for item in node:
            yield from _loaded(item, field)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            name = str(key).lower()
            if name in _FILE_KEYS:
                for text in value if isinstance(value, list) else [value]:
                    if isinstance(text, str) and "\n" not in text:
                        yield Reference(_without_key(text, name), f"{field}.{key}")
            yield from _loaded(value, field)


def _without_key(text: str, name: str) -> str:
    """`files` may say `key=path`."""
    return text.partition("=")[2] if name == "files" and "=" in text else text
