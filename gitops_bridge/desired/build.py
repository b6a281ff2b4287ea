"""Which image a model shall run from: an environment's builder and a model, to key and reference.

`bridge` renders `overlays/<environment>/environment/builder`, reads it with `builder`, and asks
`content_key` and `image`; nothing else makes an image reference. `desired.jobs` turns the same
values into the Job that builds it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_bridge.actions import ExecutionType, Model, ModelFormat, shown
from gitops_bridge.desired import dockerfile
from gitops_bridge.desired.job_check import shape_problems
from gitops_bridge.desired.overlay import Image
from gitops_bridge.errors import RenderError

RECIPE_VERSION = "1"
"""Counted up when images come out different though Dockerfile, package and base are the same."""

PREFIX = "gitops-bridge.io/"
REPOSITORY, PPS_IMAGE, DRUM_IMAGE, DATAROBOT_URL = (
    "image-repository",
    "pps-image",
    "drum-image",
    "datarobot-url",
)
FETCH, KANIKO, APPEND = "fetch-model", "kaniko", "append-model"
_KINDS = {KANIKO: "kaniko", APPEND: "append"}
_WHERE = "environment/builder"
_PLACEHOLDERS = frozenset({REPOSITORY, PPS_IMAGE, DRUM_IMAGE, DATAROBOT_URL, "bridge-image"})

_HOST = r"(?:localhost|(?=[^/]*[.:])[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?)"
_PATH = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_HOST}(?:/{_PATH})+")
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PATH}(?:/{_PATH})*"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._/-]*)?")
_PACKAGE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,54}[a-z0-9])?")
_MODEL_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ANY_TAG = re.compile(r"(?!latest$)[\w.-]+")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:[._-][A-Za-z0-9._-]+)?")


@dataclass(frozen=True)
class Builder:
    """How one environment builds images, as its rendered Job says.

    `kind` is "kaniko" or "append". `settings` are the Job's annotations under `gitops-bridge.io/`
    by their bare names; `job` is the rendered manifest, not yet filled in.
    """

    image_repository: str
    pps_image: str
    bridge_image: str
    kind: str
    settings: Mapping[str, str]
    job: dict[str, Any]

    @property
    def registry(self) -> str:
        """Host and port the images go to."""
        return self.image_repository.split("/", 1)[0]

    @property
    def pps_version(self) -> str | None:
        """The prediction server's version, where its tag says one."""
        tag = self.pps_image.partition("@")[0].rpartition(":")[2]
        return tag if _VERSION.fullmatch(tag) else None

    def base_image(self, model: Model) -> str | None:
        """What the model is put onto; a custom model brings its own environment.

        Raises RenderError where the environment names no image for this kind of model.
        """
        if model.execution_type is ExecutionType.CUSTOM:
            return None
        if model.format is not ModelFormat.SCORING_CODE:
            return self.pps_image
        if DRUM_IMAGE not in self.settings:
            raise RenderError(
                f"{_WHERE}: Job metadata.annotations has no {PREFIX}{DRUM_IMAGE}",
                hint="scoring code runs in a Java environment of DataRobot's model runner; set "
                "the annotation to its image, with a version",
            )
        return self.settings[DRUM_IMAGE]


def builder(objects: list[dict[str, Any]]) -> Builder:
    """The Builder in the rendered objects of `environment/builder`.

    Raises RenderError naming object, field and cure.
    """
    job = _only_job(objects)
    problems = shape_problems(job)
    if problems:
        raise RenderError(
            f"{_WHERE}: the Job is none: " + "; ".join(problems), hint=f"correct it in {_WHERE}"
        )
    pod = job["spec"]["template"].get("spec", {})
    containers = {
        container["name"]: container
        for field in ("initContainers", "containers")
        for container in pod.get(field, [])
    }
    kinds = [kind for name, kind in _KINDS.items() if name in containers]
    if len(kinds) != 1 or FETCH not in containers:
        raise _problem(
            "spec.template.spec.containers",
            f"has {', '.join(sorted(containers)) or 'none'}",
            f"containers {FETCH} and {KANIKO} or {APPEND}, as base/image-builder has them",
        )
    settings = _settings(job)
    found = Builder(
        image_repository=_repository(settings.get(REPOSITORY)),
        pps_image=_versioned(settings.get(PPS_IMAGE), PPS_IMAGE),
        bridge_image=_bridge_image(containers[FETCH].get("image")),
        kind=kinds[0],
        settings=_checked(settings),
        job=job,
    )
    if found.kind == "append" and found.pps_version is None:
        raise _problem(
            f"metadata.annotations {PREFIX}{PPS_IMAGE}",
            f"is {shown(found.pps_image)}, which has no version",
            "the append builder needs a tag such as 11.2.1, beside a digest too",
        )
    return found


