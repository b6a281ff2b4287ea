"""The build Jobs of the branch `builds`: one write-once file `<environment>/<job>.yaml` per build.

The file name says the content key, so that a listing of the
branch is enough.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from gitops_bridge.actions import ExecutionType, Model, ModelFormat
from gitops_bridge.desired import build
from gitops_bridge.desired.build import Builder
from gitops_bridge.desired.job_check import job_problems
from gitops_bridge.desired.overlay import Image
from gitops_bridge.errors import RenderError

KEY_LABEL = f"{build.PREFIX}content-key"
PACKAGE_LABEL = f"{build.PREFIX}model-package-id"
MODEL_LABEL = f"{build.PREFIX}model-id"
IMAGE_ANNOTATION = f"{build.PREFIX}image"
ATTEMPTS = 999

_NAME_LIMIT = 63
_FILE = re.compile(
    r"build-[a-z0-9-]+-(?P<key>[0-9a-f]{10})(?:-a(?P<attempt>[1-9][0-9]{0,2}))?\.yaml"
)
_WORD = re.compile(r"\{([a-z][a-z0-9-]*)\}")


def job_name(*, key: str, package_id: str, attempt: int = 1) -> str:
    """`build-<package id>-<key, 10 digits>[-a<attempt>]`; a long id is cut to make 63 in all."""
    if not 1 <= attempt <= ATTEMPTS:
        raise RenderError(
            f"build attempt {attempt} of {package_id}",
            hint=f"{ATTEMPTS} attempts are enough: look at the log of the last one",
        )
    end = f"-{build.short(key)}" + (f"-a{attempt}" if attempt > 1 else "")
    return f"build-{package_id}"[: _NAME_LIMIT - len(end)].rstrip("-") + end


def prefix(package_id: str) -> str:
    """What the names of all builds of a package begin with, whatever the attempt."""
    longest_end = f"-{'0' * 10}-a{ATTEMPTS}"
    return f"build-{package_id}"[: _NAME_LIMIT - len(longest_end)].rstrip("-")


def job(
    *,
    builder: Builder,
    model: Model,
    package_id: str,
    key: str,
    attempt: int = 1,
) -> dict[str, Any]:
    """The Job manifest for one build, complete and checked: the same arguments, the same bytes.

    Raises RenderError when it could not run, since one file that Kubernetes refuses stops every
    build of its folder.
    """
    if builder.kind == "append" and build.format_name(model) != ModelFormat.PACKAGE.value:
        raise RenderError(
            "environment/builder: the append builder makes images of dedicated models only",
            hint="take out components/append for custom models and scoring code",
        )
    target = build.image(builder=builder, package_id=package_id, key=key)
    made = copy.deepcopy(builder.job)
    _name(made, job_name(key=key, package_id=package_id, attempt=attempt))
    _describe(made, model, package_id, key, target)
    words = {
        **builder.settings,
        "image-registry": builder.registry,
        "model-id": model.id,
        "model-package-id": package_id,
    }
    own = _arguments(builder, model, package_id, key, target)
    pod = made["spec"]["template"]["spec"]
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        arguments = [_filled(argument, words) for argument in container.get("args", [])]
        container["args"] = arguments + own.get(container["name"], [])
    problems = job_problems(made)
    if problems:
        raise RenderError(
            "environment/builder: the Job would be refused: " + "; ".join(problems),
            hint="correct it in environment/builder; base/image-builder is a Job that holds",
        )
    return made


def rehearsed(builder: Builder) -> dict[str, Any]:
    """The Job of a made-up dedicated model, so that what is wrong with a builder is told before a
    model needs it. Raises RenderError."""
    model, package_id = Model("0" * 24, ExecutionType.DEDICATED), "0" * 24
    key = build.content_key(model=model, package_id=package_id, builder=builder)
    return job(builder=builder, model=model, package_id=package_id, key=key)


def attempt(existing: Iterable[str], key: str) -> int:
    """The number of the next attempt at `key`, by the file names of one environment's folder."""
    wanted = build.short(key)
    return max((number for found, number in _builds(existing) if found == wanted), default=0) + 1


def builds_of(key: str, paths: Iterable[str]) -> list[str]:
    """The Job files of `key` among `paths` of any environments, the latest attempt first.

    Folders may push to different registries: `destination` of the file tells.
    """
    wanted = build.short(key)
    found = [path for path in paths if (entry := _entry(path)) and entry[0] == wanted]
    return sorted(found, key=lambda path: (-_attempt_of(path), path))


