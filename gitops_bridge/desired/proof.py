"""Rendered manifests before and after a change, to the reasons why it must not be committed.

kustomize itself accepts an `images`
entry that matches nothing and an id that turned into a number; Argo CD would sync both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gitops_bridge import documents
from gitops_bridge.desired import overlay
from gitops_bridge.desired.overlay.names import MODEL_IMAGE
from gitops_bridge.errors import RenderError

Manifest = dict[str, Any]

_GENERATED = re.compile(r"-[bcdfghkmt2456789]{10}")
"""What kustomize puts behind the name of a ConfigMap or Secret it generates: a hash of the content.
https://github.com/kubernetes-sigs/kustomize/blob/master/api/hasher/hasher.go"""


def manifests(rendered: str, where: str) -> list[Manifest]:
    """The objects in what kustomize printed. Raises RenderError when one is no object, or when
    a patch has made something else of what every reader takes for a mapping or a list."""
    try:
        found = documents.load_all(rendered)
    except documents.InvalidYaml as error:
        raise RenderError(f"{where}: the rendered YAML cannot be read: {error}") from None
    for item in found:
        if not isinstance(item, dict) or not item.get("kind"):
            raise RenderError(f"{where}: {str(item)[:60]!r} is no Kubernetes object")
        for what, value in _misshapen(item):
            raise RenderError(
                f"{where}: {name(item)}: {what} holds {value!r:.60}, where each is a mapping",
                hint="correct the patch that made it so",
            )
    return found


def _misshapen(item: Manifest) -> Iterator[tuple[str, object]]:
    """Lists of a pod that are none, or hold something else than mappings: kustomize lets a JSON
    patch do that, and whoever reads containers and variables would stumble."""
    for kind, listed in overlay.mapping_at(overlay.pod_template(item), "spec").items():
        if kind not in {"initContainers", "containers"}:
            continue
        yield from _no_mappings(listed, kind)
        for container in listed if isinstance(listed, list) else []:
            if isinstance(container, dict):
                yield from _no_mappings(
                    container.get("env"), f"env of container {container.get('name')}"
                )


def _no_mappings(value: object, what: str) -> Iterator[tuple[str, object]]:
    if value is not None and not isinstance(value, list):
        yield what, value
    for element in value if isinstance(value, list) else []:
        if not isinstance(element, dict):
            yield what, element


def problems(
    objects: list[Manifest],
    *,
    deployment: str,
    image: str,
    kustomizations: Iterable[Mapping[str, Any]],
) -> list[str]:
    """Every reason not to commit an overlay that renders to `objects`, empty when it holds.

    `image` is the reference the model container must run. `kustomizations` are the kustomization
    files that took part.
    """
    return [
        *_of_the_server(objects, deployment, image),
        *_unmatched_images(objects, kustomizations),
        *(found for item in objects for found in _of_one(item, deployment)),
        *_repeated(objects),
        *overlay.unresolved(objects),
        *overlay.autoscaling_problems(objects),
    ]


def moved_outside(before: list[Manifest], after: list[Manifest], deployment: str) -> list[str]:
    """Objects that are not this deployment's own and that the change would touch."""
    foreign_before = {name(item): item for item in before if not _owned(item, deployment)}
    foreign_after = {name(item): item for item in after if not _owned(item, deployment)}
    return [
        f"{key} is not one of {deployment}'s objects and would change"
        for key in sorted(foreign_before.keys() | foreign_after.keys())
        if foreign_before.get(key) != foreign_after.get(key)
    ]


def name(item: Manifest) -> str:
    """Kind, namespace and name: what tells an object from all others."""
    metadata = overlay.mapping_at(item, "metadata")
    namespace = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{item.get('kind')} {namespace}{metadata.get('name')}"


