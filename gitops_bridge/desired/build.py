"""Which image a model shall run from: an environment's builder and a model, to key and reference.

`builder` reads the rendered `overlays/<environment>/environment/builder`; nothing but `image` makes
an image reference. `desired.jobs` turns the same values into the Job that builds it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_bridge.actions import ExecutionType, Model, ModelFormat, shown
from gitops_bridge.desired import dockerfile, image_names
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
CHECKSUM = "sha256."
"""With a package's id behind it: the setting by which an operator states its SHA-256."""
FETCH, KANIKO, APPEND = "fetch-model", "kaniko", "append-model"
_KINDS = {KANIKO: "kaniko", APPEND: "append"}
_WHERE = "environment/builder"
_PLACEHOLDERS = frozenset({REPOSITORY, PPS_IMAGE, DRUM_IMAGE, DATAROBOT_URL, "bridge-image"})

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._/-]*)?")
_PACKAGE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,54}[a-z0-9])?")
_MODEL_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ANY_TAG = re.compile(r"(?!latest$)[\w.-]+")


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

    def checksum(self, package_id: str) -> str | None:
        """The package's SHA-256 in hex, where the operator states one; DataRobot builds the file
        anew for every download and states none."""
        return self.settings.get(f"{CHECKSUM}{package_id}")

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
    return Builder(
        image_repository=_repository(settings.get(REPOSITORY)),
        pps_image=_pps_image(settings.get(PPS_IMAGE)),
        bridge_image=_bridge_image(containers[FETCH].get("image")),
        kind=kinds[0],
        settings=_checked(settings),
        job=job,
    )


def content_key(*, model: Model, package_id: str, builder: Builder) -> str:
    """64 hex digits over everything that shapes the image, and over nothing else.

    Where the image goes is no part of it, so that a copy in another registry keeps its name.
    Raises RenderError.
    """
    _matching(_PACKAGE_ID, package_id, "model package id")
    _matching(_MODEL_ID, model.id, "model id")
    execution_type, model_format = model.execution_type.value, format_name(model)
    parts = {
        "recipe": RECIPE_VERSION,
        "dockerfile": dockerfile.recipe(execution_type, model_format),
        "base": builder.base_image(model),
        "package": package_id,
        "model": model.id,
        "executionType": execution_type,
        "format": model_format,
    }
    checksum = builder.checksum(package_id)
    if checksum is not None:
        parts["sha256"] = checksum
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
        if name.startswith(CHECKSUM) and not _SHA256.fullmatch(value):
            raise _problem(field, f"is {shown(value)}", "64 hex digits in lower case")
    if not _URL.fullmatch(settings.get(DATAROBOT_URL, "")):
        raise _problem(
            f"metadata.annotations {PREFIX}{DATAROBOT_URL}",
            f"is {shown(settings.get(DATAROBOT_URL))}",
            "DataRobot's address, such as https://app.datarobot.com",
        )
    if DRUM_IMAGE in settings:
        _drum_image(settings[DRUM_IMAGE])
    return settings


def _repository(value: str | None) -> str:
    field = f"metadata.annotations {PREFIX}{REPOSITORY}"
    if value is None or value in _PLACEHOLDERS:
        raise _problem(field, "is not set", f"set it in {_WHERE}: registry.example.com/team/models")
    if not image_names.REPOSITORY.fullmatch(value):
        raise _problem(
            field,
            f"is {shown(value)}",
            "registry host and path without a tag, such as registry.example.com/team/models; "
            "Docker Hub is docker.io/…",
        )
    return value


def _pps_image(value: str | None) -> str:
    """The prediction server with its version for a tag, which becomes a label of every image."""
    tag, _ = _parts_of(value, PPS_IMAGE)
    if not dockerfile.PPS_VERSION.fullmatch(tag):
        raise _no_version(value, PPS_IMAGE, "a tag such as 11.2.1, beside a digest too")
    return str(value)


def _drum_image(value: str) -> None:
    tag, digest = _parts_of(value, DRUM_IMAGE)
    if not digest and not _ANY_TAG.fullmatch(tag):
        raise _no_version(value, DRUM_IMAGE, "a tag such as 11.2.1, or a digest")


def _parts_of(value: str | None, setting: str) -> tuple[str, str]:
    """Tag and digest of an image that is set, empty where it has none."""
    field = f"metadata.annotations {PREFIX}{setting}"
    if value is None or value in _PLACEHOLDERS:
        raise _problem(field, "is not set", f"set it in {_WHERE}: registry/image:11.2.1")
    found = image_names.IMAGE.fullmatch(value)
    if not found:
        raise _problem(field, f"is {shown(value)}", "an image, such as registry/image:11.2.1")
    return found["tag"] or "", found["digest"] or ""


def _no_version(value: str | None, setting: str, hint: str) -> RenderError:
    return _problem(
        f"metadata.annotations {PREFIX}{setting}",
        f"is {shown(value)}, which has no version",
        f"{hint}: images built on it must not change by themselves",
    )


def _bridge_image(value: object) -> str:
    left = isinstance(value, str) and re.split("[:@]", value)[0] in _PLACEHOLDERS
    if not isinstance(value, str) or left or not image_names.IMAGE.fullmatch(value):
        state = "is still the placeholder" if left else f"is {shown(value)}"
        raise _problem(
            "spec.template.spec: the image bridge-image", state,
            f"name your gitops-bridge image under images: in {_WHERE}/kustomization.yaml",
        )  # fmt: skip
    return value


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise RenderError(f"{what} {shown(value)} can be no part of a name", hint=pattern.pattern)
    return value


def _problem(field: str, state: str, hint: str) -> RenderError:
    return RenderError(f"{_WHERE}: Job {field} {state}", hint=hint)
