"""The JSON of Kubernetes objects to the values in `observed`, whatever is missing or misshapen.

Field meanings: https://kubernetes.io/docs/reference/kubernetes-api/ and, for Applications,
https://argo-cd.readthedocs.io/en/stable/operator-manual/application.yaml
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gitops_bridge.desired.jobs import MODEL_LABEL as BUILD_MODEL_LABEL
from gitops_bridge.desired.overlay.names import (
    DEPLOYMENT_LABEL,
    MODEL_CONTAINER,
    MODEL_LABEL,
    RESTARTS_ANNOTATION,
    at,
    mapping_at,
    mappings_at,
)
from gitops_bridge.live.observed import (
    Application,
    BuildJob,
    Container,
    Item,
    Kind,
    Pod,
    Refusal,
    ReplicaSet,
    Workload,
)

JOB_LABEL = "batch.kubernetes.io/job-name"
COMPONENT_LABEL = "app.kubernetes.io/component"
NO_DEADLINE = 2_147_483_647
"""`progressDeadlineSeconds` of a Deployment without one."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def parse(kind: Kind, item: object) -> Item | None:
    """One item of a list of `kind`; None for what has no name."""
    return _PARSERS[kind](item) if _text(item, "metadata", "name") else None


def _workload(item: object) -> Workload:
    status = mapping_at(item, "status")
    template = mapping_at(item, "spec", "template")
    conditions = {str(found.get("type")): found for found in mappings_at(status, "conditions")}
    progress = conditions.get("Progressing", {})
    failure = conditions.get("ReplicaFailure", {})
    selector = mapping_at(item, "spec", "selector", "matchLabels")
    server = _server(template)
    return Workload(
        name=_text(item, "metadata", "name") or "",
        namespace=_text(item, "metadata", "namespace") or "",
        deployment=_label(item, DEPLOYMENT_LABEL) or _text(selector, DEPLOYMENT_LABEL),
        deleting=_deleting(item),
        paused=at(item, "spec", "paused") is True,
        generation=_number(item, "metadata", "generation"),
        observed_generation=_number(status, "observedGeneration", default=-1),
        wanted=_number(item, "spec", "replicas", default=1),
        replicas=_number(status, "replicas"),
        updated=_number(status, "updatedReplicas"),
        available=_number(status, "availableReplicas"),
        image=_text(server, "image"),
        model=_label(template, MODEL_LABEL),
        restarts=_text(template, "metadata", "annotations", RESTARTS_ANNOTATION),
        progress=_text(progress, "reason"),
        progress_message=_text(progress, "message"),
        progress_changed=_text(progress, "lastTransitionTime"),
        deadline=_deadline(item),
        replica_failure=_text(failure, "message") if failure.get("status") == "True" else None,
    )


def _deadline(item: object) -> int | None:
    found = _number(item, "spec", "progressDeadlineSeconds", default=NO_DEADLINE)
    return None if found >= NO_DEADLINE else found


def _replica_set(item: object) -> ReplicaSet:
    failures = (
        _text(found, "message") or _text(found, "reason")
        for found in mappings_at(item, "status", "conditions")
        if found.get("type") == "ReplicaFailure" and found.get("status") == "True"
    )
    return ReplicaSet(
        name=_text(item, "metadata", "name") or "",
        deployment=_label(item, DEPLOYMENT_LABEL),
        image=_text(_server(mapping_at(item, "spec", "template")), "image"),
        failure=next(failures, None),
    )


def _pod(item: object) -> Pod:
    conditions = {
        str(found.get("type")): found for found in mappings_at(item, "status", "conditions")
    }
    ready = conditions.get("Ready", {})
    scheduled = conditions.get("PodScheduled", {})
    stuck = scheduled.get("status") == "False"
    containers = tuple(_containers(item))
    name = _text(_server(item), "name")
    return Pod(
        name=_text(item, "metadata", "name") or "",
        namespace=_text(item, "metadata", "namespace") or "",
        deployment=_label(item, DEPLOYMENT_LABEL),
        model=_label(item, MODEL_LABEL) or _label(item, BUILD_MODEL_LABEL),
        job=_label(item, JOB_LABEL) or _label(item, "job-name"),
        builds=_label(item, COMPONENT_LABEL) in {"imageBuilder", "image-builder"},
        image=_text(_server(item), "image"),
        phase=_text(item, "status", "phase"),
        ready=ready.get("status") == "True",
        ready_changed=_text(ready, "lastTransitionTime"),
        deleting=_deleting(item),
        containers=containers,
        server=next((found for found in containers if found.name == name), None),
        unschedulable=(_text(scheduled, "message") or "it cannot be scheduled") if stuck else None,
        requests=_requests(item) if stuck else None,
    )


def _containers(item: object) -> Iterator[Container]:
    for init, key in ((True, "initContainerStatuses"), (False, "containerStatuses")):
        for status in mappings_at(item, "status", key):
            yield _container(status, init)


