"""The rules of admission, by what they judge: all folders together, an environment, a builder's
Job, one deployment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_bridge import documents
from gitops_bridge.config import Trust
from gitops_bridge.desired.admission import builder, generate_paths, pod_security, projects, serving
from gitops_bridge.desired.admission.platform import Application, Platform
from gitops_bridge.desired.admission.references import dangling
from gitops_bridge.desired.overlay import ENVIRONMENT_LABEL, at

_PROBE = "gitops-bridge-probe"  # stands for a deployment that an environment does not have yet
_OVERRIDES = ".argocd-source"
_NAME_LIMIT = 63  # of a label's value, which Argo CD may make of an Application's name


@dataclass(frozen=True)
class Overlay:
    """One deployment as it renders. `read` are the folders it is made of, `files` its own by their
    path inside its folder."""

    folder: str
    objects: list[dict[str, Any]]
    read: Collection[str]
    files: Mapping[str, bytes]

    @property
    def environment(self) -> str:
        return self.folder.split("/")[-2]


@dataclass(frozen=True)
class Rules:
    """What is judged against: the Applications by the folder they are of, the folders that builds
    are read from, what of argocd/ is not understood, the ids of environments by their names where
    those are known, what the team trusts. `root` is where overlays/ lies in the repository."""

    platform: Platform
    served: Mapping[str, Sequence[Application]]
    building: Mapping[str, Sequence[Application]]
    strange: Sequence[str] = ()
    ids: Mapping[str, str] = field(default_factory=dict)
    trust: Trust = field(default_factory=Trust)
    root: str = ""

    def of_platform(self) -> Iterator[str]:
        """Of all folders together."""
        yield from self.strange
        made = [item for of_folder in self.served.values() for item in of_folder]
        everything = [*made, *(item for found in self.building.values() for item in found)]
        for name, times in Counter(item.name for item in everything).items():
            if times > 1:
                paths = sorted({item.path for item in everything if item.name == name})
                yield (
                    f"{times} Applications would be called {name} ({', '.join(paths[:5])}): Argo "
                    "CD makes one of them only"
                )
            if len(name) > _NAME_LIMIT:
                yield f"the Application name {name} is longer than {_NAME_LIMIT} characters"
        overriding = {item.made_by: item.overrides for item in everything if item.overrides}
        for where, fields in overriding.items():
            yield (
                f"{where}: spec.source.kustomize ({', '.join(fields)}) changes what Git renders "
                "to; set it in the overlays"
            )

    def of_environment(self, name: str, objects: list[dict[str, Any]]) -> Iterator[str]:
        """Of an environment's settings, as a deployment would render with them."""
        application = self.application(f"overlays/{name}/{_PROBE}")
        if self.platform.sets and application is None:
            yield (
                f"no ApplicationSet in argocd/ takes overlays/{name}/*: nothing here would be "
                "deployed; add the environment with gitops-bridge init"
            )
        if self.platform.sets and not self.building.get(self._path(name)):
            yield (
                f"no ApplicationSet in argocd/ takes the folder {name} of the builds branch: no "
                "image would be built"
            )
        yield from self._of_pods(name, objects)
        if application is not None:
            yield from self._of_project(application, objects)

    def of_builder(self, name: str, job: Mapping[str, Any]) -> Iterator[str]:
        """Of the rendered Job of environment/builder."""
        level = pod_security.DEFAULT
        for application in self.building.get(self._path(name), ()):
            level = self.platform.levels.get(application.namespace, level)
            yield from self._of_project(application, [dict(job)])
        yield from builder.unexpected(job, level, self.trust.builders)

    def of_overlay(self, overlay: Overlay) -> Iterator[str]:
        yield from self._of_copy(overlay)
        yield from dangling(overlay.objects, overlay.folder.split("/")[-1])
        yield from _overrides(overlay.files)
        yield from self._of_pods(overlay.environment, overlay.objects)
        application = self.application(overlay.folder)
        if application is not None:
            yield from self._of_application(application, overlay)
        elif self.application(f"overlays/{overlay.environment}/{_PROBE}"):
            yield "no ApplicationSet in argocd/ takes this folder: it would not be deployed"

    def _of_copy(self, overlay: Overlay) -> Iterator[str]:
        expected = self.ids.get(overlay.environment)
        found = {at(item, "metadata", "labels", ENVIRONMENT_LABEL) for item in overlay.objects}
        for identifier in sorted(map(str, found - {expected, None})) if expected else ():
            yield (
                f"its objects are labelled with the prediction environment {identifier}, but "
                f"{overlay.environment} is {expected}: the folder was copied; start the deployment "
                "in this environment from DataRobot instead"
            )

    def _of_application(self, application: Application, overlay: Overlay) -> Iterator[str]:
        yield from self._of_project(application, overlay.objects)
        missed = list(generate_paths.missed(application, map(self._path, overlay.read)))
        if missed:
            yield (
                f"Argo CD would not see changes in {', '.join(missed)}: manifest-generate-paths in "
                f"{application.made_by} does not cover it; add "
                + "".join(f";/{folder}" for folder in missed)
            )

    def _of_project(self, application: Application, objects: list[dict[str, Any]]) -> Iterator[str]:
        project = self.platform.projects.get(application.project)
        if project is not None:
            yield from projects.refused(application, project, objects)
        elif self.platform.projects and application.project != "default":
            yield f"{application.made_by}: argocd/ has no AppProject {application.project!r}"

    def _of_pods(self, environment: str, objects: list[dict[str, Any]]) -> Iterator[str]:
        application = self.application(f"overlays/{environment}/{_PROBE}")
        levels = self.platform.levels
        level = levels.get(application.namespace) if application else None
        yield from serving.unexpected(
            objects,
            level or pod_security.DEFAULT,
            self.trust.sidecars,
            self.trust.service_accounts,
        )

    def application(self, folder: str) -> Application | None:
        """The Application that an ApplicationSet makes of a deployment's folder."""
        return next(iter(self.served.get(self._path(folder), ())), None)

    def _path(self, folder: str) -> str:
        return f"{self.root}/{folder}" if self.root else folder


