"""Clients of the registry and of DataRobot from their sections of the configuration.

`workshop` keeps what is made here. Both neighbours cost an import of the HTTP library, so they are
loaded with the first call: an action that asks neither does not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_bridge import config
from gitops_bridge.bridge.secrets import secret
from gitops_bridge.errors import ConfigError

if TYPE_CHECKING:
    from gitops_bridge.datarobot import DataRobot
    from gitops_bridge.registry.client import Registry


def registries(settings: config.Registry, environ: Mapping[str, str]) -> Callable[[str], Registry]:
    """A maker of one client for each host. It raises ConfigError for what cannot be read."""

    @cache
    def registry(host: str) -> Registry:
        from gitops_bridge.registry.access import Access
        from gitops_bridge.registry.client import Registry
        from gitops_bridge.registry.credentials import Credential, keychain

        password = secret(settings.password, "registry.password", environ)
        given = {host: Credential(settings.username or "", password)} if password else {}
        access = Access(
            plain_http=frozenset(settings.insecure),
            unverified=frozenset(settings.skip_tls_verify),
            ca_files={host: settings.ca_file} if settings.ca_file else {},
        )
        path = settings.docker_config
        return Registry(keychain(_content(path), f"registry.docker_config {path}", given), access)

    return registry


def _content(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"registry.docker_config: {path} cannot be read: {error.strerror or error}",
            hint="the path of a Docker config file, such as ~/.docker/config.json",
        ) from None


def datarobot(
    settings: config.DataRobot | None,
    environ: Mapping[str, str],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> Callable[[float], DataRobot | None]:
    """A maker of a client that waits at most so many seconds; of none without `settings`."""

    def client(patience: float) -> DataRobot | None:
        if settings is None:
            return None
        from gitops_bridge import datarobot as api

        token = secret(settings.token, "datarobot.token", environ) or ""
        rest = api.session(
            settings.url, token, ca_file=settings.ca_file, verify=settings.verify_ssl
        )
        return api.DataRobot(rest, clock=monotonic, sleep=sleep, patience=patience)

    return client
