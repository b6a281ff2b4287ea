"""What an action works with: the repository, the renderer, the configuration, and the ways to the
registry, to DataRobot and to the forge."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitops_bridge.cache import private
from gitops_bridge.config import Config
from gitops_bridge.controller import clients
from gitops_bridge.controller.listing import Listing
from gitops_bridge.controller.secrets import secret
from gitops_bridge.controller.sources import Reader, Tree
from gitops_bridge.desired import commit_template, messages
from gitops_bridge.errors import ConfigError
from gitops_bridge.git import Remote, Repository, Sign, Signature
from gitops_bridge.kustomize import Kustomize, find
from gitops_bridge.secret_text import Syntax

if TYPE_CHECKING:
    from gitops_bridge.cluster import Reader as ClusterReader
    from gitops_bridge.controller.pulls import Pulls
    from gitops_bridge.datarobot import DataRobot
    from gitops_bridge.forge import Forge
    from gitops_bridge.registry.client import Registry


@dataclass(frozen=True)
class Context:
    """`registry` gives a client for a registry's host, `datarobot` one for its API that waits at
    most so many seconds, None when it is not configured, `forge` the one for pull requests, `pulls`
    what is remembered of them, `cluster` a reader of clusters, None without one: they are made, and
    their secrets read, when they are first needed.
    `sign` signs commits, None when they are not signed; `listing` remembers what was listed,
    `digests` what registries had in this look.
    `clock` gives seconds since the epoch, `monotonic` seconds that only grow."""

    config: Config
    repository: Repository
    kustomize: Kustomize
    registry: Callable[[str], Registry]
    datarobot: Callable[[float], DataRobot | None]
    forge: Callable[[], Forge]
    pulls: Callable[[], Pulls]
    cluster: Callable[[], ClusterReader | None]
    sign: Sign | None
    cache: Path
    listing: Listing = field(default_factory=Listing)
    digests: dict[str, str | None] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @property
    def author(self) -> Signature:
        return Signature(self.config.author.name, self.config.author.email)

    @property
    def committer(self) -> Signature:
        committer = self.config.committer or self.config.author
        return Signature(committer.name, committer.email)

    def reader(self, tree: Tree) -> Reader:
        """What kustomize reads of a tree, by the policy about what lies elsewhere."""
        return Reader(tree, self.config.render.hosts)

    def message(self, text: str, author: Signature) -> str:
        """A commit's message as the policy wants it: in the team's pattern, with its author's
        sign-off."""
        text = commit_template.framed(text, self.config.commit_message)
        if not self.config.sign_off:
            return text
        return messages.signed_off(text, author.name, author.email)


def open_context(
    config: Config,
    environ: Mapping[str, str],
    *,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Context:
    """Everything an action needs; touches neither network nor repository yet.

    Raises ConfigError for a secret that is not where it should be and for a cache folder that is
    not ours alone, RenderError without a renderer.
    """
    cache = cache_folder(config, environ)
    with suppress(OSError):  # told by whoever needs it: the mirror
        private(cache)
    committer = config.committer or config.author
    sign = clients.signer(config.signing, environ)
    url = config.repository.url
    budget = config.actions.budget
    seen = cache / f"pull-requests-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    repository = Repository(
        remote(config, environ),
        cache,
        clock=clock,
        committer=Signature(committer.name, committer.email),
        sign=sign,
        root=config.repository.root,
    )
    left = repository.left
    forge = clients.forge(config.pull_request, url, environ, clock, sleep, budget, left)
    return Context(
        config,
        repository,
        find(
            environ.get("PATH"),
            cache / "rendered",
            options=config.render.options,
            remote=bool(config.render.hosts),
            left=repository.left,
        ),
        clients.registries(config.registry, environ, budget, left),
        clients.datarobot(config.datarobot, environ, monotonic, sleep, left),
        forge,
        clients.pulls(forge, seen),
        clients.cluster(config.cluster),
        sign,
        cache,
        clock=clock,
        monotonic=monotonic,
        sleep=sleep,
    )


def remote(config: Config, environ: Mapping[str, str]) -> Remote:
    settings = config.repository
    return Remote(
        url=settings.url,
        username=settings.username,
        password=secret(settings.password, "repository.password", environ, Syntax.PASSWORD),
        ssh_key=settings.ssh_key,
        ssh_known_hosts=settings.ssh_known_hosts,
        ca_file=settings.ca_file,
        proxy=settings.proxy or _proxy(settings.url, environ),
        timeout=settings.timeout,
    )


def _proxy(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy variables every HTTP program honours, unless NO_PROXY names the host."""
    parts = urlsplit(url)
    lower = {key.lower(): value for key, value in environ.items() if key.lower().endswith("_proxy")}
    listed = {key.removesuffix("_proxy"): value for key, value in lower.items()}
    if parts.scheme not in {"http", "https"} or not listed or not parts.hostname:
        return None
    from urllib.request import proxy_bypass

    if proxy_bypass(parts.hostname, listed):
        return None
    proxy = listed.get(parts.scheme) or listed.get("all") or None
    if proxy and not _is_address(proxy):
        raise ConfigError(
            f"the environment variable {parts.scheme}_proxy (or all_proxy) holds no valid address",
            hint="write it as http://host:port",
        )
    return proxy


def _is_address(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname)


def cache_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where the disposable mirror lies: as configured, else in the user's cache folder, else, for
    a user without a home, below the system's temporary folder under the user's own number."""
    if config.repository.cache:
        return Path(config.repository.cache).expanduser()
    base = environ.get("XDG_CACHE_HOME") or (
        f"{environ['HOME']}/.cache" if environ.get("HOME") else None
    )
    if base:
        return Path(base) / "gitops-bridge"
    try:
        return Path(tempfile.gettempdir()) / f"gitops-bridge-{os.geteuid()}"
    except OSError as error:
        raise ConfigError(
            f"there is no home and no temporary folder for the cache: {error.strerror or error}",
            hint="set repository.cache to a folder with room",
        ) from None
