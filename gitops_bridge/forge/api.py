"""One provider's REST API: a request to an Answer, with patience and with hints.

The provider modules speak through this and never see HTTP beyond status and data. Rate limits and
passing faults are waited for within a bound; whatever else is refused becomes a ForgeError that
names the cure and never a token.
"""

from __future__ import annotations

import base64
import binascii
import functools
import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from gitops_bridge.errors import ForgeError
from gitops_bridge.rest import IDEMPOTENT, Rest, without_userinfo

T = TypeVar("T")

_ANY = frozenset(range(100, 600))
_OK = frozenset({200, 201, 202, 204})
_PASSING = frozenset({500, 502, 504})
_FAULTS = 3  # repetitions of an idempotent request that a fault hit
_PAUSE = 60.0  # seconds; what GitHub asks for when a secondary limit names no time


@dataclass(frozen=True)
class Answer:
    """Status, JSON and headers of one request; `problem` when it was refused, `words` what the
    server said was wrong, in one line and without secrets."""

    status: int
    data: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    problem: ForgeError | None = None

    @property
    def etag(self) -> str | None:
        return self.headers.get("ETag")


class Api:
    """Requests against `base_url`.

    `authorize` returns the authenticating headers and is asked anew each time. `hints` maps a
    status to what a person should do. One call takes no more than about `patience` seconds, what it
    waits by `sleep` and what a server takes that does not answer, nor more than the seconds that
    `left` gives; `clock` gives epoch seconds.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        *,
        authorize: Callable[[], Mapping[str, str]],
        hints: Mapping[int, str],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        patience: float = 60.0,
        left: Callable[[], float] = lambda: math.inf,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        self.provider = provider
        self.sleep = sleep
        self._authorize = authorize
        self._hints = hints
        self._clock = clock
        self._patience = patience
        self._left = left
        self._headers = dict(headers or {})
        self._sent: Mapping[str, str] = {}
        self._rest = Rest(
            base_url,
            error=ForgeError,
            authorize=self._credentials,
            ca_file=ca_file,
            retries=0,
            left=left,
            timeout=(min(10.0, patience), patience),
        )

    @property
    def base_url(self) -> str:
        return self._rest.base_url

    def _credentials(self) -> Mapping[str, str]:
        headers = self._authorize()
        if headers != self._sent:
            self._sent = headers
            self._rest.conceal(*secrets_in(headers))
        return headers

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        etag: str | None = None,
        tolerate: frozenset[int] = frozenset(),
    ) -> Answer:
        """One request, repeated while the server asks to wait and the bound allows.

        A status of `tolerate` is returned with its `problem` instead of raised; 304 is an answer
        when `etag` was given.
        """
        headers = self._headers | ({"If-None-Match": etag} if etag else {})
        began, waited = self._clock(), 0.0
        for attempt in itertools.count():
            answer = self._send(method, path, params, body, headers)
            pause = self._pause(method, answer, attempt)
            if pause is None:
                break
            bound = min(self._patience - max(waited, self._clock() - began), self._left())
            if pause > bound:
                if is_limited(answer):
                    raise self._tired(method, path, answer, pause)
                break
            self.sleep(pause)
            waited += pause
        if answer.problem and answer.status not in tolerate and not (etag and answer.status == 304):
            raise answer.problem
        return answer

    def get(self, path: str, **params: Any) -> Any:
        return self.ask("GET", path, params=params).data

    def pages(self, path: str, **params: Any) -> Iterator[list[Any]]:
        """The pages of a list whose `Link` header tells whether there is a next one.

        Pages are counted instead of following the link: behind a proxy it may name another host,
        which must never see the token.
        """
        for page in itertools.count(1):
            answer = self.ask("GET", path, params={**params, "page": page})
            yield rows(answer.data)
            if not re.search(r'rel="?next"?', answer.headers.get("Link", "")):
                return

    def _send(
        self, method: str, path: str, params: Any, body: Any, headers: Mapping[str, str]
    ) -> Answer:
        try:
            response = self._rest.request(
                method, path, params=params, body=body, headers=headers, expected=_ANY
            )
        except ForgeError as error:
            return Answer(0, None, problem=error)
        address = f"{method} {without_userinfo(response.url)}"
        status, headers = response.status_code, response.headers
        try:
            data = response.json() if response.content else None
        except ValueError:
            said = self._rest.redact(response.text)
            if status in _OK:
                hint = self._hints.get(203, "is this the API's address?")
                message = f"{address}: the answer is not JSON: {said[:200]!r}"
                return Answer(status, None, headers, problem=ForgeError(message, hint=hint))
            data = said[:300]
        if status in _OK and not (isinstance(data, dict) and data.get("errors")):
            return Answer(status, data, headers)
        words = self._rest.redact("; ".join(dict.fromkeys(_words(data))))
        answer = Answer(status, data, headers, words)
        if status in _OK:
            return answer
        return self._refused(address, answer, self._rest.redact(response.reason))

    def _refused(self, address: str, answer: Answer, reason: str) -> Answer:
        refusal = ForgeError(
            f"{address}: {answer.status}: {answer.words or reason:.500}",
            hint=self._hint(answer),
            retry=answer.status >= 500 or answer.status == 429,
        )
        refusal.status = answer.status
        return replace(answer, problem=refusal)

    def _hint(self, answer: Answer) -> str | None:
        """GitHub names in a header what a request would have needed."""
        hint = self._hints.get(answer.status)
        if 300 <= answer.status < 400:
            return hint or "the repository or API moved: set its present address"
        needed = answer.headers.get("X-Accepted-GitHub-Permissions")
        return f"{hint}; this request needs {needed}" if hint and needed else hint

    def _pause(self, method: str, answer: Answer, attempt: int) -> float | None:
        """Seconds to wait before the same request again; None when it is answered for good."""
        if is_limited(answer):
            return max(1.0, _asked_pause(answer, self._clock()))
        passing = answer.status in _PASSING or (answer.status == 0 and _may_pass(answer))
        if passing and method in IDEMPOTENT and attempt < _FAULTS:
            return 0.5 * 2.0**attempt
        return None

    def _tired(self, method: str, path: str, answer: Answer, pause: float) -> ForgeError:
        tired = ForgeError(
            f"{self.provider} asks to wait {pause:.0f} s before {method} {path}: "
            f"{answer.words:.300}",
            hint="the next look tries again by itself",
            retry=True,
        )
        tired.status = answer.status or None
        return tired


def rows(data: Any) -> list[Any]:
    """`data`, which must be a list: an error page read as "no pull request" would open a second."""
    if not isinstance(data, list):
        raise TypeError(f"a list is expected, not {type(data).__name__}")
    return data


def understood(provider: type[T]) -> type[T]:
    """Class decorator: an answer of another shape than its API describes is a ForgeError."""
    for name, method in list(vars(provider).items()):
        if not name.startswith("_") and inspect.isfunction(method):
            setattr(provider, name, _understood(method))
    return provider


def _understood(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return method(self, *args, **options)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ForgeError(
                f"{self.provider}: the answer is not what its API describes: {error!r:.200}",
                hint="is the API's address right, and no proxy's page in between?",
            ) from error

    return guarded


def is_limited(answer: Answer) -> bool:
    """Whether the server only asks to slow down.

    GitHub answers 403 or 429 at its limits, the secondary ones with `Retry-After`, the primary one
    with no request remaining; 503 with `Retry-After` is a server under maintenance.
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    if answer.status == 429 or (answer.status == 503 and "Retry-After" in answer.headers):
        return True
    exhausted = answer.headers.get("X-RateLimit-Remaining") == "0"
    said = "rate limit" in answer.words.lower()
    return answer.status == 403 and ("Retry-After" in answer.headers or exhausted or said)


