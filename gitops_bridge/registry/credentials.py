"""Who we are to a registry: from given credentials, a Docker config file or a credential helper.

`endpoint` asks a `Keychain` once per repository. The file's format is that of Docker's
`config.json` and of Kubernetes Secrets of type `kubernetes.io/dockerconfigjson`:
https://github.com/docker/cli/blob/master/cli/config/configfile/file.go; the helpers' protocol is
https://github.com/docker/docker-credential-helpers.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gitops_bridge import documents
from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.reference import DOCKER_HUB, canonical_host

_HUB_SERVER = "https://index.docker.io/v1/"
_IDENTITY_USER = "<token>"
_UNKNOWN = "credentials not found"
"""What every helper says of a host that it does not know, in the words of their common library."""
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Credential:
    """A user and password, or an identity token that a token server exchanges; `source` says where
    a person finds it."""

    username: str
    password: str = field(repr=False, default="")
    identity_token: str = field(repr=False, default="")
    source: str = field(compare=False, default="")

    def __str__(self) -> str:
        return f"user {self.username!r}" + (f" of {self.source}" if self.source else "")

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
    helper for all hosts, the entries of the file (the one with the longest path). `source` names
    the file, or says that there is none."""

    source: str = ""
    given: Mapping[str, Credential] = field(default_factory=dict)
    entries: Mapping[str, Credential] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    patience: float = 30.0

    def credential(self, host: str, repository: str, left: float = math.inf) -> Credential | None:
        """The credential for `repository` on `host`; None to go anonymously. A helper may take
        no more than the seconds that are `left`.

        Raises RegistryError when a helper fails otherwise than by not knowing the host.
        """
        if host in self.given:
            return self.given[host]
        helper = self.helpers.get(host, self.store)
        found = _ask(helper, host, min(self.patience, left)) if helper else None
        if found:
            return found
        return next(
            (self.entries[key] for key in _scopes(host, repository) if key in self.entries), None
        )


def keychain(
    docker_config: str | bytes | None,
    source: str,
    given: Mapping[str, Credential] | None = None,
    *,
    patience: float = 30.0,
) -> Keychain:
    """A keychain over the text of a Docker config file, None for none; `source` is where it was
    read, or looked for. `patience`: seconds a credential helper may take.

    Raises RegistryError when it is not one; the message never quotes the file.
    """
    given = {canonical_host(host): item for host, item in (given or {}).items()}
    if docker_config is None:
        return Keychain(source, given)
    try:
        data = documents.load_json(docker_config)
    except ValueError:
        raise _malformed(source, "it is not JSON") from None
    if not isinstance(data, dict):
        raise _malformed(source, "a mapping is expected")
    auths, helpers = data.get("auths") or {}, data.get("credHelpers") or {}
    if not isinstance(auths, dict) or not isinstance(helpers, dict):
        raise _malformed(source, "auths and credHelpers must be mappings")
    read = {_key(server): _entry(server, item, source) for server, item in auths.items()}
    return Keychain(
        source,
        given,
        {server: item for server, item in read.items() if item},
        {_key(server): _helper(name, source) for server, name in helpers.items()},
        _helper(data["credsStore"], source) if data.get("credsStore") else None,
        patience,
    )


def _key(server: str) -> str:
    """`https://host/v1/` and `host` are one server; a path such as `host/team` stays."""
    bare = re.sub(r"^https?://", "", server).rstrip("/")
    host, _, path = bare.partition("/")
    path = "" if path in {"v1", "v2"} else path
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
            packed = "".join(str(item["auth"]).split())  # as `base64` wraps its lines
            decoded = base64.b64decode(packed, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _malformed(
                source, f"auths.{server}.auth is not base64 of user:password"
            ) from None
        username, _, password = decoded.rstrip("\x00").partition(":")
    token = str(item.get("identitytoken") or "")
    credential = Credential(username, password, token, f"{source}, auths.{server}")
    return credential if credential.password or credential.identity_token else None


def _helper(name: Any, source: str) -> str:
    if not isinstance(name, str) or not _HELPER.fullmatch(name):
        raise _malformed(source, f"{name!r:.60} is no credential helper's name")
    return name


def _ask(helper: str, host: str, patience: float) -> Credential | None:
    """`docker-credential-<helper> get`, the server on stdin, the secret on stdout alone."""
    program = f"docker-credential-{helper}"
    server = _HUB_SERVER if host == DOCKER_HUB else host
    code, out, err = _run(program, server, patience)
    if code:
        said = b"" if b'"Secret"' in out else out  # errors come on stdout too
        words = (said + err).decode("utf-8", "replace").strip()
        if _UNKNOWN in words.lower():
            return None
        raise RegistryError(
            f"the credential helper {program} for {host} failed: {words:.300}",
            hint="run it by hand in the same environment: the cloud's identity may be missing",
        )
    return _answer(program, host, out)


def _run(program: str, server: str, patience: float) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr; the helper and what it started end with this call."""
    try:
        process = subprocess.Popen(
            [program, "get"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise RegistryError(
            f"the credential helper {program} for {server} is not on PATH",
            hint="install it, or use a Docker config file with auths",
        ) from None
    except OSError as error:
        raise RegistryError(
            f"the credential helper {program} for {server} cannot be run: {error.strerror}",
            hint="check its rights, and that it is made for this machine",
        ) from None
    with process:
        try:
            out, err = process.communicate(server.encode(), timeout=patience)
        except BaseException as interruption:
            with suppress(ProcessLookupError):  # it has ended, and what it left holds its output
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(interruption, subprocess.TimeoutExpired):
                raise
            raise RegistryError(
                f"the credential helper {program} for {server} gave no answer in {patience:g} s",
                hint="run it by hand in this environment: it may wait for a network or a person",
                retry=True,
            ) from None
    return process.returncode, out, err


def _answer(program: str, host: str, output: bytes) -> Credential | None:
    try:
        answer = documents.load_json(output)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError):
        username = secret = None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise RegistryError(
            f"the credential helper {program} for {host} answered something else than a credential",
            hint="run it by hand: it must print a JSON mapping with Username and Secret alone",
        )
    if username == _IDENTITY_USER:
        return Credential(username, identity_token=secret, source=program)
    return Credential(username, secret, source=program) if secret else None


def _malformed(source: str, reason: str) -> RegistryError:
    return RegistryError(
        f"{source}: {reason}",
        hint="a Docker config.json is expected, as `docker login` writes it",
    )
