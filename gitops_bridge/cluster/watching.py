"""An environment kept up to date by watches: listed once, then only changes are read.

A watch that breaks goes on where it was; one that is too old (410) begins with a new list. What can
no longer be watched is unseen from then on: the last that was seen may be long over.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gitops_bridge.cluster.connection import Answer, Connection
from gitops_bridge.cluster.listing import Patience, Remaining, read_list, refused
from gitops_bridge.cluster.reading import Reader, unseen
from gitops_bridge.cluster.resources import Resource, Resources
from gitops_bridge.config import Cluster, Environment
from gitops_bridge.errors import ClusterError
from gitops_bridge.live import Observation, Unseen, Wanted, parse
from gitops_bridge.live.observed import Item

_PERIOD = 240
"""Seconds after which the server ends a watch; silence beyond that is a broken connection."""
_GRACE = 30.0
_BREAKS = 3
"""So often in a row a watch may break without having brought anything before a new list is read."""
_PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)
_LISTING = 120.0

Wait = Callable[[float], bool]
"""Waits so many seconds, or until the watch is to end: then True."""


class Watch:
    """The `environment` of a cluster; `changed` is called after every change, by another thread."""

    def __init__(
        self,
        cluster: Cluster,
        environment: Environment,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = threading.Event()
        reader = Reader(cluster)
        lists = Resources(cluster, environment)
        self._followers = [
            Follower(reader.connection(each.access), each, changed, self._stop.wait, clock)
            for each in (*lists.of_environment(), lists.build_pods())
        ]

    def start(self) -> None:
        for follower in self._followers:
            name = f"watch {follower.resource.kind.value}"
            threading.Thread(target=follower.run, name=name, daemon=True).start()

    def stop(self) -> None:
        """The threads end with their present watch, or with the process."""
        self._stop.set()

    def observation(self) -> Observation:
        """What is known now. Until a kind has been listed for the first time it is unseen."""
        seen = [follower.seen() for follower in self._followers]
        return Observation(
            (item for items, _, _ in seen for item in items),
            (missing for _, missing, _ in seen if missing),
            max((at for _, _, at in seen if at), default=None),
        )


class WatchingReader(Reader):
    """A Reader that answers from watches of `environments`, and lists only what they do not see.

    `changed` is called after every change, by another thread.
    """

    def __init__(
        self, cluster: Cluster, environments: Iterable[Environment], changed: Callable[[], None]
    ) -> None:
        super().__init__(cluster)
        self._watches = {item.name: Watch(cluster, item, changed) for item in environments}

    def __enter__(self) -> WatchingReader:
        for watch in self._watches.values():
            watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self._watches.values():
            watch.stop()

    def read(
        self, environment: Environment, remaining: Remaining, wanted: Wanted | None = None
    ) -> Observation:
        watch = self._watches.get(environment.name)
        seen = watch.observation() if watch else None
        if seen is None or seen.unseen:
            return super().read(environment, remaining, wanted)
        return seen


class Follower:
    """One list and its watch."""

    def __init__(
        self,
        connection: Connection,
        resource: Resource,
        changed: Callable[[], None],
        wait: Wait,
        clock: Callable[[], float],
    ) -> None:
        self.resource = resource
        self._connection = connection
        self._changed = changed
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._items: dict[str, Item] = {}
        self._unseen: Unseen | None = Unseen(resource.kind, "not listed yet", "look again")
        self._version = ""
        self._listed: tuple[str, float] | None = None

    def seen(self) -> tuple[list[Item], Unseen | None, str | None]:
        with self._lock:
            return list(self._items.values()), self._unseen, self._now()

    def run(self) -> None:
        """Until `wait` says that it is over; then nothing is known any more."""
        try:
            self._run()
        finally:
            self._blind(ClusterError(f"{self._connection}: no longer watched"))

    def _run(self) -> None:
        """Every fault is waited out."""
        failures = 0
        while not self._wait(0):
            try:
                self._list()
                failures = 0
                self._follow()
            except ClusterError as error:
                self._blind(error)
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                failures += 1
                if self._wait(pause):
                    return

    def _list(self) -> None:
        start = self._clock()
        listing = read_list(
            self._connection,
            self.resource.path,
            self.resource.query,
            self._named,
            Patience(lambda: _LISTING - (self._clock() - start), lambda s: _ignore(self._wait(s))),
        )
        with self._lock:
            self._items = dict(listing.items)
            self._version, self._unseen = listing.version, None
            self._listed = (listing.at, self._clock()) if listing.at else None
        self._changed()

    def _follow(self) -> None:
        """Returns when a new list is needed."""
        breaks = 0
        while not self._wait(0):
            before, start = self._version, self._clock()
            try:
                for event in self._events():
                    if not self._apply(event):
                        return
            except ClusterError as error:
                if not error.retry:
                    raise
                breaks = breaks + 1 if self._version == before else 0
                if breaks >= _BREAKS or self._wait(_PAUSES[breaks]):
                    raise
            else:
                if self._version == before and self._clock() - start < _PAUSES[0]:
                    self._wait(_PAUSES[0])  # a server that ends every watch at once

    def _events(self) -> Iterator[Mapping[str, Any]]:
        query = {
            **self.resource.query,
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_PERIOD),
        }
        for line in self._connection.lines(self.resource.path, query, timeout=_PERIOD + _GRACE):
            if line.status == 410:
                yield {"type": "ERROR", "object": {"code": 410}}
                return
            if line.status != 200:
                raise refused(self._connection, line)
            event = _loaded(line)
            if event is not None:
                yield event

    def _apply(self, event: Mapping[str, Any]) -> bool:
        """Whether the watch goes on."""
        kind, raw = event.get("type"), event.get("object")
        if kind == "ERROR":
            code = raw.get("code") if isinstance(raw, Mapping) else None
            if code == 410:
                return False
            body = json.dumps(raw).encode()
            raise refused(self._connection, Answer(code if isinstance(code, int) else 500, body))
        metadata = raw.get("metadata") if isinstance(raw, Mapping) else None
        version = metadata.get("resourceVersion") if isinstance(metadata, Mapping) else None
        self._version = version if isinstance(version, str) and version else self._version
        named = self._named(raw)
        if kind == "BOOKMARK" or named is None:
            return True
        name, item = named
        with self._lock:
            if kind == "DELETED":
                self._items.pop(name, None)
            else:
                self._items[name] = item
        self._changed()
        return True

    def _named(self, raw: object) -> tuple[str, Item] | None:
        item = parse(self.resource.kind, raw)
        return (item.name, item) if item else None

    def _blind(self, error: ClusterError) -> None:
        with self._lock:
            self._items, self._listed = {}, None
            self._unseen = unseen(self.resource, error)
        self._changed()

    def _now(self) -> str | None:
        """The server's time: that of the list, and what has passed since."""
        if self._listed is None:
            return None
        at, then = self._listed
        return (datetime.fromisoformat(at) + timedelta(seconds=self._clock() - then)).isoformat()


def _loaded(line: Answer) -> Mapping[str, Any] | None:
    """An event; None for a line that is none."""
    try:
        found = line.json()
    except ClusterError:
        return None
    return found if isinstance(found, Mapping) else None


def _ignore(_: object) -> None:
    return None
