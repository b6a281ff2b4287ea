"""Clients of the registry, of DataRobot and of the forge, and the signer of commits, from their
sections of the configuration.

`context` keeps what is made here. The neighbours cost an import of the HTTP library, so they are
loaded with the first call: an action that asks none does not pay for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_bridge import config
from gitops_bridge.cache import Cache
from gitops_bridge.controller.secrets import secret
from gitops_bridge.errors import ConfigError
from gitops_bridge.git import Sign, gpg_signer, ssh_signer
from gitops_bridge.secret_text import Syntax

if TYPE_CHECKING:
    from gitops_bridge.cluster import Reader as ClusterReader
    from gitops_bridge.controller.pulls import Pulls
    from gitops_bridge.datarobot import DataRobot
    from gitops_bridge.forge import Forge
    from gitops_bridge.registry.client import Registry


def registries(
    settings: config.Registry,
    environ: Mapping[str, str],
    budget: float,
    left: Callable[[], float],
) -> Callable[[str], Registry]:
    """A maker of one client for each host; all of its questions together may take the seconds that
    are `left`. It raises ConfigError for what cannot be read.

    One answer that is long in coming may take but a part of an action's `budget`, in seconds: a
    look plans twice and asks twice each time, and must end in what the agent allows beyond that.
    """
    wait = min(30.0, max(2.0, budget / 24))

    @cache
    def registry(host: str) -> Registry:
        from gitops_bridge.registry.access import Access, Patience
        from gitops_bridge.registry.client import Registry
        from gitops_bridge.registry.credentials import Credential, keychain

        password = secret(settings.password, "registry.password", environ, Syntax.PASSWORD)
        user = settings.username or ""
        given = {host: Credential(user, password, source="registry.username")} if password else {}
        access = Access(
            plain_http=frozenset(settings.insecure),
            unverified=frozenset(settings.skip_tls_verify),
            ca_files={host: settings.ca_file} if settings.ca_file else {},
            patience=Patience(connect=wait, answer=wait, pause=wait, retries=1),
            left=left,
        )
        path = settings.docker_config
        source = f"registry.docker_config {path}" if path else _NO_LOGIN
        return Registry(keychain(_content(path), source, given, patience=wait), access)

    return registry


_NO_LOGIN = (
    "gitops-bridge.yaml: set registry.docker_config, or registry.username and registry.password"
)


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
    left: Callable[[], float],
) -> Callable[[float], DataRobot | None]:
    """A maker of a client that waits at most so many seconds, and no more than are `left`; of none
    without `settings`."""

    def client(patience: float) -> DataRobot | None:
        if settings is None:
            return None
        from gitops_bridge import datarobot as api

        token = secret(settings.token, "datarobot.token", environ, Syntax.TOKEN) or ""
        until = monotonic() + patience
        rest = api.session(
            settings.url, token, ca_file=settings.ca_file, verify=settings.verify_ssl,
            left=lambda: min(until - monotonic(), left()),
        )  # fmt: skip
        most = min(patience, left())
        return api.DataRobot(rest, clock=monotonic, sleep=sleep, patience=most)

    return client


def forge(
    settings: config.PullRequests,
    url: str,
    environ: Mapping[str, str],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    budget: float,
    left: Callable[[], float],
) -> Callable[[], Forge]:
    """A maker of the one client for the forge of the repository at `url`. One call takes but a part
    of an action's `budget`, in seconds, and all together no more than are `left`.

    It raises ConfigError for a secret that is not there, ForgeError for a provider not known.
    """

    @cache
    def client() -> Forge:
        from gitops_bridge import forge as api

        location = api.locate(url, settings.provider, settings.api_url)
        patience = max(10.0, min(60.0, budget / 4))
        token: Callable[[], str]
        if settings.app:
            whereabouts = settings.app.private_key
            key = secret(whereabouts, "pull_request.app.private_key", environ, Syntax.KEY) or ""
            token = api.AppTokens(
                location.api_url, location.project, app_id=settings.app.id, private_key=key,
                clock=clock, sleep=sleep, installation_id=settings.app.installation,
                ca_file=settings.ca_file, patience=patience, left=left,
            )  # fmt: skip
        else:
            given = secret(settings.token, "pull_request.token", environ, Syntax.TOKEN) or ""
            token = lambda: given  # noqa: E731
        return api.connect(
            location, token, clock=clock, sleep=sleep, username=settings.username,
            ca_file=settings.ca_file, patience=patience, left=left,
        )  # fmt: skip

    return client


def pulls(forge: Callable[[], Forge], folder: Path) -> Callable[[], Pulls]:
    """A maker of the one memory of pull requests, in `folder`."""

    @cache
    def memory() -> Pulls:
        from gitops_bridge.controller.pulls import Pulls

        return Pulls(forge, Cache(folder))

    return memory


def cluster(settings: config.Cluster | None) -> Callable[[], ClusterReader | None]:
    """A maker of the one reader of clusters; of none without `settings`."""

    @cache
    def reader() -> ClusterReader | None:
        if settings is None:
            return None
        from gitops_bridge.cluster import Reader

        return Reader(settings)

    return reader


def signer(settings: config.Signing | None, environ: Mapping[str, str]) -> Sign | None:
    """What signs commits. Raises ConfigError for a key that is not there."""
    if settings is None:
        return None
    if settings.format is config.SigningFormat.GPG:
        home = settings.home or environ.get("GNUPGHOME") or f"{environ.get('HOME', '')}/.gnupg"
        return gpg_signer(settings.key, str(Path(home).expanduser()))
    key = Path(settings.key).expanduser()
    if not key.is_file():
        raise ConfigError(
            f"signing.key: the file {key} is not there", hint="the path of an ssh private key"
        )
    return ssh_signer(str(key))