def destination(manifest: Mapping[str, Any]) -> str | None:
    """`repository:tag` that a Job of ours pushes to; None for any other manifest."""
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    found = annotations.get(IMAGE_ANNOTATION) if isinstance(annotations, Mapping) else None
    return found if isinstance(found, str) else None


def garbage(
    existing: Sequence[str],
    wanted: Collection[str],
    young: Collection[str],
    newest_first: Sequence[str],
    keep: int,
) -> list[str]:
    """Which of the Job files at the paths `existing` may be removed, in that order.

    `wanted` are the keys that an overlay or a rollout names; those stay, the `young` files, and of
    each folder the `keep` that come first in `newest_first`.
    """
    kept: Counter[str] = Counter()
    recent = set(young)
    for path in newest_first:
        folder = path.rpartition("/")[0]
        if kept[folder] < keep:
            kept[folder] += 1
            recent.add(path)
    return [
        path
        for path in existing
        if (entry := _entry(path)) and entry[0] not in wanted and path not in recent
    ]


def _builds(paths: Iterable[str]) -> list[tuple[str, int]]:
    return [entry for path in paths if (entry := _entry(path))]


def _entry(path: str) -> tuple[str, int] | None:
    """Key and attempt that a file name says; None for a file that is no build of ours."""
    found = _FILE.fullmatch(path.rpartition("/")[2])
    return (found["key"], int(found["attempt"] or 1)) if found else None


def _attempt_of(path: str) -> int:
    entry = _entry(path)
    return entry[1] if entry else 0


def _name(made: dict[str, Any], name: str) -> None:
    made["metadata"]["name"] = name
    made["metadata"].pop("generateName", None)


def _describe(made: dict[str, Any], model: Model, package_id: str, key: str, target: Image) -> None:
    """Labels to find Job and Pod by; the settings leave the Pod, which kustomize copied them to,
    and the checksums of all packages leave the Job."""
    labels = {
        "app.kubernetes.io/component": "image-builder",
        "app.kubernetes.io/managed-by": "gitops-bridge",
        "app.kubernetes.io/part-of": "DataRobot-MLOps",
        KEY_LABEL: build.short(key),
        MODEL_LABEL: model.id,
        PACKAGE_LABEL: package_id,
    }
    metadata, template = made["metadata"], made["spec"]["template"].setdefault("metadata", {})
    for described in (metadata, template):
        described["labels"] = {**described.get("labels", {}), **labels}
    metadata["annotations"] = {
        **_without(metadata, f"{build.PREFIX}{build.CHECKSUM}"),
        KEY_LABEL: key,
        IMAGE_ANNOTATION: str(target),
    }
    template["annotations"] = _without(template, build.PREFIX)


def _without(described: Mapping[str, Any], prefix: str) -> dict[str, str]:
    annotations = described.get("annotations", {})
    return {name: value for name, value in annotations.items() if not name.startswith(prefix)}


def _arguments(
    builder: Builder,
    model: Model,
    package_id: str,
    key: str,
    target: Image,
) -> dict[str, list[str]]:
    """What each container is told of this build: ids, digests and checked settings only."""
    fetch = {
        "model-package-id": package_id,
        "model-id": model.id,
        "execution-type": model.execution_type.value,
        "format": build.format_name(model),
        "pps-image": builder.base_image(model),
        "content-key": key,
        "sha256": builder.checksum(package_id),
        "datarobot-url": builder.settings[build.DATAROBOT_URL],
        "out": "/workspace",
    }
    append = {
        "context": "/workspace",
        "pps-image": builder.pps_image,
        "content-key": key,
        "destination": str(target),
    }
    return {
        build.FETCH: _options(fetch),
        build.KANIKO: _options({"destination": str(target)}),
        build.APPEND: _options(append),
    }


def _options(values: Mapping[str, str | None]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def _filled(argument: str, words: Mapping[str, str]) -> str:
    """`{word}` in an argument becomes the setting of that name."""

    def setting(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise RenderError(
                f"environment/builder: argument {argument!r} needs the annotation "
                f"{build.PREFIX}{found[1]}",
                hint="set it under commonAnnotations in environment/builder/kustomization.yaml",
            )
        return words[found[1]]

    return _WORD.sub(setting, argument)
