"""One `requests` session per HTTP API: timeouts, retries, redirects, redaction.

`forge`, `datarobot`, `registry` and `images` speak HTTP through this and through nothing else. It
turns the library's failures into the caller's own error class and keeps secrets out of messages.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from gitops_bridge.activity import activity
from gitops_bridge.errors import BridgeError

Headers = Mapping[str, str]
Response = requests.Response
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_BUSY = frozenset({429, 503})
_PASSING = _BUSY | {500, 502, 504}
_MOVED = frozenset({301, 302, 303, 307, 308})
_REDIRECTS = 5
_WORDS_LIMIT = 64 * 1024
logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # it logs queries, and those sign uploads


class Content(Protocol):
    """Bytes of a known length that can be gone through again from the start: an upload
    that a retry can repeat."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def tell(self) -> int: ...
    def seek(self, position: int) -> None: ...


class _Patience(Retry):
    """Retries what cannot have had an effect: any request the server was too busy for, and
    idempotent ones after a fault on the way. `Retry-After` is honoured by the base class."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        return status_code in (_PASSING if method.upper() in IDEMPOTENT else _BUSY)

    def increment(self, *arguments: Any, **options: Any) -> _Patience:
        """Gives up at once on a certificate that will not get better, and hands back the answer of
        a server that asks for a longer wait than is decent."""
        response, error = options.get("response"), options.get("error")
        if isinstance(error, urllib3.exceptions.SSLError):
            raise urllib3.exceptions.MaxRetryError(None, None, error)  # type: ignore[arg-type]
        if response is not None and (self.get_retry_after(response) or 0) > self.backoff_max:
            raise urllib3.exceptions.MaxRetryError(None, None)  # type: ignore[arg-type]
        return super().increment(*arguments, **options)

    def parse_retry_after(self, retry_after: str) -> float:
        """A header that makes no sense asks for no wait."""
        try:
            return super().parse_retry_after(retry_after)
        except urllib3.exceptions.InvalidHeader:
            return 0.0


class Rest:
    """A session against `base_url`; every failure is raised as `error`.

    `authorize` returns the headers that authenticate a request and is asked anew each time, so that
    tokens may be refreshed; they are sent to the origin of `base_url` (scheme, host and port)
    alone, never after a redirect to another. `secrets` are blanked out in every message.
    `longest_wait`: seconds between two tries; who asks for more has its answer handed back.
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
        longest_wait: float = 60.0,
    ) -> None:
        self.base_url = base_url if base_url.endswith("/") else base_url + "/"
        self._error = error
        self._authorize = authorize
        self._secrets = tuple(secret for secret in secrets if secret)
        self._timeout = timeout
        # Handed over with each request: a session's own setting yields to REQUESTS_CA_BUNDLE.
        self._verify = (ca_file or True) if verify else False
        self._session = requests.Session()
        patience = _Patience(
            total=retries, backoff_factor=backoff, backoff_max=longest_wait, raise_on_status=False,
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
        credentials: Headers | None = None,
        stream: bool = False,
        redirects: bool = False,
        expected: frozenset[int] | None = None,
    ) -> requests.Response:
        """Send one request; `path` is relative to the base or an absolute URL.

        `body` goes out as JSON, `data` as bytes, a file, a form or `Content`. `credentials` stand
        in for what `authorize` would give, under the same rule. `redirects` are followed for GET
        and HEAD only, and never from https to http. Any status below 400 is an answer, and with
        `expected` any of those. Raises the session's error class with `retry` set for faults that
        may pass, the server's own words in the message.
        """
        url = joined(self.base_url, path, self._error)
        follow = _REDIRECTS if redirects and method in {"GET", "HEAD"} else 0
        options = {"json": body, "data": data, "stream": stream}
        response = self._send(method, url, credentials, headers, params=params, **options)
        while response.status_code in _MOVED and "Location" in response.headers and follow:
            response.close()
            follow -= 1
            url = self._redirected(method, url, response.headers["Location"])
            response = self._send(method, url, credentials, headers, **options)
        if response.status_code in expected if expected is not None else response.status_code < 400:
            return response
        raise self._refused(method, url, response)

    def chunks(self, response: requests.Response, size: int = 1 << 20) -> Iterator[bytes]:
        """The body of an answer to a `stream` request, `size` bytes at a time, connection closed
        at the end. A connection that breaks is raised as the session's error, `retry` set."""
        try:
            yield from response.iter_content(size)
        except requests.RequestException as error:
            raise self._unreachable("GET", response.url, error) from None
        finally:
            response.close()

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

    def conceal(self, *secrets: str) -> None:
        """Blank these out too from now on: a token that was fetched along the way."""
        self._secrets += tuple(s for s in secrets if s and s not in self._secrets)

    def redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return text

    def _send(
        self,
        method: str,
        url: str,
        credentials: Headers | None,
        headers: Headers | None,
        **options: Any,
    ) -> requests.Response:
        known = self._authorize() if credentials is None else credentials
        sent = {**(known if _origin(url) == _origin(self.base_url) else {}), **(headers or {})}
        try:
            with warnings.catch_warnings():  # verification is off because the operator said so
                warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
                with activity(f"{method} {without_userinfo(url)}"):
                    return self._session.request(
                        method, url, headers=sent, timeout=self._timeout, verify=self._verify,
                        allow_redirects=False, auth=_no_netrc, **options,
                    )  # fmt: skip
        except requests.RequestException as error:
            raise self._unreachable(method, url, error) from None
        except OSError as error:  # the library's way to say that the CA file is not there
            raise self._error(f"{error}", hint="check the CA file") from None
        except ValueError:  # it looks where a redirect leads, also where it shall not follow
            raise self._error(
                f"{method} {without_userinfo(url)}: where it redirects to is no address",
                hint="is this the API's address?",
            ) from None

    def _redirected(self, method: str, url: str, location: str) -> str:
        target = joined(url, location, self._error)
        if _origin(url)[0] == "https" and _origin(target)[0] != "https":
            raise self._error(
                f"{method} {without_userinfo(url)}: redirected from https to "
                f"{without_userinfo(target)}",
                hint="is this the API's address? nothing was sent there",
            )
        return target

    def _unreachable(self, method: str, url: str, error: Exception) -> BridgeError:
        tls, cause = isinstance(error, requests.exceptions.SSLError), _root_cause(error)
        hint = "check the CA file" if tls else "check address, network and proxy, then try again"
        if "WRONG_VERSION_NUMBER" in cause:
            hint = "no TLS is spoken there: check scheme and port, or the proxy between"
        return self._error(
            f"{method} {without_userinfo(url)}: {self.redact(cause):.300}",
            hint=hint,
            retry=not tls,
        )

    def _refused(self, method: str, url: str, response: requests.Response) -> BridgeError:
        status = response.status_code
        wait = response.headers.get("Retry-After", "")
        problem = self._error(
            f"{method} {without_userinfo(url)}: {status} {response.reason}: "
            f"{self.redact(server_words(response)):.500}"
            + (f" (retry after {wait} s)" if wait.isdigit() else ""),
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
    text = _start(response)
    try:
        answer = json.loads(text)
    except ValueError:
        return text[:300].strip()
    if isinstance(answer, dict):
        said = answer.get("message") or answer.get("error") or answer.get("errors") or answer
        return said if isinstance(said, str) else json.dumps(said)[:300]
    return json.dumps(answer)[:300]


def _start(response: requests.Response) -> str:
    """How the body starts; of a streamed answer no more is read than is of use."""
    try:
        start = next(response.iter_content(_WORDS_LIMIT), b"")
    except requests.RequestException:
        return ""
    return start.decode("utf-8", "replace")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _root_cause(error: BaseException) -> str:
    """The innermost reason in words. The layers above repeat the URL, query and all."""
    inner = getattr(error, "reason", None) or next(
        (item for item in error.args if isinstance(item, Exception)), None
    )
    if isinstance(inner, Exception):
        return _root_cause(inner)
    text = str(error.args[-1] if error.args and isinstance(error.args[-1], str) else error)
    return re.sub(r"^.*\bobject at 0x[0-9a-f]+>[:,] |^HTTPS?Connection\w*\([^)]*\): ", "", text)


def joined(base: str, path: str, error: type[BridgeError]) -> str:
    """The address that `path` means from `base`. Raises `error` where host or port are none, which
    a server may send as well as a person may write."""
    try:
        url = urljoin(base, path)
        _ = urlsplit(url).port
    except ValueError:
        shown = (path if "//" in path else base).partition("?")[0].rpartition("@")[2]
        raise error(f"{shown!r:.120} is no address", hint="check its host and port") from None
    return url


def without_userinfo(url: str) -> str:
    """The address without user, password, query and fragment: any of them may carry a secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An explicit auth hook, so that the library never looks for credentials by itself."""
    return request
