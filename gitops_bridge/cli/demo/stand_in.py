"""Small things in place of DataRobot's big ones, for `demo`: a server image, a model package."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def push(reference: str) -> None:
    """Put an image of one small layer where the Portable Prediction Server's image would be.

    Raises RegistryError when the registry cannot be reached or will not have it.
    """
    from gitops_bridge.registry.access import Access
    from gitops_bridge.registry.client import Registry
    from gitops_bridge.registry.credentials import keychain

    layer = _layer()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/opt/serve"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created_by": "a stand-in for the Portable Prediction Server"}],
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _described(_CONFIG, config),
        "layers": [_described(_LAYER, layer)],
    }
    repository = reference.rpartition(":")[0]
    with Registry(keychain(None, "none"), Access()) as registry:
        for blob in (layer, config):
            registry.push_blob(repository, _digest(blob), blob)
        registry.put_manifest(reference, json.dumps(manifest).encode(), _MANIFEST)


def write_model(path: Path) -> None:
    """A package that is an archive, as DataRobot's are."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.txt", "a stand-in for a model\n" * 1000)


def _layer() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("opt/serve")
        member.mode = 0o755
        archive.addfile(member, io.BytesIO(b""))
    return stream.getvalue()


def _described(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
