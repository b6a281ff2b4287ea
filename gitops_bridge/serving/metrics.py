"""Looks and webhooks as Prometheus metrics.

Labels are environments and a few fixed words, never deployments: their number does not grow with
the fleet.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from gitops_bridge.serving.loop import Look, LookResult

_SECONDS = (1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
_SPANS = {
    "action_to_commit": "Seconds from a deployment action to the commit that delivers it",
    "commit_to_synced": "Seconds from the commit on main until Argo CD has applied it",
    "synced_to_ready": "Seconds from the sync until the new model alone serves",
}


class Metrics:
    """All metrics, in a registry of their own. `queue` counts the actions that wait for a push,
    `leads` tells whether this process leads; `now` gives epoch seconds."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        queue: Callable[[], int] = lambda: 0,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self.registry = CollectorRegistry()
        self._now = now
        self._spans = {
            span: self._histogram(f"{span}_seconds", said, ["environment"])
            for span, said in _SPANS.items()
        }
        self._look = self._histogram("look_seconds", "Seconds that a look took", [])
        self._looks = self._counter("looks", "Looks, by how they ended", ["result"])
        self._decisions = self._counter(
            "decisions", "What looks decided for deployments", ["environment", "decision"]
        )
        self._reverts = self._counter(
            "reverts", "Models that people took back in Git", ["environment"]
        )
        self._pushes = self._counter("push_attempts", "Attempts to push", ["environment"])
        self._webhooks = self._counter(
            "webhooks", "Webhooks, by sender and what became of them", ["sender", "result"]
        )
        self._held = self._gauge("held_deployments", "Deployments that people hold", "environment")
        self._waiting = self._gauge(
            "waiting_deployments", "Deployments whose rollout is under way", "environment"
        )
        self._problems = self._gauge(
            "problem_deployments", "Deployments whose rollout has a problem", "environment"
        )
        self._last = self._gauge("last_success_timestamp_seconds", "When a look last succeeded")
        self._gauge("queued_actions", "Actions that wait to be pushed").set_function(queue)
        self._gauge("leader", "1 where this process leads, else 0").set_function(
            lambda: float(leads())
        )

    def look(self, look: Look) -> None:
        self._look.observe(look.seconds)
        self._looks.labels("failed" if look.error else "succeeded").inc()
        if look.error:
            return
        self._last.set(self._now())
        for result in look.results:
            self._result(result)
        for gauge, is_counted in (
            (self._held, lambda result: result.held),
            (self._waiting, lambda result: result.waiting),
            (self._problems, lambda result: result.problem is not None),
        ):
            _set(gauge, look.results, is_counted)

    def webhook(self, sender: str, result: str) -> None:
        self._webhooks.labels(sender, result).inc()

    def exposition(self, accept: str) -> tuple[str, bytes]:
        """Content type and text, in the format that the header `Accept` asks for."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self.registry)

    def _result(self, result: LookResult) -> None:
        self._decisions.labels(result.environment, result.decision).inc()
        if result.reverted_by:
            self._reverts.labels(result.environment).inc()
        if result.pushes:
            self._pushes.labels(result.environment).inc(result.pushes)
        for span, seconds in result.spans.items():
            self._spans[span].labels(result.environment).observe(max(0.0, seconds))

    def _histogram(self, name: str, said: str, labels: list[str]) -> Histogram:
        return Histogram(
            f"gitops_bridge_{name}", said, labels, registry=self.registry, buckets=_SECONDS
        )

    def _counter(self, name: str, said: str, labels: list[str]) -> Counter:
        return Counter(f"gitops_bridge_{name}", said, labels, registry=self.registry)

    def _gauge(self, name: str, said: str, *labels: str) -> Gauge:
        return Gauge(f"gitops_bridge_{name}", said, labels, registry=self.registry)


def _set(
    gauge: Gauge, results: tuple[LookResult, ...], is_counted: Callable[[LookResult], bool]
) -> None:  # fmt: skip
    """An environment that is there no more leaves no value behind."""
    gauge.clear()
    counted = Count(result.environment for result in results if is_counted(result))
    for environment in {result.environment for result in results}:
        gauge.labels(environment).set(counted[environment])
