"""A dedicated model onto the Portable Prediction Server's image, straight in the registry.

No Dockerfile, no root, no unpacking: base layers are mounted or copied, one layer is uploaded,
configuration and manifest are rewritten. The same inputs give the same digest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gitops_bridge.desired.dockerfile import (
    BASE_DIGEST_LABEL,
    KEY_LABEL,
    MODEL_FOLDER,
    PACKAGE_FILE,
    SHA256_LABEL,
)
from gitops_bridge.errors import ImageError
from gitops_bridge.images.layer import Layer, describe
from gitops_bridge.rest import Content

_LAYER_TYPES = {
    "application/vnd.oci.image.manifest.v1+json": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.distribution.manifest.v2+json": (
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
    ),
}
_ELSEWHERE = re.compile(r"foreign|nondistributable")
_log = logging.getLogger(__name__)


class Manifest(Protocol):
    @property
    def digest(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def document(self) -> dict[str, Any]: ...


class Registry(Protocol):
    """What is asked of the registry; `gitops_bridge.registry.client.Registry` is one. References
    and repositories are text with the host; all of it raises RegistryError."""

    def digest(self, reference: str) -> str | None: ...
    def image(self, reference: str) -> Manifest: ...
    def config(self, reference: str) -> dict[str, Any]: ...
    def labels(self, reference: str) -> Mapping[str, str]: ...
    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]: ...
    def has_blob(self, repository: str, digest: str) -> bool: ...
    def mount_blob(self, repository: str, digest: str, source: str) -> bool: ...
    def push_blob(self, repository: str, digest: str, content: bytes | Content) -> None: ...
    def put_manifest(self, reference: str, content: bytes, media_type: str) -> str: ...


@dataclass(frozen=True)
class Recipe:
    """The image to make: `base` and `target` are references with a tag, `labels` those of
    `desired.dockerfile.labels`."""

    base: str
    target: str
    content_key: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Appended:
    digest: str
    is_new: bool
    """False when the tag held this image already, and nothing was pushed."""


def append(registry: Registry, recipe: Recipe, model: Path) -> Appended:
    """Put the file `model` on the base image and push the result under the target's tag.

    May be run again after any interruption: a blob that has arrived is not sent twice. Raises
    RegistryError, and ImageError when the base is no image we can extend, the model is not the one
    of the labels, or the tag holds another image.
    """
    there = _existing(registry, recipe)
    if there:
        return Appended(there, is_new=False)
    base = registry.image(recipe.base)
    if base.media_type not in _LAYER_TYPES:
        raise ImageError(f"{recipe.base} is of type {base.media_type!r}, which cannot be extended")
    source, target = _repository(recipe.base), _repository(recipe.target)
    config = registry.config(f"{source}@{base.digest}")
    below = _layers(base, config, recipe.base)
    layer = _layer(model, recipe.labels.get(SHA256_LABEL))
    for descriptor in below:
        _bring(registry, descriptor, source, target)
    if not registry.has_blob(target, layer.digest):
        _log.info("pushing the model's layer, %d bytes", layer.size)
        registry.push_blob(target, layer.digest, layer)
    labels = {
        **recipe.labels,
        BASE_DIGEST_LABEL: base.digest,
        SHA256_LABEL: layer.sha256,
        KEY_LABEL: recipe.content_key,
    }
    new_config = _encoded(_extended_config(config, layer, labels))
    registry.push_blob(target, _sha256(new_config), new_config)
    manifest = _encoded(_extended_manifest(base, layer, new_config))
    there = _existing(registry, recipe)  # somebody else may have been faster
    if there:
        return Appended(there, is_new=False)
    digest = registry.put_manifest(recipe.target, manifest, base.media_type)
    _log.info("pushed %s@%s", recipe.target, digest)
    return Appended(digest, is_new=True)


def _layer(model: Path, sha256: str | None) -> Layer:
    layer = describe(model, PACKAGE_FILE)
    if sha256 not in (None, layer.sha256):
        raise ImageError(
            f"the model {model} has SHA-256 {layer.sha256}, not {sha256}",
            hint="it was damaged or replaced after the download: fetch it again",
        )
    _log.info("model %s: %d bytes, layer %s", layer.sha256, layer.file_size, layer.digest)
    return layer


def _existing(registry: Registry, recipe: Recipe) -> str | None:
    digest = registry.digest(recipe.target)
    if digest is None:
        return None
    found = registry.labels(f"{_repository(recipe.target)}@{digest}").get(KEY_LABEL)
    if found == recipe.content_key:
        _log.info("%s is there already: %s", recipe.target, digest)
        return digest
    raise ImageError(
        f"{recipe.target} holds another image: its label {KEY_LABEL} is {found!r}, "
        f"not {recipe.content_key!r}",
        hint="remove that tag from the registry, or push to another repository",
    )


def _repository(reference: str) -> str:
    return re.sub(r":[^:/]+$", "", reference.partition("@")[0])


def _layers(base: Manifest, config: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The base's layers, once manifest and configuration have the shape that is built upon."""
    layers, rootfs = base.document.get("layers"), config.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(layers, list) or not isinstance(listed, list) or len(layers) != len(listed):
        raise ImageError(f"{name}: manifest and configuration do not list the same layers")
    for layer in layers:
        told = layer if isinstance(layer, dict) else {}
        if not isinstance(told.get("size"), int) or not isinstance(told.get("digest"), str):
            raise ImageError(f"{name}: the manifest lists a layer without a size or a digest")
    for key, shape in (("config", dict), ("history", list)):
        if not isinstance(config.get(key) or shape(), shape):
            raise ImageError(f"{name}: the configuration's {key} is {config[key]!r:.60}")
    return layers


