"""What a cluster shows of an environment, parsed down to the fields that a verdict needs.

`parsing` makes these values of the API's JSON; a list of thousands of objects shrinks to a few
hundred bytes each. Absent and misshapen fields read as None, False or 0: never as a sign of health.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from gitops_bridge.live.wanted import Wanted


class Kind(str, Enum):
    """The kinds of objects that are listed; the value is how people name them."""

    DEPLOYMENTS = "Deployments"
    REPLICA_SETS = "ReplicaSets"
    PODS = "Pods"
    JOBS = "build Jobs"
    BUILD_PODS = "Pods of build Jobs"
    APPLICATIONS = "Argo CD Applications"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a Pod with its present and its previous run."""

    name: str
    digest: str | None = None
    """`sha256:…` of the image that the container runtime reports; None until it was pulled."""
    init: bool = False
    ready: bool = False
    running: bool = False
    restarts: int = 0
    waiting: str | None = None
    """The reason of a container that waits, such as CrashLoopBackOff."""
    message: str | None = None
    exit_code: int | None = None
    """Of the run that ended last, be it the present or the previous one."""
    exit_reason: str | None = None
    exit_message: str | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    name: str
    namespace: str
    deployment: str | None = None
    model: str | None = None
    """The label; what it runs is told by `digest`."""
    job: str | None = None
    builds: bool = False
    """Whether it builds images, as Pods of DataRobot's built-in plugin do beside the servers."""
    image: str | None = None
    """Of the model server, as the Pod's specification names it."""
    phase: str | None = None
    ready: bool = False
    ready_changed: str | None = None
    """When `ready` last changed, RFC 3339."""
    deleting: bool = False
    containers: tuple[Container, ...] = ()
    server: Container | None = None
    """The container that serves the model, one of `containers`."""
    unschedulable: str | None = None
    """The scheduler's message."""
    requests: str | None = None
    """What the containers ask for, in words; only of a Pod that cannot be scheduled."""

    @property
    def live(self) -> bool:
        """Counted by its ReplicaSet: neither on its way out nor ended (evicted, preempted)."""
        return not self.deleting and self.phase not in {"Failed", "Succeeded"}

    @property
    def digest(self) -> str | None:
        return self.server.digest if self.server else None


@dataclass(frozen=True, slots=True)
class Workload:
    """A Kubernetes Deployment."""

    name: str
    namespace: str
    deployment: str | None = None
    deleting: bool = False
    paused: bool = False
    generation: int = 0
    observed_generation: int = -1
    wanted: int = 1
    """`spec.replicas`; the counts below are of the status."""
    replicas: int = 0
    updated: int = 0
    available: int = 0
    image: str | None = None
    """Of the model server in the Pod template."""
    model: str | None = None
    """The model label of the Pod template."""
    restarts: str | None = None
    """The annotation by which a relaunch changes the Pod template."""
    progress: str | None = None
    """Reason of the condition Progressing; None without a progress deadline."""
    progress_message: str | None = None
    progress_changed: str | None = None
    deadline: int | None = None
    """Seconds; `progressDeadlineSeconds`."""
    replica_failure: str | None = None


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    name: str
    deployment: str | None = None
    image: str | None = None
    failure: str | None = None
    """Message of the condition ReplicaFailure: why a Pod cannot be made."""


@dataclass(frozen=True, slots=True)
class BuildJob:
    name: str
    namespace: str
    deployment: str | None = None
    model: str | None = None
    active: int = 0
    complete: bool = False
    failed: str | None = None
    """Reason of the condition Failed."""
    message: str | None = None
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that a sync could not apply."""

    kind: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Application:
    """An Argo CD Application, without the fields that prove nothing: health, images, messages of
    health."""

    name: str
    namespace: str
    path: str | None = None
    deleting: bool = False
    automated: bool = True
    sync: str | None = None
    revisions: tuple[str, ...] = ()
    """The commits that were compared last; one per source."""
    phase: str | None = None
    """Of the last operation."""
    retries: int = 0
    operation_message: str | None = None
    operation_revisions: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Message by type."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A kind that could not be listed: why, and what a person does about it."""

    kind: Kind
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.kind.value} could not be seen: {self.problem} ({self.hint})"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a look at one object would tell more: the log of a container, or a Pod's events."""

    namespace: str
    pod: str
    container: str | None = None
    """None asks for the events of the Pod."""
    previous: bool = False
    """The log of the run before the present one."""


