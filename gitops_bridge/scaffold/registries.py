"""Registry kinds that were asked for to the components of base/image-builder, in their order, and
which of them do not combine.

`answers` calls it; `builder` lists the components, docs/registries/ explains each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations
from typing import Any

BUILDERS = ("kaniko", "append")

_CLOUDS = ("ecr", "acr", "gcr")
_LOGINS = (*_CLOUDS, "openshift", "docker-config", "docker-config-map")
_CONNECTIONS = ("private-ca", "insecure-registry", "skip-tls-verify", "registry-mirror")
KINDS = (*_LOGINS, *_CONNECTIONS)
"""How the builder logs in, then how it connects; components apply in this order."""

_HOSTS = (
    ("ecr", ".amazonaws.com"),
    ("acr", ".azurecr.io"),
    ("gcr", "gcr.io"),
    ("gcr", "-docker.pkg.dev"),
    ("openshift", "image-registry.openshift-image-registry.svc"),
)

_NO_TLS = "its registry speaks TLS alone, insecure-registry is plain HTTP"
_CONFLICTS: Mapping[frozenset[str], str] = {
    **{
        frozenset(pair): "each gives the builder's service account an identity of its own; keep "
        "one, docker-config or docker-config-map logs in to the other"
        for pair in combinations((*_CLOUDS, "openshift"), 2)
    },
    **{frozenset((cloud, "insecure-registry")): _NO_TLS for cloud in _CLOUDS},
    frozenset(("docker-config", "docker-config-map")): "both mount the builder's one config.json",
    frozenset(("private-ca", "skip-tls-verify")): "private-ca checks the registry's certificate, "
    "skip-tls-verify takes any",
    frozenset(("private-ca", "insecure-registry")): "private-ca checks the registry's certificate, "
    "insecure-registry goes on without TLS",
}
_CREDENTIALS = {"kanikoSecretName": "docker-config", "kanikoConfigmapName": "docker-config-map"}
_KANIKO_ONLY = ("kanikoImage", "kanikoSecurityContext", "kanikoExtraArguments")


def components(asked: Sequence[str], settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds asked for and what they need beside; for the login, unless asked for, by the
    credentials named, else by the repository's host.

    `settings` are an environment's, by the plugin's own keys.
    """
    found = {*asked, *_imported(settings)}
    found |= _login(found & set(_LOGINS), settings)
    return tuple(kind for kind in KINDS if kind in found)


def problems(found: Sequence[str], builder: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """Which of the components do not combine, and why."""
    for pair in combinations(found, 2):
        if why := _CONFLICTS.get(frozenset(pair)):
            yield f"--registry-kind {pair[0]} and {pair[1]} do not combine: {why}"
    if builder == "append":
        yield from _not_append(found, settings)


def host(settings: Mapping[str, Any]) -> str:
    """Host and port of the registry that the images go to."""
    return str(settings["generatedImageRepo"]).partition("/")[0]


def _imported(settings: Mapping[str, Any]) -> Iterator[str]:
    if host(settings) in settings.get("kanikoInsecureRegistries", []):
        yield "insecure-registry"
    if host(settings) in settings.get("kanikoSkipSslVerifyRegistries", []):
        yield "skip-tls-verify"


def _login(asked: Set[str], settings: Mapping[str, Any]) -> set[str]:
    """A Secret logs in by itself, so it stands in for the cloud that only the host tells of."""
    name = host(settings).partition(":")[0]
    told = {kind for kind, end in _HOSTS if name.endswith(end)}
    found = {kind for setting, kind in _CREDENTIALS.items() if setting in settings}
    if asked:
        found |= asked
    else:
        found |= told & {"openshift"} if "docker-config" in found else told
    return found | {"docker-config"} if found <= {"openshift"} else found


def _not_append(found: Sequence[str], settings: Mapping[str, Any]) -> Iterator[str]:
    if "openshift" in found:
        yield (
            "--builder append does not take openshift: it fits Kaniko to the SCC anyuid; "
            "give append docker-config and private-ca"
        )
    if not {"docker-config", "docker-config-map", "openshift"} & set(found):
        yield (
            f"--builder append does not take {found[0]} alone: that is Kaniko's built-in helper; "
            "add docker-config-map, whose config.json names a helper in the bridge's image"
        )
    for setting in _KANIKO_ONLY:
        if settings.get(setting):
            yield f"--builder append does not take {setting}: it is Kaniko's, set it to null"
