"""The session: a request to a Response, retried where that can do no harm, or to an error.

`forge`, `datarobot`, `registry` and `images` speak HTTP through this and through nothing else. It
turns the library's failures into the caller's own error class and keeps secrets out of messages.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.request import getproxies

import requests
import urllib3
from urllib3.util.retry import Retry

from gitops_bridge.activity import activity
from gitops_bridge.errors import BridgeError
from gitops_bridge.redaction import Redactor, userinfo
from gitops_bridge.rest.bounds import BoundedAdapter, Deadline, Response, TooLarge
from gitops_bridge.rest.words import (
    HINTS,
    is_unsent,
    joined,
    origin,
    root_cause,
    server_words,
    without_userinfo,
)

Headers = Mapping[str, str]
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_BUSY = frozenset({429, 503})
_PASSING = _BUSY | {500, 502, 504}
_MOVED = frozenset({301, 302, 303, 307, 308})
_REDIRECTS = 5
_BODY_LIMIT = 16 << 20
logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # it logs queries, and those sign uploads


class Content(Protocol):
    """Bytes of a known length that can be gone through again from the start: an upload
    that a retry can repeat."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def tell(self) -> int: ...
    def seek(self, position: int) -> None: ...


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: the library would read the whole body to see where a redirect leads."""


class _Patience(Retry):
    """How often and after what pause to send again. `Rest` asks; urllib3 itself never retries,
    for it reads a refusal's body to its end first, however long that is."""

    def parse_retry_after(self, retry_after: str) -> float:
        """A header that makes no sense asks for no wait."""
        try:
            return super().parse_retry_after(retry_after)
        except urllib3.exceptions.InvalidHeader:
            return 0.0

    def pause(self, answer: Response | _Fault) -> float:
        """Seconds until the next try: as the server asks, else longer each time."""
        asked = answer.headers.get("Retry-After") if isinstance(answer, Response) else None
        return self.get_backoff_time() if asked is None else self.parse_retry_after(asked)


