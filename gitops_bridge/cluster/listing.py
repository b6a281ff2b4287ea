"""A path of the API to the items of its list, page by page, retried inside the caller's budget.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

from gitops_bridge.cluster.connection import Answer, Connection, Query
from gitops_bridge.errors import ClusterError

PAGE = 250
_TRIES = 5
_RESTARTS = 3
_TIMEOUT = 60.0
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
T = TypeVar("T")

Remaining = Callable[[], float]
"""Seconds that are left of the caller's budget."""


@dataclass(frozen=True)
class Listing(Generic[T]):
    items: tuple[T, ...]
    version: str
    """Where a watch goes on from."""
    at: str | None
    """The server's time at the end, RFC 3339."""


@dataclass(frozen=True)
class Patience:
    """How long a request may be repeated: while `remaining()` seconds are left."""

    remaining: Remaining
    sleep: Callable[[float], None] = time.sleep

    def get(self, connection: Connection, path: str, query: Query | None = None) -> Answer:
        return self.send(connection, "GET", path, query)

    def send(
        self,
        connection: Connection,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        expected: int = 200,
        **content: Any,
    ) -> Answer:
        """The `expected` answer to a request that may be sent twice. Raises ClusterError: of a busy
        server after several tries, of others at once."""
        delay = 0.25
        for tries in range(1, _TRIES + 1):
            left = self.remaining()
            if left <= 0:
                break
            wait = delay
            try:
                answer = connection.request(
                    method, path, query, timeout=min(left, _TIMEOUT), **content
                )
            except ClusterError as error:
                if not error.retry or tries == _TRIES or self.remaining() <= wait:
                    raise
            else:
                if answer.status == expected:
                    return answer
                wait = max(delay, _retry_after(answer))
                again = tries < _TRIES and self.remaining() > wait
                if answer.status not in _BUSY or not again:
                    raise refused(connection, answer)
            self.sleep(wait)
            delay *= 2
        raise ClusterError(
            f"{connection}: no time was left to ask", hint="raise actions.budget", retry=True
        )


def read_list(
    connection: Connection,
    path: str,
    query: Mapping[str, str],
    parse: Callable[[object], T | None],
    patience: Patience,
) -> Listing[T]:
    """All items, parsed page by page so that no page outlives the next one.

    A list that has outlived its snapshot (410) is begun anew, the last time in one piece. Raises
    ClusterError.
    """
    for attempt in range(_RESTARTS):
        limit = PAGE if attempt < _RESTARTS - 1 else 0
        try:
            return _pages(connection, path, {**query, "limit": limit}, parse, patience)
        except ClusterError as error:
            if error.status != 410:
                raise
    raise ClusterError(f"{connection}: the list {path} outlives its snapshot again and again")


def _pages(
    connection: Connection,
    path: str,
    query: Query,
    parse: Callable[[object], T | None],
    patience: Patience,
) -> Listing[T]:
    found: list[T] = []
    token: str | None = None
    while True:
        answer = patience.get(connection, path, {**query, "continue": token} if token else query)
        with _uncollected():
            page = answer.json()
            items = page.get("items") if isinstance(page, dict) else None
            metadata = page.get("metadata") if isinstance(page, dict) else None
            if not isinstance(items, list) or not isinstance(metadata, dict):
                raise ClusterError(f"{connection}: {path} is not a list of Kubernetes")
            found += [item for raw in items if (item := parse(raw)) is not None]
            del page, items
        token = metadata.get("continue") or None
        if not token:
            version = str(metadata.get("resourceVersion") or "")
            return Listing(tuple(found), version, _time(answer))


@contextmanager
def _uncollected() -> Iterator[None]:
    """JSON has no cycles; a collector that walks through it while it grows takes longer than the
    reading itself."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def refused(connection: Connection, answer: Answer) -> ClusterError:
    """What an answer that is not a success means, and what to do about it."""
    said = _message(answer)
    text, hint = {
        401: (
            "the API server does not accept the credentials (401): expired or revoked",
            "renew the token or log in again",
        ),
        403: (
            f"the rights are missing (403): {said}",
            "does the namespace exist, and do the roles of argocd/live-state/ apply there?",
        ),
        404: (
            f"the API server does not know it (404): {said}",
            "is it installed in this cluster, and is this the right context?",
        ),
        410: ("the snapshot is too old (410)", "ask again"),
    }.get(
        answer.status,
        (f"the API server answers {answer.status}: {said}", "look again later"),
    )
    error = ClusterError(f"{connection}: {text}", hint=hint, retry=answer.status in _BUSY)
    error.status = answer.status
    return error


def _message(answer: Answer) -> str:
    """The message of the Status object, or the beginning of what came instead."""
    try:
        found = answer.json()
    except ClusterError:
        found = None
    message = found.get("message") if isinstance(found, dict) else None
    text = str(message or answer.body[:200].decode("utf-8", "replace"))
    return " ".join(text.split())[:400]


def _retry_after(answer: Answer) -> float:
    """Seconds that a busy server asks for; a date is not among what Kubernetes sends."""
    said = _header(answer, "Retry-After")
    return float(said) if said and said.isascii() and said.isdigit() else 0.0


def _time(answer: Answer) -> str | None:
    try:
        return parsedate_to_datetime(_header(answer, "Date") or "").isoformat()
    except (ValueError, TypeError):
        return None


def _header(answer: Answer, name: str) -> str | None:
    lower: dict[str, Any] = {key.lower(): value for key, value in answer.headers.items()}
    return lower.get(name.lower())
