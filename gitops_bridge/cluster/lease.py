"""Leader election by a Lease: of several processes with the same one, one acts at a time.

The rules are those of client-go: the holder renews; whoever sees no renewal for the lease's
duration *by its own clock* may take it over; of two that try at once `resourceVersion` refuses one.
The elector of the package `kubernetes` knows Leases only in its latest versions.
https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from gitops_bridge.cluster.connection import Connection
from gitops_bridge.cluster.listing import Patience
from gitops_bridge.desired.overlay.names import mapping_at
from gitops_bridge.errors import ClusterError

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Lease:
    """The Lease `name` for the process `identity`, which must be unique."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        identity: str,
        *,
        seconds: int = 15,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.identity = identity
        self.seconds = seconds
        self.holder: str | None = None
        """Who held it when it was looked at last."""
        self._connection = connection
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._clock = clock
        self._now = now
        self._seen: tuple[Any, ...] | None = None
        self._seen_at = 0.0
        self._renewed_at: float | None = None

    @property
    def held(self) -> bool:
        """Whether we may still act: the renewal is younger than two thirds of the duration, which
        leaves the last third to finish before anybody else may begin."""
        renewed = self._renewed_at
        return renewed is not None and self._clock() - renewed < self.seconds * 2 / 3

    def hold(self, patience: Patience) -> bool:
        """Takes or renews the Lease; whether it is ours now. Call it every few seconds.

        Raises ClusterError when the API server does not say; `held` tells how long ours lasts.
        """
        try:
            found = patience.get(self._connection, f"{self._path}/{self._name}").json()
        except ClusterError as error:
            if error.status != 404:
                raise
            return self._won(self._create, patience)
        spec = dict(mapping_at(found, "spec"))
        self._note(spec)
        if self.holder not in (None, "", self.identity) and not self._has_expired(spec):
            self._renewed_at = None
            return False
        return self._won(lambda patience: self._update(found, spec, patience), patience)

    def release(self, patience: Patience) -> None:
        """Gives it up at once, so that the next one need not wait. Raises ClusterError."""
        if self._renewed_at is None:
            return
        found = patience.get(self._connection, f"{self._path}/{self._name}").json()
        spec = dict(mapping_at(found, "spec"))
        if spec.get("holderIdentity") == self.identity:
            spec |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            self._put(found, spec, patience)
        self._renewed_at = None

    def _note(self, spec: Mapping[str, Any]) -> None:
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        self.holder = spec.get("holderIdentity")

    def _has_expired(self, spec: Mapping[str, Any]) -> bool:
        duration = spec.get("leaseDurationSeconds")
        seconds = duration if isinstance(duration, int) else self.seconds
        return self._clock() - self._seen_at >= seconds

    def _won(self, write: Callable[[Patience], object], patience: Patience) -> bool:
        """The renewal counts from before it was sent."""
        start = self._clock()
        try:
            write(patience)
        except ClusterError as error:
            if error.status != 409:
                raise
            self._renewed_at = None
            return False
        self.holder, self._renewed_at = self.identity, start
        return True

    def _create(self, patience: Patience) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {**self._mine(), "acquireTime": self._time(), "leaseTransitions": 0},
        }
        patience.send(self._connection, "POST", self._path, body=body, expected=201)

    def _update(self, found: Any, spec: dict[str, Any], patience: Patience) -> None:
        if spec.get("holderIdentity") != self.identity:
            spec["acquireTime"] = self._time()
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        self._put(found, {**spec, **self._mine()}, patience)

    def _put(self, found: Any, spec: Mapping[str, Any], patience: Patience) -> None:
        body = {**found, "spec": spec}
        patience.send(self._connection, "PUT", f"{self._path}/{self._name}", body=body)

    def _mine(self) -> dict[str, Any]:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self.seconds,
            "renewTime": self._time(),
        }

    def _time(self) -> str:
        return self._now().astimezone(timezone.utc).strftime(_TIME)
