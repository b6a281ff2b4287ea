"""The OCI distribution API for image references as text: read, look up, upload.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md. The bridge asks for digests
and labels; `images.append` builds images through it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_bridge import documents
from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.access import Access
from gitops_bridge.registry.credentials import Keychain
from gitops_bridge.registry.endpoint import Endpoint
from gitops_bridge.registry.reference import Reference, parse
from gitops_bridge.registry.uploads import has_blob, push_blob
from gitops_bridge.rest import Content

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"Accept": ", ".join((*MANIFESTS, *INDEXES))}
_PLATFORM = {"os": "linux", "architecture": "amd64"}
_DOCUMENT_LIMIT = 8 << 20
_OK = frozenset({200})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FOUND_OR_NOT = frozenset({200, 404})


@dataclass(frozen=True)
class Manifest:
    """A manifest or index as the registry holds it, byte for byte."""

    digest: str
    media_type: str
    content: bytes

    @property
    def document(self) -> dict[str, Any]:
        """Raises RegistryError when the content is no JSON mapping."""
        return _mapping(self.content, f"the manifest {self.digest}")


class Registry:
    """Registries as `access` reaches them, authenticated from `keychain`. References are text,
    `host/repository:tag`; repositories are `host/repository`. Every failure is a RegistryError."""

    def __init__(self, keychain: Keychain, access: Access) -> None:
        self._keychain = keychain
        self._access = access
        self._endpoints: dict[str, Endpoint] = {}
        self._silent_mirrors: set[str] = set()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        for endpoint in self._endpoints.values():
            endpoint.close()

    def ping(self, host: str) -> str:
        """How the registry on `host` wants to be spoken to: "", "basic" or "bearer"."""
        return self._endpoint(host).ping().scheme

    def digest(self, reference: str) -> str | None:
        """`sha256:…` of what stands under the reference; None when nothing does. Raises HiddenImage
        when the registry, which knows us, does not say."""
        wanted = parse(reference)
        endpoint = self._endpoint(wanted.host)
        answer = endpoint.send(
            "HEAD", _manifest_path(wanted), wanted.repository, headers=_ACCEPT, redirects=True,
            expected=frozenset({200, 404, 405}), may_hide=True,
        )  # fmt: skip
        if answer.status_code == 404:
            return None
        told = answer.headers.get("Docker-Content-Digest", "")
        if answer.status_code == 200 and _DIGEST.fullmatch(told):
            return _checked(told, wanted)
        found = self._read_manifest(wanted)
        return found.digest if found else None

    def manifest(self, reference: str) -> Manifest:
        """What stands under the reference, from the host's mirror when it has it."""
        wanted = parse(reference)
        for source in self._sources(wanted):
            try:
                found = self._read_manifest(source)
            except RegistryError as error:
                if source is wanted:
                    raise
                self._note_mirror(source.host, error)
                continue
            if found:
                return found
        missing = RegistryError(f"{wanted} is not in the registry", hint="check repository and tag")
        missing.status = 404
        raise missing

    def image(self, reference: str) -> Manifest:
        """As `manifest`, of an index the image for linux/amd64."""
        found = self.manifest(reference)
        if found.media_type not in INDEXES:
            return found
        try:
            for item in found.document["manifests"]:
                platform = item.get("platform") or {}
                if all(platform.get(key) == value for key, value in _PLATFORM.items()):
                    return self.manifest(f"{parse(reference).name}@{item['digest']}")
        except (AttributeError, KeyError, TypeError):
            raise RegistryError(f"{reference}: the index lists no images") from None
        raise RegistryError(f"{reference} is an index without an image for linux/amd64")

    def config(self, reference: str) -> dict[str, Any]:
        """The configuration of the image: architecture, entry point, labels, layers."""
        image = self.image(reference)
        try:
            descriptor = image.document["config"]
            digest, size = descriptor["digest"], int(descriptor["size"])
        except (KeyError, TypeError, ValueError):
            raise RegistryError(f"{reference}: the manifest names no configuration") from None
        if size > _DOCUMENT_LIMIT:
            raise RegistryError(f"{reference}: a configuration of {size} bytes is refused")
        content = b"".join(self.blob(parse(reference).name, digest, size))
        return _mapping(content, f"the configuration of {reference}")

    def labels(self, reference: str) -> Mapping[str, str]:
        """The labels of the image; empty when it has none."""
        settings = self.config(reference).get("config")
        labels = settings.get("Labels") if isinstance(settings, dict) else None
        return labels if isinstance(labels, dict) else {}

    def blob(self, repository: str, digest: str, size: int) -> Iterator[bytes]:
        """The blob in pieces, from the host's mirror when it has it. Raises RegistryError after
        the last piece when length or digest are not those asked for."""
        wanted = parse(f"{repository}@{digest}")
        for source in self._sources(wanted):
            endpoint = self._endpoint(source.host)
            try:
                response = endpoint.send(
                    "GET", f"v2/{source.repository}/blobs/{digest}", source.repository,
                    expected=_OK, stream=True, redirects=True,
                    headers={"Accept-Encoding": "identity"},
                )  # fmt: skip
            except RegistryError as error:
                if source is wanted:
                    raise
                self._note_mirror(source.host, error)
                continue
            return _verified(endpoint.chunks(response), f"{source.name}@{digest}", digest, size)
        raise AssertionError("the reference itself is the last source")

    def has_blob(self, repository: str, digest: str) -> bool:
        wanted = parse(f"{repository}@{digest}")
        return has_blob(self._endpoint(wanted.host), wanted.repository, digest)

    def mount_blob(self, repository: str, digest: str, source: str) -> bool:
        """Whether the registry took the blob over from its repository `source` without a copy. One
        that does not know how, or may not with this credential, leaves it to be uploaded."""
        wanted, origin = parse(f"{repository}@{digest}"), parse(source)
        if wanted.host != origin.host:
            return False
        endpoint = self._endpoint(wanted.host)
        try:
            answer = endpoint.send(
                "POST", f"v2/{wanted.repository}/blobs/uploads/", wanted.repository, push=True,
                also_pull=origin.repository, params={"mount": digest, "from": origin.repository},
                expected=frozenset({201, 202}),
            )  # fmt: skip
        except RegistryError as refusal:
            if refusal.retry or refusal.status is None:
                raise
            return False
        if answer.status_code == 202 and "Location" in answer.headers:
            endpoint.send(  # the upload it opened instead; what it says to that does not matter
                "DELETE", answer.headers["Location"], wanted.repository, push=True,
                expected=frozenset(range(200, 600)),
            )  # fmt: skip
        return answer.status_code == 201

    def push_blob(self, repository: str, digest: str, content: bytes | Content) -> None:
        """Upload the blob in one stream, from the start again when the connection breaks."""
        wanted = parse(f"{repository}@{digest}")
        push_blob(self._endpoint(wanted.host), wanted.repository, digest, content)

    def put_manifest(self, reference: str, content: bytes, media_type: str) -> str:
        """Put the manifest under the reference; its digest. All it names must be there."""
        wanted = parse(reference)
        answer = self._endpoint(wanted.host).send(
            "PUT", _manifest_path(wanted), wanted.repository, push=True, data=content,
            headers={"Content-Type": media_type}, expected=frozenset({200, 201, 202}),
        )  # fmt: skip
        digest = _sha256(content)
        told = answer.headers.get("Docker-Content-Digest", digest)
        if told != digest:
            raise RegistryError(f"{wanted}: the registry stored something else than {digest}")
        return digest

    def _sources(self, wanted: Reference) -> list[Reference]:
        sources = self._access.sources(wanted)
        return [item for item in sources if item is wanted or item.host not in self._silent_mirrors]

    def _note_mirror(self, host: str, error: RegistryError) -> None:
        """A mirror that cannot be reached costs its retries once, not with each request."""
        if error.retry:
            self._silent_mirrors.add(host)

    def _endpoint(self, host: str) -> Endpoint:
        if host not in self._endpoints:
            self._endpoints[host] = Endpoint(host, self._keychain, self._access)
        return self._endpoints[host]

    def _read_manifest(self, wanted: Reference) -> Manifest | None:
        endpoint = self._endpoint(wanted.host)
        answer = endpoint.send(
            "GET", _manifest_path(wanted), wanted.repository, headers=_ACCEPT, stream=True,
            redirects=True, expected=_FOUND_OR_NOT,
        )  # fmt: skip
        if answer.status_code == 404:
            answer.close()
            return None
        content = b""
        for chunk in endpoint.chunks(answer):
            content += chunk
            if len(content) > _DOCUMENT_LIMIT:
                raise RegistryError(f"{wanted}: a manifest over {_DOCUMENT_LIMIT} bytes is refused")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if media_type not in (*MANIFESTS, *INDEXES):  # a proxy's guess; the content knows better
            media_type = _own_type(content) or media_type
        return Manifest(_checked(_sha256(content), wanted), media_type, content)


def _manifest_path(reference: Reference) -> str:
    return f"v2/{reference.repository}/manifests/{reference.selector}"


def _own_type(content: bytes) -> str | None:
    try:
        found = documents.load_json(content)["mediaType"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _checked(digest: str, wanted: Reference) -> str:
    if wanted.digest and digest != wanted.digest:
        raise RegistryError(f"{wanted}: the registry answered with {digest}")
    return digest


def _verified(chunks: Iterator[bytes], name: str, digest: str, size: int) -> Iterator[bytes]:
    hasher, length = hashlib.sha256(), 0
    for chunk in chunks:
        hasher.update(chunk)
        length += len(chunk)
        if length > size:
            break
        yield chunk
    if length != size or f"sha256:{hasher.hexdigest()}" != digest:
        raise RegistryError(f"{name}: the content is not what its digest says", retry=True)


def _mapping(content: bytes, what: str) -> dict[str, Any]:
    try:
        document = documents.load_json(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RegistryError(f"{what} is no JSON mapping")
    return document
