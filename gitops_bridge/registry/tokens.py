"""The challenge of a registry and the token that answers it; `endpoint` asks for one per scope.

https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.credentials import Credential
from gitops_bridge.registry.problems import refused
from gitops_bridge.rest import Response, Rest, joined

_CLIENT = "gitops-bridge"
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')
_ANY = frozenset(range(200, 600))


@dataclass(frozen=True)
class Challenge:
    """What a registry wants: nothing (scheme ""), `basic`, or `bearer` from `realm`."""

    scheme: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str:
        return self.parameters.get("realm", "")

    @property
    def scopes(self) -> frozenset[str]:
        """Those the registry names itself, one per repository."""
        return frozenset(self.parameters.get("scope", "").split())


def parse_challenge(header: str) -> Challenge:
    """The challenge in a `WWW-Authenticate` header; Bearer is preferred where both are offered."""
    found = {
        match[1].lower(): match[2]
        for match in re.finditer(
            r"\b(Basic|Bearer)\b\s*(.*?)(?=,\s*(?:Basic|Bearer)\s|$)", header, re.I
        )
    }
    for scheme in ("bearer", "basic"):
        if scheme in found:
            pairs = _PARAMETER.findall(found[scheme])
            return Challenge(scheme, {key.lower(): quoted or bare for key, quoted, bare in pairs})
    return Challenge()


def fetch_token(
    challenge: Challenge,
    scopes: frozenset[str],
    credential: Credential | None,
    *,
    registry_is_tls: bool,
    session: Callable[[str], Rest],
) -> str:
    """A token for `scopes` from the challenge's realm, anonymous without a credential.

    Raises RegistryError when the realm refuses, answers nonsense, or when it asks for the
    credential in the clear although the registry itself speaks TLS.
    """
    realm = challenge.realm
    parts = urlsplit(joined(realm, "", RegistryError))
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise RegistryError(
            "the registry names no usable token server",
            hint="the realm in its WWW-Authenticate header must be an http or https address",
        )
    if credential and registry_is_tls and parts.scheme == "http":
        raise RegistryError(
            f"the registry sends us to {parts.hostname} over plain HTTP for a token",
            hint="the credential was not sent; the registry's token realm must be https",
        )
    with session(f"{parts.scheme}://{parts.netloc}/") as rest:
        rest.conceal(*(credential.secrets if credential else ()))
        service = challenge.parameters.get("service", "")
        response = _ask(rest, realm, service, scopes, credential)
        body = rest.redact(response.text)
    if response.status_code != 200:
        user = f"for {credential}" if credential else "without a credential"
        raise refused(
            f"token server {parts.hostname} {user}", response.status_code, body,
            retry_after=response.headers.get("Retry-After"),
        )  # fmt: skip
    return _token(response, parts.hostname)


def _ask(
    rest: Rest, realm: str, service: str, scopes: frozenset[str], credential: Credential | None
) -> Response:
    if credential and credential.identity_token:
        form = {
            "grant_type": "refresh_token", "client_id": _CLIENT, "service": service,
            "scope": " ".join(sorted(scopes)), "refresh_token": credential.identity_token,
        }  # fmt: skip
        return rest.request("POST", realm, data=form, expected=_ANY)
    known = {"Authorization": f"Basic {credential.basic}"} if credential else {}
    params = {"client_id": _CLIENT, "scope": sorted(scopes)}
    params |= {"service": service} if service else {}
    return rest.request("GET", realm, params=params, credentials=known, expected=_ANY)


def _token(response: Response, host: str) -> str:
    try:
        answer = response.json()
        token = answer.get("token") or answer["access_token"]
    except (ValueError, KeyError, TypeError, AttributeError):
        token = None
    if not isinstance(token, str):
        raise RegistryError(f"token server {host} answered without a token")
    return token
