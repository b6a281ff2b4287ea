"""The Job of environment/builder to what a reviewer would not expect: whoever changes it runs code
with the credential that pushes images.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitops_bridge.desired.admission import pod_security
from gitops_bridge.desired.admission.serving import containers, pod_spec
from gitops_bridge.desired.overlay import at, mappings_at

Manifest = Mapping[str, Any]

FETCH, KANIKO, APPEND = "fetch-model", "kaniko", "append-model"
_TOKEN = "MLOPS_API_TOKEN"  # noqa: S105 - the name of a variable
_FORK = ("ghcr.io/osscontainertools/kaniko", "docker.io/martizih/kaniko", "martizih/kaniko")
_ARCHIVED = ("gcr.io/kaniko-project/executor",)
SAFE = (1, 28, 0)
"""CVE-2026-28406, a file of the build context written outside it: fixed in this version."""


def unexpected(job: Manifest, level: str, builders: Collection[str]) -> Iterator[str]:
    """Another builder image than a known one, privileges beyond `level` of the Pod Security
    Standards, containers of nobody, the API key where the Dockerfile runs."""
    spec = pod_spec(job)
    refused = pod_security.refused(level, spec)
    if refused:
        yield f"Job: Pod Security {level} refuses {', '.join(refused)}"
    for container in containers(spec):
        name, image = container.get("name"), str(container.get("image"))
        if name not in {FETCH, KANIKO, APPEND}:
            yield f"Job: nobody has announced its container {name!r} (image {image!r}); remove it"
        if name == KANIKO and unknown_repository(image) not in {None, *builders}:
            yield (
                f"Job: {image!r} builds the images, and nobody has announced it; use "
                f"{_FORK[0]}, or name its repository in trust.builders of gitops-bridge.yaml"
            )
        if name == KANIKO:
            yield from _reads_key(container, spec)


def unknown_repository(image: str) -> str | None:
    """The repository of a builder image that is not Kaniko's own, None of one that is."""
    repository = _repository(image)
    return None if repository in {*_FORK, *_ARCHIVED} else repository


def outdated(job: Manifest) -> Iterator[str]:
    """What is known to be unsafe about the builder's version."""
    for container in containers(pod_spec(job)):
        image = str(container.get("image"))
        if container.get("name") != KANIKO:
            continue
        if _repository(image) in _ARCHIVED:
            yield (
                f"{image} is of the archived project, which has no fix for CVE-2026-28406; use "
                f"{_FORK[0]} of at least v{'.'.join(map(str, SAFE))}"
            )
        version = _version(image)
        if _repository(image) in _FORK and version is not None and version < SAFE:
            yield (
                f"{image} is older than v{'.'.join(map(str, SAFE))}, the first without "
                "CVE-2026-28406; name a newer tag in environment/builder"
            )


def _reads_key(kaniko: Manifest, spec: Manifest) -> Iterator[str]:
    """The Secret of DataRobot's token, by the name under which it is fetched with."""
    keys = {
        str(at(variable, "valueFrom", "secretKeyRef", "name"))
        for container in containers(spec)
        if container.get("name") == FETCH
        for variable in mappings_at(container, "env")
        if variable.get("name") == _TOKEN
    }
    told = (
        "container kaniko can read DataRobot's API key: a Dockerfile of a custom model runs there; "
        "only fetch-model needs it"
    )
    for variable in mappings_at(kaniko, "env"):
        named = at(variable, "valueFrom", "secretKeyRef", "name")
        if variable.get("name") == _TOKEN or named in keys:
            yield f"Job: by the variable {variable.get('name')}, {told}"
    for source in mappings_at(kaniko, "envFrom"):
        if at(source, "secretRef", "name") in keys:
            yield f"Job: by envFrom, {told}"
    mounted = {mount.get("name") for mount in mappings_at(kaniko, "volumeMounts")}
    for volume in mappings_at(spec, "volumes"):
        if volume.get("name") in mounted and _secrets_of(volume) & keys:
            yield f"Job: by the volume {volume.get('name')}, {told}"


def _secrets_of(volume: Manifest) -> set[str]:
    projected = [
        at(source, "secret", "name") for source in mappings_at(volume, "projected", "sources")
    ]
    return {str(name) for name in (at(volume, "secret", "secretName"), *projected) if name}


def _repository(image: str) -> str:
    name = image.partition("@")[0]
    return re.sub(r":[\w.-]+$", "", name)


def _version(image: str) -> tuple[int, ...] | None:
    found = re.search(r":v?(\d+)\.(\d+)\.(\d+)", image)
    return tuple(map(int, found.groups())) if found else None
