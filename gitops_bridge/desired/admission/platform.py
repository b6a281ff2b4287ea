"""The manifests of argocd/ to what Argo CD will do with each folder: the Applications that the
ApplicationSets make, the projects they are in, the levels of Pod Security of their namespaces.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_bridge import documents
from gitops_bridge.desired.admission import templates
from gitops_bridge.desired.overlay import at, mapping_at, mappings_at

Manifest = Mapping[str, Any]

GENERATE_PATHS = "argocd.argoproj.io/manifest-generate-paths"
ENFORCE = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class Application:
    """What an ApplicationSet makes of one folder. `paths` are the folders in which a change makes
    Argo CD render again, None: any change does; `overrides` are the fields that change what the
    folder renders to."""

    name: str
    project: str
    repository: str
    path: str
    server: str
    namespace: str
    made_by: str
    paths: tuple[str, ...] | None = None
    overrides: tuple[str, ...] = ()
    leaves_replicas: bool = False
    """Whether a number of replicas that an autoscaler has set is left alone."""


@dataclass(frozen=True)
class Platform:
    """What argocd/ holds: AppProjects by name, ApplicationSets and the files they stand in, the
    enforced level of Pod Security by namespace."""

    projects: Mapping[str, Manifest] = field(default_factory=dict)
    sets: tuple[tuple[str, Manifest], ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)

    def applications(self, folders: Collection[str]) -> tuple[list[Application], list[str]]:
        """The Applications for those of the folders that an ApplicationSet takes, and what of the
        sets is not understood."""
        found: list[Application] = []
        strange = []
        for where, item in self.sets:
            try:
                found += _applications(where, item, folders)
            except templates.NotUnderstood as error:
                strange.append(
                    f"{where}: {{{{ {error} }}}} is not understood here, so it is not judged"
                )
        return found, strange


def read(files: Mapping[str, bytes]) -> Platform:
    """The platform in files by their path in the repository; what is no YAML is left to kubectl."""
    projects, sets, levels = {}, [], {}
    for path in sorted(files):
        if not path.endswith((".yaml", ".yml")):
            continue
        for item in _documents(files[path]):
            name = str(at(item, "metadata", "name"))
            if item.get("kind") == "AppProject":
                projects[name] = item
            elif item.get("kind") == "ApplicationSet":
                sets.append((path, item))
            elif item.get("kind") == "Namespace":
                level = at(item, "metadata", "labels", ENFORCE)
                if level is not None:
                    levels[name] = str(level)
    return Platform(projects, tuple(sets), levels)


def _documents(content: bytes) -> Iterator[Manifest]:
    try:
        found = documents.load_all(content)
    except documents.InvalidYaml:
        return
    for item in found:
        if isinstance(item, Mapping):
            yield item


def _applications(where: str, item: Manifest, folders: Collection[str]) -> Iterator[Application]:
    for generator in mappings_at(item, "spec", "generators"):
        for parameters in _parameters(generator, {}, folders):
            yield _application(where, mapping_at(item, "spec", "template"), parameters)


def _parameters(
    generator: Manifest, given: Mapping[str, Any], folders: Collection[str]
) -> Iterator[Mapping[str, Any]]:
    """What a generator makes of the folders, each with what it was given by the one before it."""
    if "matrix" in generator:
        made: list[Mapping[str, Any]] = [given]
        for inner in mappings_at(generator, "matrix", "generators"):
            made = [more for one in made for more in _parameters(inner, one, folders)]
        yield from made
    elif "list" in generator:
        for element in mappings_at(generator, "list", "elements"):
            yield {**given, **element}
    elif "git" in generator:
        for path in _git_paths(mapping_at(generator, "git"), given, folders):
            yield {**given, "path": _path(path)}
    else:
        raise templates.NotUnderstood(f"the generator {', '.join(generator)}")


def _git_paths(git: Manifest, given: Mapping[str, Any], folders: Collection[str]) -> Iterator[str]:
    """`directories` match folders, `files` match the files that every deployment has. One star
    stands for one segment of a path: that is what our patterns mean."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for entry in mappings_at(git, "directories"):
        pattern = templates.filled(str(entry.get("path")), given)
        (unwanted if entry.get("exclude") else wanted).append(pattern)
    for folder in folders:
        if any(_matches(folder, pattern) for pattern in wanted):
            if not any(_matches(folder, pattern) for pattern in unwanted):
                yield folder
        elif any(_matches(f"{folder}/model", pattern) for pattern in wanted):
            yield f"{folder}/model"
    for entry in mappings_at(git, "files"):
        pattern = templates.filled(str(entry.get("path")), given)
        for folder in folders:
            for name in ("kustomization.yaml", "model/kustomization.yaml", "model/record.yaml"):
                if _matches(f"{folder}/{name}", pattern):
                    yield posixpath.dirname(f"{folder}/{name}")


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    if "**" in wanted:
        return fnmatch.fnmatchcase(path, pattern)
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _path(path: str) -> dict[str, Any]:
    """https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/Generators-Git/"""
    base = posixpath.basename(path)
    normal = re.sub(r"[^a-z0-9.-]", "-", base.lower())
    return {
        "path": path,
        "basename": base,
        "basenameNormalized": normal,
        "segments": path.split("/"),
    }


def _application(where: str, template: Manifest, parameters: Mapping[str, Any]) -> Application:
    def text(*steps: str) -> str:
        value = at(template, *steps)
        return "" if value is None else templates.filled(str(value), parameters)

    path = posixpath.normpath(text("spec", "source", "path"))
    listed = at(template, "metadata", "annotations", GENERATE_PATHS)
    paths = None
    if listed:
        paths = tuple(
            _absolute(part, path) for part in templates.filled(str(listed), parameters).split(";")
        )
    return Application(
        name=text("metadata", "name"),
        project=text("spec", "project"),
        repository=text("spec", "source", "repoURL"),
        path=path,
        server=text("spec", "destination", "server") or text("spec", "destination", "name"),
        namespace=text("spec", "destination", "namespace"),
        made_by=where,
        paths=paths,
        overrides=tuple(sorted(mapping_at(template, "spec", "source", "kustomize"))),
        leaves_replicas=_leaves_replicas(mapping_at(template, "spec")),
    )


def _absolute(part: str, path: str) -> str:
    part = part.strip()
    return posixpath.normpath(part.lstrip("/") if part.startswith("/") else f"{path}/{part}")


def _leaves_replicas(spec: Manifest) -> bool:
    options = at(spec, "syncPolicy", "syncOptions")
    respected = isinstance(options, list) and "RespectIgnoreDifferences=true" in options
    return respected and any(
        entry.get("kind") in {"Deployment", "*"}
        and "kube-controller-manager" in (entry.get("managedFieldsManagers") or [])
        for entry in mappings_at(spec, "ignoreDifferences")
    )