def rules(
    platform: Platform,
    *,
    environments: Collection[str] = (),
    folders: Collection[str] = (),
    ids: Mapping[str, str] | None = None,
    trust: Trust | None = None,
    root: str = "",
) -> Rules:
    """The Rules for the environments by name and the folders of deployments."""
    prefix = f"{root}/" if root else ""
    probes = [f"{prefix}overlays/{name}/{_PROBE}" for name in environments]
    served, strange = platform.applications([*(f"{prefix}{item}" for item in folders), *probes])
    building, _ = platform.applications([f"{prefix}{name}" for name in environments])
    return Rules(
        platform,
        _by_path(served),
        _by_path(building),
        strange,
        ids or {},
        trust or Trust(),
        root,
    )


def _by_path(applications: Sequence[Application]) -> dict[str, list[Application]]:
    found: dict[str, list[Application]] = {}
    for item in applications:
        found.setdefault(item.path, []).append(item)
    return found


def _overrides(files: Mapping[str, bytes]) -> Iterator[str]:
    """Argo CD merges this file over what the ApplicationSet says.
    https://argo-cd.readthedocs.io/en/stable/user-guide/parameters/"""
    for path, content in files.items():
        if not path.startswith(_OVERRIDES):
            continue
        try:
            data = documents.load(content)
        except documents.InvalidYaml as error:
            yield f"{path} is not YAML: {error}"
            continue
        fields = sorted(f"{key}.{inner}" for key, inner in _fields(data))
        if fields:
            yield (
                f"{path} overrides {', '.join(fields)}: another image or other settings would run "
                "than Git and record.yaml say; remove the file"
            )


def _fields(data: object) -> Iterator[tuple[str, str]]:
    for key, value in data.items() if isinstance(data, Mapping) else ():
        for inner in value if isinstance(value, Mapping) else ("…",):
            if (key, inner) != ("kustomize", "version"):
                yield str(key), str(inner)
