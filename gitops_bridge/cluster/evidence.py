"""A closer look at one failing Pod: the end of a container's log, or the Pod's events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_bridge.cluster.connection import Connection
from gitops_bridge.cluster.listing import Patience
from gitops_bridge.desired.overlay.names import at, mappings_at
from gitops_bridge.errors import ClusterError
from gitops_bridge.live import Source

LINES = 20
_BYTES = 16_384


def look(connection: Connection, source: Source, patience: Patience) -> tuple[str, ...]:
    """Nothing where it cannot be read: the Pod may have gone, and the reason is told without."""
    try:
        return (_log if source.container else _events)(connection, source, patience)
    except ClusterError:
        return ()


def _log(connection: Connection, source: Source, patience: Patience) -> tuple[str, ...]:
    answer = patience.get(
        connection,
        f"/api/v1/namespaces/{source.namespace}/pods/{source.pod}/log",
        {
            "container": source.container or "",
            "previous": "true" if source.previous else "false",
            "tailLines": LINES,
            "limitBytes": _BYTES,
        },
    )
    return tuple(answer.body.decode("utf-8", "replace").splitlines())


def _events(connection: Connection, source: Source, patience: Patience) -> tuple[str, ...]:
    """The messages of failures, oldest first."""
    answer = patience.get(
        connection,
        f"/api/v1/namespaces/{source.namespace}/events",
        {"fieldSelector": f"involvedObject.name={source.pod},type=Warning"},
    )
    events = [
        event
        for event in mappings_at(answer.json(), "items")
        if str(event.get("reason", "")).startswith("Failed")
    ]
    return tuple(str(event.get("message", "")) for event in sorted(events, key=_last_seen))


def _last_seen(event: Mapping[str, Any]) -> str:
    return str(at(event, "series", "lastObservedTime") or event.get("lastTimestamp") or "")