def containers(item: Manifest) -> list[Mapping[str, Any]]:
    """The containers of an object with a pod template, those that initialise included."""
    spec = overlay.mapping_at(overlay.pod_template(item), "spec")
    return [
        container
        for kind in ("initContainers", "containers")
        for container in overlay.mappings_at(spec, kind)
    ]


def _owned(item: Manifest, deployment: str) -> bool:
    return bool(overlay.at(item, "metadata", "labels", overlay.DEPLOYMENT_LABEL) == deployment)


def _of_the_server(objects: list[Manifest], deployment: str, image: str) -> Iterator[str]:
    servers = [item for item in objects if item["kind"] == "Deployment"]
    running = [
        container
        for item in servers
        for container in containers(item)
        if container.get("name") == overlay.MODEL_CONTAINER
    ]
    if len(running) != 1:
        yield f"{len(running)} containers named {overlay.MODEL_CONTAINER} where exactly one serves"
    for container in running:
        if container.get("image") != image:
            yield (
                f"container {overlay.MODEL_CONTAINER} runs {container.get('image')!r}, not "
                f"{image!r}: a patch in the environment or the overlay overrides the image"
            )
    for item in servers:
        selected = overlay.at(item, "spec", "selector", "matchLabels", overlay.DEPLOYMENT_LABEL)
        if selected != deployment:
            yield f"{name(item)}: its selector does not name the deployment {deployment}"


def _unmatched_images(
    objects: list[Manifest], kustomizations: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    used = {str(container.get("image")) for item in objects for container in containers(item)}
    for kustomization in kustomizations:
        for entry in kustomization.get("images") or []:
            if not isinstance(entry, Mapping):
                yield f"images: the entry {entry!r:.60} names no image"
            elif not any(reference.startswith(_reference(entry)) for reference in used):
                yield f"images: the entry {entry.get('name')!r} matches nothing"


def _reference(entry: Mapping[str, Any]) -> str:
    target = str(entry.get("newName") or entry.get("name"))
    tag, digest = entry.get("newTag"), entry.get("digest")
    return target + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def pinned(component: Mapping[str, Any]) -> str:
    """The image that a deployment's `model/kustomization.yaml` pins, "" when it pins none."""
    for entry in component.get("images") or []:
        if isinstance(entry, Mapping) and entry.get("name") == MODEL_IMAGE:
            return _reference(entry)
    return ""


def _of_one(item: Manifest, deployment: str) -> Iterator[str]:
    if not _owned(item, deployment):
        yield f"{name(item)}: its label {overlay.DEPLOYMENT_LABEL} is not {deployment!r}"
    elif not re.fullmatch(
        rf".+-{re.escape(deployment)}({_GENERATED.pattern})?",
        str(overlay.at(item, "metadata", "name")),
    ):
        yield f"{name(item)}: its name does not end in -{deployment}"
    for path, value in _texts_only(item):
        yield f"{name(item)}: {path} is {value!r}, not text: put it in quotes"


def _texts_only(item: Manifest) -> Iterator[tuple[str, object]]:
    """Values Kubernetes takes as text only, where YAML made something else of them."""
    for where, holder in (("metadata", item), ("template", overlay.pod_template(item))):
        for field in ("labels", "annotations"):
            for key, value in overlay.mapping_at(holder, "metadata", field).items():
                if not isinstance(value, str):
                    yield f"{where}.{field}.{key}", value
    for container in containers(item):
        for variable in overlay.mappings_at(container, "env"):
            if not isinstance(variable.get("value", ""), str):
                yield f"env {variable.get('name')}", variable["value"]


def _repeated(objects: list[Manifest]) -> Iterator[str]:
    """Server-side apply refuses a list of variables with the same name twice."""
    for item in objects:
        for container in containers(item):
            variables = overlay.mappings_at(container, "env")
            names = [str(variable.get("name")) for variable in variables]
            for twice in sorted({found for found in names if names.count(found) > 1}):
                yield f"{name(item)}: container {container.get('name')} has env {twice} twice"