class Rest:
    """A session against `base_url`; every failure is raised as `error`.

    `authorize` returns the headers that authenticate a request and is asked anew each time, so that
    tokens may be refreshed; they are sent to the origin of `base_url` (scheme, host and port)
    alone, never after a redirect to another. `secrets` are blanked out in every message.
    `timeout`: seconds for a connection and for an answer, which is to be whole by then unless it is
    read by `chunks`. `longest_wait`: seconds between two tries; who asks for more has its answer
    handed back. `left` gives the seconds that are left for whatever this session does: no
    connection, answer, download or pause outlasts them.
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
        left: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self.base_url = base_url if base_url.endswith("/") else base_url + "/"
        self._error = error
        self._authorize = authorize
        self.redact = Redactor(*secrets, *map(userinfo, getproxies().values()))
        self._timeout = timeout
        self._left = left
        # Handed over with each request: a session's own setting yields to REQUESTS_CA_BUNDLE.
        self._verify = (ca_file or True) if verify else False
        self._session = _Session()
        self._session.headers["Accept-Encoding"] = "gzip, deflate"  # decoded piece by piece
        self._adapter = BoundedAdapter()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, self._adapter)
        self._patience = _Patience(total=retries, backoff_factor=backoff, backoff_max=longest_wait)
        self._longest_wait = longest_wait

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
        most: int = _BODY_LIMIT,
    ) -> Response:
        """Send one request; `path` is relative to the base or an absolute URL.

        `body` goes out as JSON, `data` as bytes, a file, a form or `Content`. `credentials` stand
        in for what `authorize` would give, under the same rule. `redirects` are followed for GET
        and HEAD only, and never from https to http. Any status below 400 is an answer, and with
        `expected` any of those; a body of more than `most` bytes is none, unless `stream` leaves it
        to `chunks`. Raises the session's error class with `retry` set for faults that may pass, the
        server's own words in the message.
        """
        url = joined(self.base_url, path, self._error)
        follow = _REDIRECTS if redirects and method in {"GET", "HEAD"} else 0
        options = {"json": body, "data": data, "most": None if stream else most}
        response = self._send(method, url, credentials, headers, params=params, **options)
        while response.status_code in _MOVED and "Location" in response.headers and follow:
            response.close()
            follow -= 1
            url = self._redirected(method, url, response.headers["Location"])
            response = self._send(method, url, credentials, headers, **options)
        if response.status_code in expected if expected is not None else response.status_code < 400:
            return response
        raise self._refused(method, url, response)

    def chunks(self, response: Response, size: int = 1 << 20) -> Iterator[bytes]:
        """The body of an answer to a `stream` request, `size` bytes at a time, connection closed
        at the end. A connection that breaks is raised as the session's error, `retry` set."""
        response.deadline.until = time.monotonic() + self._left()
        try:
            yield from response.pieces(size)
        except (OSError, requests.RequestException) as error:
            raise self._unreachable("GET", response.url, error) from None
        finally:
            response.close()

    def json(self, method: str, path: str, **options: Any) -> Any:
        """As `request`, the answer parsed; an empty answer is None."""
        response = self.request(method, path, **options)
        try:
            return response.json()
        except ValueError as problem:
            raise self._error(
                f"{method} {without_userinfo(response.url)}: the answer is not JSON ({problem}): "
                f"{self.redact(response.text)[:200]!r}",
                hint="is this the API's address?",
            ) from None

    def words(self, response: Response) -> str:
        """What the server said was wrong, in 500 characters at most, without secrets. They are
        blanked out before anything is cut off, so that no part of one is left at the end."""
        response.read_start()
        return server_words(self.redact(response.text))[:500]

    def conceal(self, *secrets: str) -> None:
        """Blank these out too from now on: a token that was fetched along the way."""
        self.redact.add(*secrets)

    def _send(
        self,
        method: str,
        url: str,
        credentials: Headers | None,
        headers: Headers | None,
        **options: Any,
    ) -> Response:
        """The answer to the first try that is answered for good, else to the last."""
        known = self._authorize() if credentials is None else credentials
        sent = {**(known if origin(url) == origin(self.base_url) else {}), **(headers or {})}
        patience, data = self._patience, options["data"]
        start = data.tell() if hasattr(data, "tell") else None
        while True:
            answer = self._once(method, url, headers=sent, **options)
            if not _may_help(method, answer):
                break
            pause = patience.pause(answer)
            if not patience.total or pause > self._longest_wait or pause >= self._left():
                break
            if isinstance(answer, Response):
                answer.close()
            patience = patience.increment(method, url)
            time.sleep(pause)
            if start is not None:
                data.seek(start)
        if isinstance(answer, Response):
            return answer
        raise answer.problem

    def _once(self, method: str, url: str, most: int | None, **options: Any) -> Response | _Fault:
        left = self._left()
        if left <= 0:
            return _Fault(self._unreachable(method, url, TimeoutError("no time is left for it")))
        connect, answer = (min(limit, left) for limit in self._timeout)
        deadline = Deadline(time.monotonic() + left, answer)
        self._adapter.begin(deadline)
        try:
            with warnings.catch_warnings():  # verification is off because the operator said so
                warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
                with activity(f"{method} {without_userinfo(url)}"):
                    received = self._session.request(
                        method, url, timeout=(connect, answer), verify=self._verify,
                        allow_redirects=False, auth=_no_netrc, stream=True, **options,
                    )  # fmt: skip
                    response = Response(received, deadline)
                    if most is not None:
                        response.read(most)
        except TooLarge as error:
            raise self._error(
                f"{method} {without_userinfo(url)}: the answer has {error}",
                hint="is this the API's address?",
            ) from None
        except (OSError, TypeError, ValueError, urllib3.exceptions.HTTPError) as error:
            return _Fault(self._unreachable(method, url, error), is_unsent(error))
        return response

    def _redirected(self, method: str, url: str, location: str) -> str:
        target = joined(url, self.redact(location), self._error)
        if origin(url)[0] == "https" and origin(target)[0] != "https":
            raise self._error(
                f"{method} {without_userinfo(url)}: redirected from https to "
                f"{without_userinfo(target)}",
                hint="is this the API's address? nothing was sent there",
            )
        return target

    def _unreachable(self, method: str, url: str, error: Exception) -> BridgeError:
        if isinstance(error, requests.exceptions.SSLError):
            cause, hint, retry = root_cause(error), "check the CA file", False
            if "WRONG_VERSION_NUMBER" in cause:
                hint = "no TLS is spoken there: check scheme and port, or the proxy between"
        elif isinstance(error, requests.exceptions.InvalidHeader):  # its text quotes the header
            cause, retry = "a header to be sent has a character that none may have", False
            hint = "check user, password and token"
        elif isinstance(error, (TypeError, ValueError)):
            cause, retry = f"it cannot be sent: {root_cause(error)}", False
            hint = "check the address and the proxy variables"
        elif isinstance(error, (requests.RequestException, TimeoutError)):
            cause, retry = root_cause(error), True
            hint = "check address, network and proxy, then try again"
        else:  # the library's way to say that the CA file is not there
            cause, hint, retry = str(error), "check the CA file", False
        message = f"{method} {without_userinfo(url)}: {self.redact(cause):.300}"
        return self._error(message, hint=hint, retry=retry)

    def _refused(self, method: str, url: str, response: Response) -> BridgeError:
        status = response.status_code
        wait = response.headers.get("Retry-After", "")
        problem = self._error(
            f"{method} {without_userinfo(url)}: {status} {self.redact(response.reason):.60}: "
            f"{self.words(response):.500}" + (f" (retry after {wait} s)" if wait.isdigit() else ""),
            hint=HINTS.get(status),
            retry=status in _PASSING,
        )
        problem.status = status
        return problem


@dataclass(frozen=True)
class _Fault:
    """No answer: the problem, and whether the server cannot have seen the request."""

    problem: BridgeError
    unsent: bool = True


def _may_help(method: str, answer: Response | _Fault) -> bool:
    """Whether to send the request again: it cannot have had an effect, or none twice."""
    repeatable = method.upper() in IDEMPOTENT
    if isinstance(answer, _Fault):
        return answer.problem.retry and (repeatable or answer.unsent)
    return answer.status_code in (_PASSING if repeatable else _BUSY)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An explicit auth hook, so that the library never looks for credentials by itself."""
    return request