@dataclass(frozen=True)
class Observed:
    """Everything that was seen of one deployment."""

    workloads: tuple[Workload, ...] = ()
    replica_sets: tuple[ReplicaSet, ...] = ()
    pods: tuple[Pod, ...] = ()
    jobs: tuple[BuildJob, ...] = ()
    build_pods: tuple[Pod, ...] = ()
    application: Application | None = None
    builds: Application | None = None
    """The Application that applies the build Jobs of the environment."""
    unseen: tuple[Unseen, ...] = ()
    at: str | None = None
    """The API server's time, RFC 3339, so that the clock of this machine does not matter."""
    evidence: Mapping[Source, tuple[str, ...]] = field(default_factory=dict)
    """Lines of what was looked at more closely."""

    def saw(self, *kinds: Kind) -> bool:
        return not any(unseen.kind in kinds for unseen in self.unseen)

    def with_evidence(self, evidence: Mapping[Source, tuple[str, ...]]) -> Observed:
        return replace(self, evidence={**self.evidence, **evidence})


Item = Workload | ReplicaSet | Pod | BuildJob | Application


class Observation:
    """Everything that was seen of an environment, by deployment."""

    def __init__(
        self,
        items: Iterable[Item] = (),
        unseen: Iterable[Unseen] = (),
        at: str | None = None,
    ) -> None:
        self.unseen = tuple(unseen)
        self.at = at
        self._workloads: dict[str, list[Workload]] = defaultdict(list)
        self._replica_sets: dict[str, list[ReplicaSet]] = defaultdict(list)
        self._pods: dict[str, list[Pod]] = defaultdict(list)
        self._build_pods: dict[str, list[Pod]] = defaultdict(list)
        self._jobs: dict[str, BuildJob] = {}
        self._applications: dict[str, Application] = {}
        for item in items:
            self._add(item)

    def _add(self, item: Item) -> None:
        if isinstance(item, BuildJob):
            self._jobs[item.name] = item
        elif isinstance(item, Application):
            self._add_application(item)
        elif isinstance(item, Pod) and item.job:
            self._build_pods[item.job].append(item)
        elif not item.deployment:
            return  # nobody's: its label is gone
        elif isinstance(item, Pod):
            if not item.builds:
                self._pods[item.deployment].append(item)
        elif isinstance(item, Workload):
            self._workloads[item.deployment].append(item)
        else:
            self._replica_sets[item.deployment].append(item)

    def _add_application(self, item: Application) -> None:
        """Of two for the same folder the one that stays."""
        if item.path and (item.path not in self._applications or not item.deleting):
            self._applications[item.path] = item

    @property
    def deployments(self) -> frozenset[str]:
        """Those of which anything runs, so that a caller finds what Git does not know."""
        return frozenset(self._workloads) | frozenset(self._pods)

    def of(self, wanted: Wanted) -> Observed:
        """What belongs to one deployment. Its build is the Job that it waits for, or else those of
        its model: a Job does not say for which deployment it builds."""
        deployment, model = wanted.deployment, wanted.pending_model or wanted.model
        jobs = tuple(
            found
            for found in self._jobs.values()
            if (found.name == wanted.build_job if wanted.build_job else found.model == model)
        )
        return Observed(
            workloads=tuple(self._workloads.get(deployment, ())),
            replica_sets=tuple(self._replica_sets.get(deployment, ())),
            pods=tuple(self._pods.get(deployment, ())),
            jobs=jobs,
            build_pods=tuple(pod for job in jobs for pod in self._build_pods.get(job.name, ())),
            application=self._applications.get(wanted.path),
            builds=self._applications.get(wanted.builds_path),
            unseen=self.unseen,
            at=self.at,
        )