class _Copy:
    """A blob of another repository, downloaded as often as it is gone through."""

    def __init__(self, registry: Registry, repository: str, digest: str, size: int) -> None:
        self._source = registry, repository, digest, size

    def __len__(self) -> int:
        return self._source[3]

    def __iter__(self) -> Iterator[bytes]:
        registry, repository, digest, size = self._source
        return registry.blob(repository, digest, size)

    def tell(self) -> int:
        return 0

    def seek(self, position: int) -> None:
        """Each iteration starts over."""


def _bring(registry: Registry, descriptor: Mapping[str, Any], source: str, target: str) -> None:
    """One base layer into the target's repository: mounted by the registry itself, else copied."""
    digest, size = descriptor["digest"], descriptor["size"]
    if _ELSEWHERE.search(str(descriptor.get("mediaType"))):
        return  # its manifest says where it is fetched; registries do not hold it
    if registry.mount_blob(target, digest, source) or registry.has_blob(target, digest):
        return
    _log.info("copying base layer %s, %d bytes", digest, size)
    registry.push_blob(target, digest, _Copy(registry, source, digest, size))


def _extended_config(
    config: Mapping[str, Any], layer: Layer, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The base's configuration with the layer and the labels. Its time of creation stays: a clock
    would give each run another digest."""
    settings = dict(config.get("config") or {})
    known = settings.get("Labels")
    settings["Labels"] = {**(known if isinstance(known, dict) else {}), **labels}
    step = {"created_by": f"gitops-bridge append {MODEL_FOLDER}{layer.name}"}
    step |= {"created": config["created"]} if config.get("created") else {}
    rootfs = config["rootfs"]
    return {
        **config,
        "config": settings,
        "rootfs": {**rootfs, "diff_ids": [*rootfs["diff_ids"], layer.diff_id]},
        "history": [*(config.get("history") or []), step],
    }


def _extended_manifest(base: Manifest, layer: Layer, config: bytes) -> dict[str, Any]:
    document = base.document
    added = {
        "mediaType": _LAYER_TYPES[base.media_type],
        "digest": layer.digest,
        "size": layer.size,
    }
    described = {**document["config"], "digest": _sha256(config), "size": len(config)}
    return {**document, "config": described, "layers": [*document["layers"], added]}


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
