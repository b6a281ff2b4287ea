"""How registries are reached: plain HTTP, TLS trust, mirrors, patience."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gitops_bridge.registry.reference import DOCKER_HUB, Reference

_HUB_API = "registry-1.docker.io"


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for a connection, for an answer, and at most between two tries; how many
    tries after the first. As it stands it suits uploads: a registry verifies a large blob before it
    answers."""

    connect: float = 30.0
    answer: float = 300.0
    pause: float = 60.0
    retries: int = 3


@dataclass(frozen=True)
class Access:
    """`plain_http` and `unverified` name hosts (with port), `ca_files` the CA bundle of a host.
    `mirrors` maps a host to `host[/prefix]` that is read first. A loopback host speaks plain HTTP
    unless its certificate is spoken of here. `left` gives the seconds that are left for all that is
    asked of registries."""

    plain_http: frozenset[str] = frozenset()
    unverified: frozenset[str] = frozenset()
    ca_files: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = Patience()
    left: Callable[[], float] = field(default=lambda: math.inf, compare=False)

    def base_url(self, host: str) -> str:
        """The root of the host's API, with the closing slash."""
        scheme = "http" if self._is_plain(host) else "https"
        return f"{scheme}://{_HUB_API if host == DOCKER_HUB else host}/"

    def sources(self, reference: Reference) -> list[Reference]:
        """Where to read `reference`, in order: its mirror, then itself."""
        mirror = self.mirrors.get(reference.host)
        if not mirror:
            return [reference]
        host, _, prefix = mirror.strip("/").partition("/")
        repository = f"{prefix}/{reference.repository}" if prefix else reference.repository
        return [Reference(host, repository, reference.tag, reference.digest), reference]

    def _is_plain(self, host: str) -> bool:
        if host in self.plain_http:
            return True
        return _is_loopback(host) and host not in self.ca_files and host not in self.unverified


def _is_loopback(host: str) -> bool:
    name = host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
