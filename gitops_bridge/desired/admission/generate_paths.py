"""The folders a deployment is rendered from to those in which Argo CD would miss a change.

With the annotation manifest-generate-paths Argo CD takes its cached manifests when no commit
touched a listed path. https://argo-cd.readthedocs.io/en/stable/operator-manual/high_availability/
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from gitops_bridge.desired.admission.platform import Application


def missed(application: Application, folders: Iterable[str]) -> Iterator[str]:
    """What of the folders, by their path in the repository, no listed path covers."""
    if application.paths is None:
        return
    for folder in sorted(set(folders)):
        if not any(_covers(path, folder) for path in application.paths):
            yield folder


def extended(annotation: str, folders: Iterable[str]) -> str:
    """The annotation with paths for those folders too."""
    return ";".join([annotation, *(f"/{folder}" for folder in sorted(set(folders)))])


def _covers(path: str, folder: str) -> bool:
    if path == "." or folder == path or folder.startswith(f"{path}/"):
        return True
    return any(letter in path for letter in "*?[") and fnmatch.fnmatchcase(folder, f"{path}*")
