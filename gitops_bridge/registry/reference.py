"""An image reference as people write it, taken apart; every call of `client.Registry` starts here.

The grammar is https://github.com/distribution/reference, the defaults are Docker's: no host means
Docker Hub, and a single name there means its `library/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitops_bridge.errors import RegistryError

DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """`host[:port]/repository[:tag][@digest]`."""

    host: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def selector(self) -> str:
        """What asks the registry for this manifest: the digest decides over the tag."""
        return self.digest or self.tag or "latest"

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """The reference in `text`. Raises RegistryError naming the part that does not hold."""
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, f"{digest!r} is no sha256 digest")
    first, slash, path = name.partition("/")
    if not slash or not _is_host(first):
        first, path = DOCKER_HUB, name
    repository, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag!r} is no tag")
    host = canonical_host(first)
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    found = _HOST.fullmatch(host)
    if not found or int(found["port"] or 0) > 65_535:
        raise _invalid(text, f"{host!r} is no host")
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
        raise _invalid(text, f"{repository!r} is no repository: lower case, digits and . _ - /")
    return Reference(host, repository, tag or None, digest or None)


def canonical_host(host: str) -> str:
    """One spelling per registry: Docker Hub has three."""
    return DOCKER_HUB if host.lower() in _HUB_NAMES else host.lower()


def _is_host(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _invalid(text: str, reason: str) -> RegistryError:
    return RegistryError(
        f"image reference {text!r:.300}: {reason}",
        hint="write it as host/repository:tag or host/repository@sha256:…",
    )
