"""One `requests` session per HTTP API: timeouts, retries, size limits, redaction.

`forge`, `datarobot`, `registry` and `images` speak HTTP through this and through nothing else. It
turns the library's failures into the caller's own error class and keeps secrets out of messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from gitops_bridge.errors import BridgeError

Headers = Mapping[str, str]
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_BUSY = frozenset({429, 503})
_PASSING = _BUSY | {500, 502, 504}


class _Patience(Retry):
    """Retries what cannot have had an effect: any request the server was too busy for, and
    idempotent ones after a fault on the way. `Retry-After` is honoured by the base class."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        return status_code in (_PASSING if method.upper() in IDEMPOTENT else _BUSY)


class Rest:
    """A session against `base_url`; every failure is raised as `error`.

    `authorize` returns the headers that authenticate a request and is asked anew each time, so that
    tokens may be refreshed; they are sent to the host of `base_url` alone, never after a redirect
    to another. `secrets` are blanked out in every message.
    """

    def __init__(
        self,
        base_url: str,
        *,
        error: type[BridgeError],
        authorize: Callable[[], Headers] = dict,
        secrets: tuple[str, ...] = (),
        ca_file: str | None = None,
        verify: bool = True,
        timeout: tuple[float, float] = (10.0, 60.0),
        retries: int = 4,
        backoff: float = 0.5,
    ) -> None:
        self.base_url = base_url if base_url.endswith("/") else base_url + "/"
        self._error = error
        self._authorize = authorize
        self._secrets = tuple(secret for secret in secrets if secret)
        self._timeout = timeout
        self._session = requests.Session()
        self._session.verify = (ca_file or True) if verify else False
        patience = _Patience(
            total=retries, backoff_factor=backoff, backoff_max=30, raise_on_status=False,
            allowed_methods=IDEMPOTENT, redirect=0,
        )  # fmt: skip
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=patience))

    def __enter__(self) -> Rest:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        data: Any = None,
        headers: Headers | None = None,
        stream: bool = False,
        redirects: bool = False,
        expected: frozenset[int] | None = None,
    ) -> requests.Response:
        """Send one request; `path` is relative to the base or an absolute URL.

        `body` goes out as JSON, `data` as bytes, a file or an iterator of bytes. Any status below
        400 is an answer, and with `expected` any of those. Raises the session's error class with
        `retry` set for faults that may pass, the server's own words in the message.
        """
        url = urljoin(self.base_url, path)
        own_host = urlsplit(url).netloc == urlsplit(self.base_url).netloc
        sent = {**(self._authorize() if own_host else {}), **(headers or {})}
        try:
            response = self._session.request(
                method, url, params=params, json=body, data=data, headers=sent, stream=stream,
                timeout=self._timeout, allow_redirects=redirects, auth=_no_netrc,
            )  # fmt: skip
        except requests.RequestException as error:
            raise self._unreachable(method, url, error) from None
        if response.status_code in expected if expected is not None else response.status_code < 400:
            return response
        raise self._refused(method, url, response)

    def json(self, method: str, path: str, **options: Any) -> Any:
        """As `request`, the answer parsed; an empty answer is None."""
        response = self.request(method, path, **options)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise self._error(
                f"{method} {without_userinfo(response.url)}: the answer is not JSON: "
                f"{self.redact(response.text[:200])!r}",
                hint="is this the API's address?",
            ) from None

    def redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return text

    def _unreachable(self, method: str, url: str, error: Exception) -> BridgeError:
        tls = isinstance(error, requests.exceptions.SSLError)
        hint = "check the CA file" if tls else "check address, network and proxy, then try again"
        reason = self.redact(str(getattr(error, "args", [error])[0] if error.args else error))
        return self._error(
            f"{method} {without_userinfo(url)}: {reason:.300}", hint=hint, retry=not tls
        )

    def _refused(self, method: str, url: str, response: requests.Response) -> BridgeError:
        status = response.status_code
        problem = self._error(
            f"{method} {without_userinfo(url)}: {status} {response.reason}: "
            f"{self.redact(server_words(response)):.500}",
            hint=_HINTS.get(status),
            retry=status in _PASSING,
        )
        problem.status = status
        return problem


_HINTS = {
    401: "the token is wrong or has expired",
    403: "the token lacks a permission",
    404: "check the address, and that the token may see it",
    429: "the server asks to slow down; try again later",
}


def server_words(response: requests.Response) -> str:
    """What the server said was wrong: the message in a JSON answer, else how the text starts."""
    try:
        answer = response.json()
    except (ValueError, requests.RequestException):
        return response.text[:300].strip() if not response.raw.closed else ""
    if isinstance(answer, dict):
        said = answer.get("message") or answer.get("error") or answer.get("errors") or answer
        return said if isinstance(said, str) else json.dumps(said)[:300]
    return json.dumps(answer)[:300]


def without_userinfo(url: str) -> str:
    """The address without user, password, query and fragment: any of them may carry a secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An explicit auth hook, so that the library never looks for credentials by itself."""
    return request