def _asked_pause(answer: Answer, now: float) -> float:
    asked = answer.headers.get("Retry-After", "")
    if asked.strip().isdigit():
        return float(asked)
    if asked:
        try:
            return parsedate_to_datetime(asked).timestamp() - now
        except ValueError:
            return _PAUSE
    reset = answer.headers.get("X-RateLimit-Reset") or answer.headers.get("RateLimit-Reset") or ""
    return float(reset) - now if reset.isdigit() else _PAUSE


def _may_pass(answer: Answer) -> bool:
    return answer.problem is not None and answer.problem.retry


_TELLING = ("message", "error", "errors", "detail", "error_description", "fields", "base")


def _words(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from _words(item)
    elif isinstance(data, Mapping):
        known = [key for key in _TELLING if data.get(key)]
        for key in known or (data if len(data) < 4 else ()):
            yield from _words(data[key])


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """Every form in which authenticating headers carry a secret, the longest first."""
    found = set()
    for value in headers.values():
        scheme, _, token = value.partition(" ")
        found |= {value, token or value}
        if scheme == "Basic":
            try:
                found.add(base64.b64decode(token).decode().partition(":")[2])
            except (binascii.Error, UnicodeDecodeError):
                continue
    return sorted((secret for secret in found if secret), key=len, reverse=True)


def basic(username: str, token: str) -> dict[str, str]:
    pair = base64.b64encode(f"{username}:{token}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}
