"""An environment, or one deployment of it, to an Observation: one list per kind.

A kind that cannot be listed is named in the Observation and takes nothing else down with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from gitops_bridge.cluster.connection import Connection
from gitops_bridge.cluster.evidence import look
from gitops_bridge.cluster.listing import Listing, Patience, Remaining, read_list
from gitops_bridge.cluster.resources import Resource, Resources
from gitops_bridge.config import Cluster, ClusterAccess, Environment
from gitops_bridge.errors import ClusterError
from gitops_bridge.live import (
    BuildJob,
    LiveState,
    Observation,
    Observed,
    Source,
    Unseen,
    Verdict,
    Wanted,
    judge,
    parse,
)
from gitops_bridge.live.observed import Item

LOOKS = 10
"""Deployments of one environment whose logs are fetched at a time."""


class Reader:
    """`cluster` of the configuration, one connection per API server."""

    def __init__(self, cluster: Cluster, sleep: Callable[[float], None] = time.sleep) -> None:
        self._cluster = cluster
        self._sleep = sleep
        self._connections: dict[ClusterAccess, Connection] = {}

    def read(
        self, environment: Environment, remaining: Remaining, wanted: Wanted | None = None
    ) -> Observation:
        """Everything of the environment, or only what belongs to `wanted`. Raises nothing: what
        could not be seen is in `unseen`."""
        round_ = _Round(self, Patience(remaining, self._sleep))
        lists = Resources(self._cluster, environment, wanted)
        for resource in lists.of_deployment(wanted) if wanted else lists.of_environment():
            round_.add(resource)
        if any(isinstance(item, BuildJob) and not item.complete for item in round_.items):
            round_.add(lists.build_pods())
        if wanted and wanted.build_job and not round_.has(wanted.build_job):
            round_.add(lists.builds_application())
        return Observation(round_.items, round_.unseen, round_.at)

    def look(
        self, environment: Environment, sources: Iterable[Source], remaining: Remaining
    ) -> dict[Source, tuple[str, ...]]:
        """The last lines of logs and the events that a Verdict asks for in `needs`."""
        connection = self.connection(self._cluster.access(environment.context))
        patience = Patience(remaining, self._sleep)
        return {source: look(connection, source, patience) for source in sources}

    def connection(self, access: ClusterAccess) -> Connection:
        if access not in self._connections:
            self._connections[access] = Connection(access)
        return self._connections[access]


class _Round:
    """The lists of one reading. A server that failed once is not asked for the other kinds."""

    def __init__(self, reader: Reader, patience: Patience) -> None:
        self.items: list[Item] = []
        self.unseen: list[Unseen] = []
        self.at: str | None = None
        self._reader = reader
        self._patience = patience
        self._gone: dict[ClusterAccess, ClusterError] = {}

    def add(self, resource: Resource) -> None:
        try:
            listing = self._list(resource)
        except ClusterError as error:
            if error.status in (None, 401):
                self._gone[resource.access] = error
            self.unseen.append(unseen(resource, error))
        else:
            self.items += listing.items
            self.at = listing.at or self.at

    def has(self, job: str) -> bool:
        return any(isinstance(item, BuildJob) and item.name == job for item in self.items)

    def _list(self, resource: Resource) -> Listing[Item]:
        if error := self._gone.get(resource.access):
            raise error
        connection = self._reader.connection(resource.access)
        one = partial(parse, resource.kind)
        return read_list(connection, resource.path, resource.query, one, self._patience)


def unseen(resource: Resource, error: ClusterError) -> Unseen:
    hint = error.hint or "look again later"
    if error.status == 403:
        hint = f"{resource.grant}; if that fails, the namespace is gone"
    return Unseen(resource.kind, error.message, hint)


def verdict_of(
    reader: Reader, environment: Environment, wanted: Wanted, remaining: Remaining
) -> Verdict:
    """One deployment, read for itself."""
    observed = reader.read(environment, remaining, wanted).of(wanted)
    return judged(reader, environment, wanted, observed, remaining)


def verdicts_of(
    reader: Reader,
    environment: Environment,
    wanted: Iterable[Wanted],
    observation: Observation,
    remaining: Remaining,
) -> dict[str, Verdict]:
    """All deployments of an environment, by id. A closer look is taken at the first few that fail:
    when hundreds do, they have one cause."""
    found, looks = {}, LOOKS
    for one in wanted:
        observed = observation.of(one)
        verdict = judge(one, observed)
        if verdict.state is LiveState.ERRORED and verdict.needs and looks:
            looks -= 1
            verdict = judged(reader, environment, one, observed, remaining)
        found[one.deployment] = verdict
    return found


def judged(
    reader: Reader,
    environment: Environment,
    wanted: Wanted,
    observed: Observed,
    remaining: Remaining,
) -> Verdict:
    """The verdict, after a closer look where one says more about what fails."""
    verdict = judge(wanted, observed)
    if not verdict.needs:
        return verdict
    evidence = reader.look(environment, verdict.needs, remaining)
    return judge(wanted, observed.with_evidence(evidence))
