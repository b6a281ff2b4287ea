"""Where the repository is and what opens it: a Remote becomes addresses and git's environment.

Secrets travel in that environment and nowhere else: never argv, an URL or a file.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from gitops_bridge.errors import RepositoryError
from gitops_bridge.redaction import userinfo

_SCP_LIKE = re.compile(r"(?!.*://|\w+::)(?P<host>[^/:]+|[^/]*\[[^]]+\]):(?P<path>.*)")
_TOKEN = 16  # characters
_PORTS = {"http": 80, "https": 443, "ssh": 22}


@dataclass(frozen=True)
class Remote:
    """An http(s), ssh or local address, with the secrets themselves; `timeout` in seconds."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ssh_key: str | None = None
    ssh_known_hosts: str | None = None
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 60.0

    @property
    def transport(self) -> str:
        """http, https, ssh or file. Raises RepositoryError for any other address."""
        if _SCP_LIKE.fullmatch(self.url):
            return "ssh"
        scheme = _split(self.url).scheme.lower() if "://" in self.url else "file"
        helper = re.match(r"-|\w+::", self.url)
        if helper or scheme not in {"file", *_PORTS}:
            raise RepositoryError(
                f"repository address {_without_password(self.url)!r} is of no kind known here",
                hint="use https://, ssh://, user@host:path or a local path",
            )
        return scheme

    @property
    def address(self) -> str:
        """What git is given: a local path made absolute, an http(s) address without the user, for
        that is often a token; anything else as it is."""
        transport = self.transport
        if transport == "file":
            return str(_local(self.url))
        if "://" in self.url and _split(self.url).password is not None:
            raise RepositoryError(
                f"repository address {_without_password(self.url)!r} carries a password",
                hint="hand it in as the password instead: an address is seen by everybody",
            )
        return self.url if transport == "ssh" else where(self)

    def secrets(self) -> list[str]:
        """What must not be seen of it. The user in an address is often a token, and then long."""
        user = urlsplit(self.url).username or "" if "://" in self.url else ""
        found = [self.password or "", user if len(user) >= _TOKEN else ""]
        if self.proxy:
            found += [userinfo(self.proxy), unquote(urlsplit(self.proxy).password or "")]
        if self.password:
            found.append(self._basic())
        return [secret for secret in found if secret]

    def _basic(self) -> str:
        user = self.username or urlsplit(self.url).username or "x-access-token"
        return base64.b64encode(f"{user}:{self.password}".encode()).decode()

    def authorization(self) -> dict[str, str]:
        """The header that opens an http(s) remote, none without a password."""
        return {"Authorization": f"Basic {self._basic()}"} if self.password else {}

    def settings(self) -> Iterator[tuple[str, str]]:
        """git's configuration for this remote, in place of every configuration file.

        Redirects are refused because git would hand the Authorization header to wherever the first
        answer points; hooks are those of the server alone; the mirror is disposable, so nothing is
        worth an fsync.
        """
        yield "core.hooksPath", os.devnull
        yield "core.fsync", "none"
        yield "gc.auto", "0"
        yield "maintenance.auto", "false"
        yield "http.followRedirects", "false"
        yield "http.lowSpeedLimit", "1"
        yield "http.lowSpeedTime", str(max(1, round(self.timeout)))
        if self.ca_file:
            _must_exist(
                self.ca_file, "CA file", "name a file of PEM certificates (repository.ca_file)"
            )
            yield "http.sslCAInfo", self.ca_file
        if self.proxy:
            yield "http.proxy", self.proxy
        if self.password and self.transport in {"http", "https"}:
            parts = urlsplit(self.url)
            host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
            yield f"http.{host}.extraHeader", f"Authorization: Basic {self._basic()}"

    def ssh_command(self, sockets: Path) -> str:
        """The ssh command line: strict host keys always, one connection shared for a minute.

        Raises RepositoryError when a named file is missing.
        """
        options = [
            "BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no",
            f"ConnectTimeout={max(1, round(self.timeout / 2))}", "ServerAliveInterval=15",
            "ServerAliveCountMax=2",
        ]  # fmt: skip
        words = ["ssh", "-F", "none"]
        if self.ssh_key:
            _must_exist(self.ssh_key, "ssh key", "name the private key's file (repository.ssh_key)")
            words += ["-i", self.ssh_key]
            options.append("IdentitiesOnly=yes")
        if self.ssh_known_hosts:
            _must_exist(self.ssh_known_hosts, "ssh known hosts file", _KEYSCAN)
            options.append(f'UserKnownHostsFile="{self.ssh_known_hosts}"')
            options.append("GlobalKnownHostsFile=/dev/null")
        identity = hashlib.sha256(f"{self.ssh_key}\n{self.ssh_known_hosts}".encode()).hexdigest()
        socket = f"{sockets}/ssh-{identity[:8]}"
        if len(socket) + 17 < 108:  # the kernel's limit; ssh puts 17 characters behind it at first
            options += ["ControlMaster=auto", "ControlPersist=60", f'ControlPath="{socket}"']
        for option in options:
            words += ["-o", option]
        return shlex.join(words)


_KEYSCAN = (
    "write it with `ssh-keyscan HOST`, compare the fingerprint with the server's, and name it here "
    "(repository.ssh_known_hosts)"
)


def where(remote: Remote) -> str:
    """The address for people: without user and password."""
    return re.sub(r"://[^/@]*@", "://", remote.url)


def cache_key(remote: Remote) -> str:
    """A folder name that is equal for all spellings of one remote."""
    address = _canonical(remote)
    name = re.sub(r"[^A-Za-z0-9._-]", "-", address.rsplit("/", 1)[-1])[:40]
    return f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:16]}"


def _canonical(remote: Remote) -> str:
    if remote.transport == "file":
        return remote.address
    scp = _SCP_LIKE.fullmatch(remote.url)
    parts = _split(f"ssh://{scp['host']}/{scp['path']}" if scp else remote.url)
    scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    user = f"{parts.username}@" if scheme == "ssh" and parts.username else ""
    where = host if port in {None, _PORTS[scheme]} else f"{host}:{port}"
    path = re.sub(r"/+", "/", parts.path).rstrip("/").removesuffix(".git")
    return f"{scheme}://{user}{where}{path}"


def _split(url: str) -> SplitResult:
    """Raises RepositoryError where the host or the port cannot be told."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise RepositoryError(
            f"repository address {_without_password(url)!r} is not a valid URL: {error}",
            hint="use https://, ssh://, user@host:path or a local path",
        ) from None
    return parts


def _local(url: str) -> Path:
    """The folder git would open: as named, or its `.git`, or the name with `.git` behind it."""
    path = Path(url.removeprefix("file://")).resolve()
    for candidate in (path / ".git", path, path.with_name(path.name + ".git")):
        if candidate.is_dir():
            return candidate
    return path


def _must_exist(path: str, what: str, hint: str) -> None:
    if not Path(path).is_file():
        raise RepositoryError(f"{what} {path!r} does not exist", hint=hint)


def _without_password(url: str) -> str:
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:[redacted]@", url)
