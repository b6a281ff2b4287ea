"""Who we are to a registry: from given credentials, a Docker config file or a credential helper.

`endpoint` asks a `Keychain` once per repository. The file's format is that of Docker's
`config.json` and of Kubernetes Secrets of type `kubernetes.io/dockerconfigjson`:
https://github.com/docker/cli/blob/master/cli/config/configfile/file.go; the helpers' protocol is
https://github.com/docker/docker-credential-helpers.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.reference import DOCKER_HUB, canonical_host

_HUB_SERVER = "https://index.docker.io/v1/"
_IDENTITY_USER = "<token>"
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_TIMEOUT = 30.0


@dataclass(frozen=True)
class Credential:
    """A user and password, or an identity token that a token server exchanges."""

    username: str
    password: str = field(repr=False, default="")
    identity_token: str = field(repr=False, default="")

    @property
    def basic(self) -> str:
        """The value of a Basic `Authorization` header, without the word."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password, self.identity_token, self.basic)


@dataclass(frozen=True)
class Keychain:
    """What is asked for a credential, in this order: `given` by host, the helper of the host, the
    helper for all hosts, the entries of the file (the one with the longest path)."""

    given: Mapping[str, Credential] = field(default_factory=dict)
    entries: Mapping[str, Credential] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None

    def credential(self, host: str, repository: str) -> Credential | None:
        """The credential for `repository` on `host`; None to go anonymously.

        Raises RegistryError when a helper fails otherwise than by not knowing the host.
        """
        if host in self.given:
            return self.given[host]
        helper = self.helpers.get(host, self.store)
        found = _ask(helper, host) if helper else None
        if found:
            return found
        return next(
            (self.entries[key] for key in _scopes(host, repository) if key in self.entries), None
        )


def keychain(
    docker_config: str | bytes | None, source: str, given: Mapping[str, Credential] | None = None
) -> Keychain:
    """A keychain over the text of a Docker config file, read from `source`.

    Raises RegistryError when it is not one; the message never quotes the file.
    """
    given = {canonical_host(host): item for host, item in (given or {}).items()}
    if docker_config is None:
        return Keychain(given)
    try:
        data = json.loads(docker_config)
    except ValueError:
        raise _malformed(source, "it is not JSON") from None
    if not isinstance(data, dict):
        raise _malformed(source, "a mapping is expected")
    auths, helpers = data.get("auths") or {}, data.get("credHelpers") or {}
    if not isinstance(auths, dict) or not isinstance(helpers, dict):
        raise _malformed(source, "auths and credHelpers must be mappings")
    read = {_key(server): _entry(server, item, source) for server, item in auths.items()}
    return Keychain(
        given,
        {server: item for server, item in read.items() if item},
        {_key(server): _helper(name, source) for server, name in helpers.items()},
        _helper(data["credsStore"], source) if data.get("credsStore") else None,
    )


def _key(server: str) -> str:
    """`https://host/v1/` and `host` are one server; a path such as `host/team` stays."""
    bare = re.sub(r"^https?://", "", server).rstrip("/")
    host, _, path = bare.partition("/")
    path = re.sub(r"(^|/)v[12]$", "", path)
    return f"{canonical_host(host)}/{path}".rstrip("/")


def _scopes(host: str, repository: str) -> Iterator[str]:
    parts = [host, *repository.split("/")]
    return ("/".join(parts[:count]) for count in range(len(parts), 0, -1))


def _entry(server: str, item: Any, source: str) -> Credential | None:
    if not isinstance(item, dict):
        raise _malformed(source, f"auths.{server} must be a mapping")
    username, password = str(item.get("username") or ""), str(item.get("password") or "")
    if item.get("auth"):
        try:
            decoded = base64.b64decode(str(item["auth"]), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _malformed(
                source, f"auths.{server}.auth is not base64 of user:password"
            ) from None
        username, _, password = decoded.rstrip("\x00").partition(":")
    credential = Credential(username, password, str(item.get("identitytoken") or ""))
    return credential if credential.password or credential.identity_token else None


def _helper(name: Any, source: str) -> str:
    if not isinstance(name, str) or not _HELPER.fullmatch(name):
        raise _malformed(source, f"{name!r:.60} is no credential helper's name")
    return name


def _ask(helper: str, host: str) -> Credential | None:
    """`docker-credential-<helper> get`, the server on stdin, the secret on stdout alone."""
    program = f"docker-credential-{helper}"
    server = _HUB_SERVER if host == DOCKER_HUB else host
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_TIMEOUT,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise RegistryError(
            f"the credential helper {program} for {host} is not on PATH",
            hint="install it, or use a Docker config file with auths",
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RegistryError(
            f"the credential helper {program} for {host}: {type(error).__name__}", retry=True
        ) from None
    if done.returncode:
        said = b"" if b'"Secret"' in done.stdout else done.stdout  # errors come on stdout too
        words = (said + done.stderr).decode("utf-8", "replace").strip()
        if "not found" in words.lower():
            return None
        raise RegistryError(
            f"the credential helper {program} for {host} failed: {words:.300}",
            hint="run it by hand in the same environment: the cloud's identity may be missing",
        )
    return _answer(program, host, done.stdout)


def _answer(program: str, host: str, output: bytes) -> Credential:
    try:
        answer = json.loads(output)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise RegistryError(
            f"the credential helper {program} for {host} answered something else than a credential"
        ) from None
    if username == _IDENTITY_USER:
        return Credential(username, identity_token=secret)
    return Credential(username, secret)


def _malformed(source: str, reason: str) -> RegistryError:
    return RegistryError(
        f"{source}: {reason}",
        hint="a Docker config.json is expected, as `docker login` writes it",
    )
