"""A GitHub App's private key to installation tokens, minted anew before they expire.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
Used as the `token` of `forge.connect`; git has credentials of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.api import Api
from gitops_bridge.forge.github import GitHub

_MARGIN = 300  # seconds before its expiry from which a token is not handed out any more
_VALID = 540  # seconds a signed request may live; GitHub allows 600
_SKEW = 60  # seconds our clock may run ahead of GitHub's


class AppTokens:
    """Hands out an installation token of the App for `project` ("owner/repository").

    `app_id` is the App's id or client id, `private_key` its PEM text. Minting one takes at most
    about `patience` seconds, and no more than `left` gives. Calling it raises ForgeError.
    """

    def __init__(
        self,
        api_url: str,
        project: str,
        *,
        app_id: str,
        private_key: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        installation_id: int | None = None,
        ca_file: str | None = None,
        patience: float = 60.0,
        left: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._project = project
        self._app_id = app_id
        self._key = private_key
        self._installation = installation_id
        self._clock = clock
        self._token = ""
        self._expires = 0.0
        self._api = Api(
            "github", api_url, authorize=self._authorize, headers=GitHub.headers, clock=clock,
            sleep=sleep, ca_file=ca_file, patience=patience, left=left, hints={
                401: "the App's id and private key do not match, or this machine's clock is wrong",
                403: "the installation is suspended",
                404: f"the App is not installed on {project}: install it there",
            },
        )  # fmt: skip

    def __call__(self) -> str:
        if self._clock() >= self._expires - _MARGIN:
            self._mint()
        return self._token

    def _mint(self) -> None:
        if self._installation is None:
            self._installation = self._api.get(f"repos/{self._project}/installation")["id"]
        path = f"app/installations/{self._installation}/access_tokens"
        minted = self._api.ask("POST", path).data
        self._token = minted["token"]
        self._expires = datetime.fromisoformat(
            minted["expires_at"].replace("Z", "+00:00")
        ).timestamp()

    def _authorize(self) -> dict[str, str]:
        now = int(self._clock())
        claims = {"iat": now - _SKEW, "exp": now + _VALID, "iss": self._app_id}
        return {"Authorization": f"Bearer {_signed(claims, self._key)}"}


def _signed(claims: dict[str, Any], private_key: str) -> str:
    try:
        import jwt
    except ImportError:
        raise ForgeError(
            "a GitHub App needs a library that is not installed",
            hint="install gitops-bridge with the extra `github-app`: "
            "gitops-bridge help how-to/install",
        ) from None
    try:
        return jwt.encode(claims, private_key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ForgeError(
            "the GitHub App's private key cannot be read",
            hint="it must be the PEM file GitHub made",
        ) from None
