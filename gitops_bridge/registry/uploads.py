"""A blob into a registry in one stream: open an upload, send it, close it with the digest.

`client.Registry.push_blob` is the caller.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs: one PATCH with
the whole blob is what the common tools do and every registry takes; where PATCH is not offered the
closing PUT carries it.
"""

from __future__ import annotations

import logging

from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.endpoint import Endpoint
from gitops_bridge.rest import Content

_ATTEMPTS = 3
_BINARY = {"Content-Type": "application/octet-stream"}
_TAKEN = frozenset({201, 202, 204})
_NOT_OFFERED = frozenset({405, 501})
_log = logging.getLogger(__name__)


def has_blob(endpoint: Endpoint, repository: str, digest: str) -> bool:
    """Whether the repository holds the blob; a redirect to its storage says that it does."""
    answer = endpoint.send(
        "HEAD", f"v2/{repository}/blobs/{digest}", repository,
        expected=frozenset({200, 302, 303, 307, 308, 404}),
    )  # fmt: skip
    return answer.status_code != 404


def push_blob(endpoint: Endpoint, repository: str, digest: str, content: bytes | Content) -> None:
    """Upload `content` as blob `digest`.

    Each attempt opens a new upload, once the last one is seen not to have arrived. Going on where
    the connection broke is not to be had: docker-registry 2.8 keeps what came, but its upload's
    address carries the offset that it last told us, and with any byte beyond that it answers every
    request, the one for the status too, by 404 BLOB_UPLOAD_INVALID. Raises RegistryError.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _upload(endpoint, repository, digest, content)
        except RegistryError as error:
            if not error.retry:
                raise
            if _arrived(endpoint, repository, digest):
                return
            if attempt == _ATTEMPTS:
                raise
            _log.warning("%s; %s is sent again from its start", error.message, digest)
        else:
            return


def _upload(endpoint: Endpoint, repository: str, digest: str, content: bytes | Content) -> None:
    opened = endpoint.send(
        "POST", f"v2/{repository}/blobs/uploads/", repository, push=True, data=b"",
        expected=frozenset({202}),
    )  # fmt: skip
    location = _location(opened.headers.get("Location"), endpoint, repository)
    sent = endpoint.send(
        "PATCH", location, repository, push=True, data=content, headers=_BINARY,
        expected=_TAKEN | _NOT_OFFERED,
    )  # fmt: skip
    rest: bytes | Content = b""
    if sent.status_code in _NOT_OFFERED:
        rest = content
    else:
        location = _location(sent.headers.get("Location", location), endpoint, repository)
    endpoint.send(
        "PUT", location, repository, push=True, params={"digest": digest}, data=rest,
        headers=_BINARY, expected=_TAKEN,
    )  # fmt: skip


def _arrived(endpoint: Endpoint, repository: str, digest: str) -> bool:
    """After a fault: the answer may have been lost, not the blob."""
    try:
        return has_blob(endpoint, repository, digest)
    except RegistryError:
        return False


def _location(header: str | None, endpoint: Endpoint, repository: str) -> str:
    if not header:
        raise RegistryError(f"{endpoint.host}/{repository}: the registry opened no upload")
    return header
