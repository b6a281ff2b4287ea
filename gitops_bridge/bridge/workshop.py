"""What an action works with: the repository, the renderer, the configuration; the doors open it.

Secrets are fetched from where the configuration says they are, here and nowhere else.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gitops_bridge.config import Config, Secret
from gitops_bridge.errors import ConfigError
from gitops_bridge.git import Remote, Repository, Signature
from gitops_bridge.kustomize import Kustomize, find


@dataclass(frozen=True)
class Workshop:
    config: Config
    repository: Repository
    kustomize: Kustomize
    clock: Callable[[], float] = time.time

    @property
    def author(self) -> Signature:
        return Signature(self.config.author.name, self.config.author.email)


def open_workshop(config: Config, environ: Mapping[str, str]) -> Workshop:
    """Everything an action needs; touches neither network nor repository yet.

    Raises ConfigError for a secret that is not where it should be, RenderError without a renderer.
    """
    cache = cache_folder(config, environ)
    repository = Repository(
        remote(config, environ),
        cache,
        clock=time.time,
        committer=Signature(config.author.name, config.author.email),
    )
    return Workshop(config, repository, find(environ.get("PATH"), cache / "rendered"))


def remote(config: Config, environ: Mapping[str, str]) -> Remote:
    settings = config.repository
    return Remote(
        url=settings.url,
        username=settings.username,
        password=secret(settings.password, "repository.password", environ),
        ssh_key=settings.ssh_key,
        ssh_known_hosts=settings.ssh_known_hosts,
        ca_file=settings.ca_file,
        proxy=settings.proxy or _proxy(settings.url, environ),
    )


def secret(whereabouts: Secret | None, key: str, environ: Mapping[str, str]) -> str | None:
    """The secret behind a configuration key. Raises ConfigError naming the key, never the value."""
    if whereabouts is None:
        return None
    if whereabouts.env is not None:
        found = environ.get(whereabouts.env, "")
        missing = f"the environment variable {whereabouts.env} is not set"
    else:
        found, missing = _from_file(Path(whereabouts.file or ""))
    if not found.strip():
        raise ConfigError(f"{key}: {missing}", hint="set it, or correct the key")
    return found.strip()


def _from_file(path: Path) -> tuple[str, str]:
    try:
        return path.read_text(encoding="utf-8"), f"the file {path} is empty"
    except (OSError, UnicodeDecodeError) as error:
        return "", f"the file {path} cannot be read: {getattr(error, 'strerror', None) or error}"


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
    return listed.get(parts.scheme) or listed.get("all") or None


def cache_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where the disposable mirror lies: as configured, else in the user's cache folder, else, for
    a user without a home, below the system's temporary folder under the user's own name."""
    if config.repository.cache:
        return Path(config.repository.cache).expanduser()
    base = environ.get("XDG_CACHE_HOME") or (
        f"{environ['HOME']}/.cache" if environ.get("HOME") else None
    )
    if base:
        return Path(base) / "gitops-bridge"
    import getpass

    owner = hashlib.sha256(getpass.getuser().encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"gitops-bridge-{owner}"
