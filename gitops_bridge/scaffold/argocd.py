"""Argo CD's part for a team: the shipped argocd/ with its repository and environments filled in.

Structural edits only, so that what reviewers read is what this project ships. `files` calls it,
fresh on the shipped files, and again on a team's own ones when an environment is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_bridge import documents
from gitops_bridge.errors import ConfigError
from gitops_bridge.scaffold import insertion, people

SERVING = "argocd/serving.yaml"
BUILDS = "argocd/builds.yaml"
CONTROLLER = "mlops-bridge"
"""The AppProject and Application of the standing controller, which no environment changes."""


@dataclass(frozen=True)
class Destination:
    """Where the objects of one environment go: `cluster` is the API server's address."""

    environment: str
    cluster: str
    namespace: str
    builds_namespace: str


@dataclass(frozen=True)
class Targets:
    repository: str
    branch: str
    builds_branch: str
    argocd_namespace: str
    root: str
    """The folder of the repository that argocd/ and overlays/ lie in; "" is its top."""
    destinations: tuple[Destination, ...]


def fill(files: Mapping[str, bytes], targets: Targets) -> dict[str, bytes]:
    """The shipped files with everything of `targets` in place of the example's."""
    filled = {}
    for path, text in files.items():
        document = people.load(text, path)
        if document["kind"] in _WRITERS:
            document["metadata"]["namespace"] = targets.argocd_namespace
            _WRITERS[document["kind"]](document, targets, _is_builds(document))
            text = people.dump(document)
        filled[path] = text
    return filled


def extend(files: Mapping[str, bytes], destinations: Sequence[Destination]) -> dict[str, bytes]:
    """A team's files with the `destinations` they lack; what is there stays as it is.

    Raises ConfigError for a file that no longer has the place for them.
    """
    extended = {}
    for path, text in files.items():
        document = people.load(text, path)
        kind = document.get("kind") if isinstance(document, dict) else None
        extended[path] = text
        if kind in _WRITERS and document["metadata"]["name"] != CONTROLLER:
            with _Located(path):
                place, new = _lacking(document, destinations)
            extended[path] = insertion.appended(text, path, place, new)
    return extended


def read(files: Mapping[str, bytes], root: str) -> Targets:
    """The Targets that a team's files, which lie below `root`, speak of. Raises ConfigError when
    they cannot be told."""
    found = {}
    for path in (SERVING, BUILDS):
        with _Located(path):
            document = people.load(files.get(path, b""), path)
            source = document["spec"]["template"]["spec"]["source"]
            found[path] = (
                str(source["repoURL"]),
                str(source["targetRevision"]).removeprefix("refs/heads/"),
                str(document["metadata"]["namespace"]),
                {str(item["environment"]): dict(item) for item in _elements(document)},
            )
    (url, branch, namespace, serving), (_, builds_branch, _, builds) = found.values()
    with _Located(BUILDS):
        destinations = [
            Destination(
                name, str(at["server"]), str(at["namespace"]), str(builds[name]["namespace"])
            )
            for name, at in serving.items()
        ]
    return Targets(url, branch, builds_branch, namespace, root, tuple(destinations))


class _Located:
    """Whatever is not where it was in `path` is that file's fault."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, KeyError | TypeError | AttributeError | StopIteration | ValueError):
            raise ConfigError(
                f"{self._path} no longer has the shape that init wrote",
                hint="bring its list generator, source and destinations back from Git's history",
            ) from None


def _is_builds(document: Any) -> bool:
    return str(document["metadata"]["name"]).endswith("builds")


def _elements(document: Any) -> Any:
    """The list generator's elements."""
    found = document
    for step in _place_of_elements(document):
        found = found[step]
    return found


def _place_of_elements(document: Any) -> insertion.Place:
    above = ("spec", "generators", 0, "matrix", "generators")
    generators = document["spec"]["generators"][0]["matrix"]["generators"]
    at = next(position for position, item in enumerate(generators) if "list" in item)
    return (*above, at, "list", "elements")


def _element(destination: Destination, builds: bool) -> dict[str, str]:
    return {"environment": destination.environment, **_allowed(destination, builds)}


def _allowed(destination: Destination, builds: bool) -> dict[str, str]:
    namespace = destination.builds_namespace if builds else destination.namespace
    return {"server": destination.cluster, "namespace": namespace}


def _quoted(item: Mapping[str, str]) -> dict[str, str]:
    """As `insertion` writes it, so that a newer version finds nothing to change."""
    return {
        key: people.quoted(text) if documents.dump(text).startswith('"') else text
        for key, text in item.items()
    }


def _fill_application_set(document: Any, targets: Targets, builds: bool) -> None:
    revision = f"refs/heads/{targets.builds_branch if builds else targets.branch}"
    for node in _nodes(document["spec"]):
        if "repoURL" in node:
            node["repoURL"] = targets.repository
        for key in ("revision", "targetRevision"):
            if key in node:
                node[key] = revision
    (git,) = (
        item["git"]
        for item in document["spec"]["generators"][0]["matrix"]["generators"]
        if "git" in item
    )
    for item in git["directories"]:
        item["path"] = _below(targets.root, item["path"])
    annotations = document["spec"]["template"]["metadata"]["annotations"]
    key = "argocd.argoproj.io/manifest-generate-paths"
    annotations[key] = _generate_paths(targets.root, annotations[key])
    elements = _elements(document)
    elements[:] = [_quoted(_element(item, builds)) for item in targets.destinations]


def _below(root: str, path: str) -> str:
    return f"{root}/{path}" if root else path


def _generate_paths(root: str, paths: str) -> str:
    """Absolute ones are from the top of the repository, the others from the Application's path."""
    steps = (f"/{root}{path}" if root and path[0] == "/" else path for path in paths.split(";"))
    return ";".join(steps)


def _fill_project(document: Any, targets: Targets, builds: bool) -> None:
    document["spec"]["sourceRepos"][:] = [targets.repository]
    if document["metadata"]["name"] == CONTROLLER:
        return
    items = _distinct(_allowed(destination, builds) for destination in targets.destinations)
    document["spec"]["destinations"][:] = [_quoted(item) for item in items]


def _fill_application(document: Any, targets: Targets, _builds: bool) -> None:
    document["spec"]["source"]["repoURL"] = targets.repository
    document["spec"]["source"]["targetRevision"] = f"refs/heads/{targets.branch}"
    document["spec"]["source"]["path"] = _below(targets.root, document["spec"]["source"]["path"])


_WRITERS = {
    "ApplicationSet": _fill_application_set,
    "AppProject": _fill_project,
    "Application": _fill_application,
}


def _lacking(
    document: Any, destinations: Sequence[Destination]
) -> tuple[insertion.Place, list[dict[str, str]]]:
    """The list that names the environments, and what it lacks of `destinations`."""
    builds = _is_builds(document)
    if document["kind"] == "ApplicationSet":
        names = {item["environment"] for item in _elements(document)}
        new = [_element(item, builds) for item in destinations if item.environment not in names]
        return _place_of_elements(document), new
    listed = [dict(item) for item in document["spec"]["destinations"]]
    new = [item for at in destinations if (item := _allowed(at, builds)) not in listed]
    return ("spec", "destinations"), _distinct(new)


def _distinct(items: Iterator[dict[str, str]] | list[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(item.items()): item for item in items}.values())


def _nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _nodes(item)