def _container(status: Mapping[str, Any], init: bool) -> Container:
    waiting = mapping_at(status, "state", "waiting")
    ended = mapping_at(status, "state", "terminated") or mapping_at(
        status, "lastState", "terminated"
    )
    digest = _DIGEST.search(_text(status, "imageID") or "")
    return Container(
        name=_text(status, "name") or "",
        digest=digest[0] if digest else None,
        init=init,
        ready=status.get("ready") is True,
        running=isinstance(at(status, "state", "running"), Mapping),
        restarts=_number(status, "restartCount"),
        waiting=_text(waiting, "reason"),
        message=_text(waiting, "message"),
        exit_code=_number(ended, "exitCode") if ended else None,
        exit_reason=_text(ended, "reason"),
        exit_message=_text(ended, "message"),
    )


def _requests(item: object) -> str | None:
    """`cpu 1000, memory 16Mi`; several containers apart by semicolons."""
    asked = [
        ", ".join(f"{key} {_quantity(value)}" for key, value in sorted(found.items()))
        for container in mappings_at(item, "spec", "containers")
        if (found := mapping_at(container, "resources", "requests"))
    ]
    return "; ".join(asked) or None


def _quantity(value: object) -> str:
    """Kubernetes shortens 1000 CPUs to `1k`."""
    found = str(value)
    return f"{found[:-1]}000" if found[:-1].isdigit() and found.endswith("k") else found


def _job(item: object) -> BuildJob:
    conditions = {
        str(found.get("type")): found
        for found in mappings_at(item, "status", "conditions")
        if found.get("status") == "True"
    }
    failed = conditions.get("Failed") or conditions.get("FailureTarget")
    return BuildJob(
        name=_text(item, "metadata", "name") or "",
        namespace=_text(item, "metadata", "namespace") or "",
        deployment=_label(item, DEPLOYMENT_LABEL),
        model=_label(item, BUILD_MODEL_LABEL) or _label(item, MODEL_LABEL),
        active=_number(item, "status", "active"),
        complete="Complete" in conditions,
        failed=(_text(failed, "reason") or "Failed") if failed is not None else None,
        message=_text(failed, "message"),
        suspended=at(item, "spec", "suspend") is True,
    )


def _application(item: object) -> Application:
    status, operation = mapping_at(item, "status"), mapping_at(item, "status", "operationState")
    result = mapping_at(operation, "syncResult")
    asked = mapping_at(operation, "operation", "sync")
    return Application(
        name=_text(item, "metadata", "name") or "",
        namespace=_text(item, "metadata", "namespace") or "",
        path=_path(item),
        deleting=_deleting(item),
        automated=_automated(item),
        sync=_text(status, "sync", "status"),
        revisions=_revisions(mapping_at(status, "sync")),
        phase=_text(operation, "phase"),
        retries=_number(operation, "retryCount"),
        operation_message=_text(operation, "message"),
        operation_revisions=_revisions(result) or _revisions(asked),
        refusals=tuple(_refusals(result)),
        conditions={
            str(found.get("type")): _text(found, "message") or ""
            for found in mappings_at(status, "conditions")
        },
    )


def _path(item: object) -> str | None:
    """The folder it syncs, of any of its sources."""
    spec = mapping_at(item, "spec")
    places = [
        mapping_at(spec, "source"),
        *mappings_at(spec, "sources"),
        mapping_at(spec, "sourceHydrator", "drySource"),
    ]
    paths = [
        path.removeprefix("./").strip("/") for place in places if (path := _text(place, "path"))
    ]
    ours = (path for path in paths if "/overlays/" in f"/{path}")
    return next(ours, next(iter(paths), None))


def _automated(item: object) -> bool:
    policy = at(item, "spec", "syncPolicy", "automated")
    return isinstance(policy, Mapping) and policy.get("enabled") is not False


def _revisions(found: Mapping[str, Any]) -> tuple[str, ...]:
    several = found.get("revisions")
    names = [found.get("revision"), *(several if isinstance(several, list) else [])]
    return tuple(name for name in names if isinstance(name, str) and name)


def _refusals(result: Mapping[str, Any]) -> Iterator[Refusal]:
    for found in mappings_at(result, "resources"):
        if found.get("status") == "SyncFailed":
            yield Refusal(
                _text(found, "kind") or "object",
                _text(found, "name") or "",
                _text(found, "message") or "",
            )


def _server(item: object) -> Mapping[str, Any]:
    """The container that serves the model: by its name, else the first."""
    containers = mappings_at(item, "spec", "containers")
    named = (found for found in containers if found.get("name") == MODEL_CONTAINER)
    return next(named, containers[0] if containers else {})


def _label(item: object, name: str) -> str | None:
    return _text(item, "metadata", "labels", name)


def _deleting(item: object) -> bool:
    return bool(at(item, "metadata", "deletionTimestamp"))


def _text(item: object, *path: str) -> str | None:
    found = at(item, *path)
    return found if isinstance(found, str) and found else None


def _number(item: object, *path: str, default: int = 0) -> int:
    found = at(item, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


_PARSERS: Mapping[Kind, Callable[[object], Item]] = {
    Kind.DEPLOYMENTS: _workload,
    Kind.REPLICA_SETS: _replica_set,
    Kind.PODS: _pod,
    Kind.JOBS: _job,
    Kind.BUILD_PODS: _pod,
    Kind.APPLICATIONS: _application,
}