def content_key(*, model: Model, package_id: str, builder: Builder, checksum: str | None) -> str:
    """64 hex digits over everything that shapes the image, and over nothing else.

    Where the image goes is no part of it, so that a copy in another registry keeps its name.
    `checksum` is the package's sha256 in hex where the operator states one; DataRobot builds the
    file anew for every download and states none. Raises RenderError.
    """
    _matching(_PACKAGE_ID, package_id, "model package id")
    _matching(_MODEL_ID, model.id, "model id")
    if checksum is not None:
        _matching(_SHA256, checksum, "checksum")
    execution_type, model_format = model.execution_type.value, format_name(model)
    parts = {
        "recipe": RECIPE_VERSION,
        "dockerfile": dockerfile.recipe(execution_type, model_format),
        "base": builder.base_image(model),
        "package": package_id,
        "model": model.id,
        "executionType": execution_type,
        "format": model_format,
        **({"sha256": checksum} if checksum is not None else {}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def image(*, builder: Builder, package_id: str, key: str) -> Image:
    """The one place an image reference comes from: `<repository>:<package id>-<key, 10 digits>`."""
    _matching(_PACKAGE_ID, package_id, "model package id")
    return Image(builder.image_repository, f"{package_id}-{short(key)}")


def short(key: str) -> str:
    """What of a content key stands in names. Raises RenderError unless it is a content key."""
    return _matching(_SHA256, key, "content key")[:10]


def format_name(model: Model) -> str | None:
    """DataRobot's word for the file; a dedicated model whose action says none is a package, and
    a custom model has none."""
    if model.execution_type is ExecutionType.CUSTOM:
        return None
    return (model.format or ModelFormat.PACKAGE).value


def _only_job(objects: list[dict[str, Any]]) -> dict[str, Any]:
    jobs = [item for item in objects if item.get("kind") == "Job"]
    if len(jobs) != 1:
        raise RenderError(
            f"{_WHERE} renders {len(jobs)} Jobs", hint="exactly one, the one of base/image-builder"
        )
    for item in objects:
        if item is not jobs[0]:
            name = item.get("metadata", {}).get("name")
            raise RenderError(
                f"{_WHERE} renders {item.get('kind')} {name!r} beside the Job",
                hint="only the Job reaches the cluster from here: create the rest once by other "
                "means and refer to it by name",
            )
    return jobs[0]


def _settings(job: Mapping[str, Any]) -> dict[str, str]:
    annotations = job["metadata"].get("annotations", {})
    return {
        key.removeprefix(PREFIX): value
        for key, value in annotations.items()
        if key.startswith(PREFIX)
    }


def _checked(settings: dict[str, str]) -> dict[str, str]:
    for name, value in settings.items():
        field = f"metadata.annotations {PREFIX}{name}"
        if value in _PLACEHOLDERS:
            raise _problem(field, "is still the placeholder", f"set it in {_WHERE}")
        if not re.fullmatch(r"[\x21-\x7e]+", value):
            raise _problem(field, f"is {shown(value)}", "printable characters without blanks")
    if not _URL.fullmatch(settings.get(DATAROBOT_URL, "")):
        raise _problem(
            f"metadata.annotations {PREFIX}{DATAROBOT_URL}",
            f"is {shown(settings.get(DATAROBOT_URL))}",
            "DataRobot's address, such as https://app.datarobot.com",
        )
    if DRUM_IMAGE in settings:
        _versioned(settings[DRUM_IMAGE], DRUM_IMAGE, _ANY_TAG)
    return settings


def _repository(value: str | None) -> str:
    field = f"metadata.annotations {PREFIX}{REPOSITORY}"
    if value is None or value in _PLACEHOLDERS:
        raise _problem(field, "is not set", f"set it in {_WHERE}: registry.example.com/team/models")
    if not _REPOSITORY.fullmatch(value):
        raise _problem(
            field,
            f"is {shown(value)}",
            "registry host and path without a tag, such as registry.example.com/team/models; "
            "Docker Hub is docker.io/…",
        )
    return value


def _versioned(value: str | None, setting: str, tags: re.Pattern[str] = _VERSION) -> str:
    """An image that stays what it is: with a version for a tag, or pinned by digest."""
    field = f"metadata.annotations {PREFIX}{setting}"
    if value is None or value in _PLACEHOLDERS:
        raise _problem(field, "is not set", f"set it in {_WHERE}: registry/image:11.2.1")
    found = _IMAGE.fullmatch(value)
    if not found:
        raise _problem(field, f"is {shown(value)}", "an image, such as registry/image:11.2.1")
    if found["digest"] is None and not tags.fullmatch(found["tag"] or ""):
        raise _problem(
            field,
            f"is {shown(value)}, which has no version",
            "a tag such as 11.2.1, or a digest: images built on it must not change by themselves",
        )
    return value


def _bridge_image(value: object) -> str:
    if not isinstance(value, str) or value in _PLACEHOLDERS or not _IMAGE.fullmatch(value):
        state = "is still the placeholder" if value in _PLACEHOLDERS else f"is {shown(value)}"
        raise _problem(
            "spec.template.spec: the image bridge-image", state,
            f"name your gitops-bridge image under images: in {_WHERE}/kustomization.yaml",
        )  # fmt: skip
    return value


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise RenderError(f"{what} {shown(value)} can be no part of a name", hint=pattern.pattern)
    return value


def _problem(field: str, state: str, cure: str) -> RenderError:
    return RenderError(f"{_WHERE}: Job {field} {state}", hint=cure)
