"""Conditions about the Pods of the wanted model: why they do not start, by Kubernetes' own words.

A Pod tells within seconds what the Deployment's conditions tell after minutes.
https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from gitops_bridge.live import pods
from gitops_bridge.live.findings import Condition, Finding, Severity, fail, one_line, plural, warn
from gitops_bridge.live.observed import Container, Observed, Pod, Source
from gitops_bridge.live.serving import has_rolled_out, workload
from gitops_bridge.live.wanted import Wanted

_PULL = {
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
}  # fmt: skip
_CREATE = {
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    "PreCreateHookError", "PreStartHookError", "PostStartHookError",
}  # fmt: skip
_MISSING = re.compile(r"(?P<kind>secret|configmap)s? \"(?P<name>[^\"]+)\" not found", re.I)
_KEY = re.compile(
    r"couldn't find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) (?P<name>\S+)", re.I
)
_WRAPPING = re.compile(r"^.*ErrImagePull: |rpc error: code = \w+ desc = ", re.S)
_KINDS = {"secret": "Secret", "configmap": "ConfigMap"}
_RESTARTS = 2
"""So often a container of a rollout has ended when it is taken to end always, also between two
waits in which Kubernetes says CrashLoopBackOff."""
_SILENCE = 600
"""Seconds; Kubernetes' own default of `progressDeadlineSeconds`."""
_SIGNALS = {
    6: "aborted itself",
    9: "was killed from outside",
    11: "crashed in native code",
    15: "was terminated from outside",
}


def containers_keep_running(wanted: Wanted, observed: Observed) -> Finding | None:
    starts = not has_rolled_out(wanted, observed)
    for pod, container in _wanted(wanted, observed):
        backing_off = container.waiting == "CrashLoopBackOff"
        ended_often = (
            not container.ready
            and container.restarts >= _RESTARTS
            and container.exit_code not in (None, 0)
            and starts
        )
        if backing_off or ended_often:
            source = log(pod, container)
            lines = tuple(map(one_line, observed.evidence.get(source, ())))
            return Finding(Severity.FAIL, _crash(container), source, lines)
    return None


def images_can_be_pulled(wanted: Wanted, observed: Observed) -> Finding | None:
    """Without a gate the Pods are there before their image is: while its Job runs that is no fault,
    and while the Job is not seen it may be none."""
    unpulled = [found for _, found in _wanted(wanted, observed) if cannot_be_pulled(found)]
    if not unpulled:
        return None
    if wanted.awaits_image and any(not (job.complete or job.failed) for job in observed.jobs):
        return None
    if wanted.awaits_image and wanted.build_job and not observed.jobs:
        return warn(f"waiting for build Job {wanted.build_job}: {unpullable(unpulled[0])}")
    return fail(unpullable(unpulled[0]))


def containers_can_be_created(wanted: Wanted, observed: Observed) -> Finding | None:
    for _, container in _wanted(wanted, observed):
        if cannot_be_created(container):
            return fail(uncreatable(container))
    return None


def containers_have_not_ended(wanted: Wanted, observed: Observed) -> Finding | None:
    """The first end of a container, before Kubernetes calls it a crash loop."""
    for pod, container in _wanted(wanted, observed):
        if container.exit_code and not container.ready and not container.init:
            return warn(f"{_crash(container)}; Kubernetes starts it again", log(pod, container))
    return None


def volumes_can_be_mounted(wanted: Wanted, observed: Observed) -> Finding | None:
    """A missing ConfigMap or claim leaves the Pod in ContainerCreating; only its events say why."""
    for source in creating(wanted, observed):
        if lines := observed.evidence.get(source):
            return warn(f"Pod {source.pod} cannot start: {_named(lines[-1])}", source)
    return None


def creating(wanted: Wanted, observed: Observed) -> list[Source]:
    """The events of the Pods whose containers are being created."""
    return [
        Source(pod.namespace, pod.name)
        for pod in _pods(wanted, observed)
        if any(found.waiting == "ContainerCreating" for found in pod.containers)
    ]


def pods_answer_again(wanted: Wanted, observed: Observed) -> Finding | None:
    """Pods that ran once and have been silent for longer than a rollout may take."""
    found = workload(wanted, observed)
    silent = _pods(wanted, observed)
    if found is None or not silent or not has_rolled_out(wanted, observed):
        return None
    since = max(pod.ready_changed or "" for pod in silent)
    seconds = _seconds_between(since, observed.at)
    if seconds is None or seconds < (found.deadline or _SILENCE):
        return None
    return fail(f"{len(silent)} of {found.wanted} Pods have not answered for {seconds:.0f} s")


def _seconds_between(start: str | None, end: str | None) -> float | None:
    """Between two times as Kubernetes writes them; None where one is missing or misshapen."""
    try:
        first, last = (
            datetime.fromisoformat((text or "").replace("Z", "+00:00")) for text in (start, end)
        )
        return (last - first).total_seconds()
    except (ValueError, TypeError):
        return None


def pods_can_be_scheduled(wanted: Wanted, observed: Observed) -> Finding | None:
    for pod in _pods(wanted, observed):
        if pod.unschedulable:
            asked = f" (it asks for {pod.requests})" if pod.requests else ""
            return warn(f"a new Pod fits on no node{asked}: {one_line(pod.unschedulable)}")
    return None


def _pods(wanted: Wanted, observed: Observed) -> list[Pod]:
    return [pod for pod in pods.live(observed) if pods.is_of(wanted, pod) and not pod.ready]


def _wanted(wanted: Wanted, observed: Observed) -> Iterator[tuple[Pod, Container]]:
    for pod in _pods(wanted, observed):
        for container in pod.containers:
            yield pod, container


def _crash(container: Container) -> str:
    """`container model-package does not keep running: it exits with code 1, 3 restarts`"""
    return (
        f"container {container.name} does not keep running: {ending(container)}, "
        f"{plural(container.restarts, 'restart')}"
    )


def ending(container: Container) -> str:
    """How the run of a container that ended last did end: exit codes above 128 are signals."""
    code = container.exit_code or 0
    if container.exit_reason == "OOMKilled":
        return "it was killed because it needed more memory than its limit (OOMKilled)"
    if code > 128:
        return f"it {_SIGNALS.get(code - 128, 'was ended')} (exit code {code})"
    return f"it exits with code {code}"


def cannot_be_pulled(container: Container) -> bool:
    return container.waiting in _PULL


def cannot_be_created(container: Container) -> bool:
    return container.waiting in _CREATE


def unpullable(container: Container) -> str:
    message = container.message or ""
    if re.search(r"not ?found|manifest unknown|MANIFEST_UNKNOWN", message):
        cause = "the registry has no such image"
    elif re.search(r"401|403|unauthorized|denied|authentication|credential", message, re.I):
        cause = "the registry refuses access (imagePullSecrets of the namespace?)"
    elif re.search(r"x509|certificate", message, re.I):
        cause = "the node does not trust the registry's certificate"
    elif re.search(r"no such host|i/o timeout|connection refused|dial tcp", message):
        cause = "the node does not reach the registry"
    else:
        cause = container.waiting or "the image"
    said = one_line(_WRAPPING.sub("", message))
    return f"the image of container {container.name} cannot be pulled: {cause}: {said}"


def uncreatable(container: Container) -> str:
    message = container.message or ""
    return f"container {container.name} cannot start ({container.waiting}): {_named(message)}"


def _named(message: str) -> str:
    if found := _MISSING.search(message):
        kind = _KINDS[found["kind"].lower()]
        return f"{kind} {found['name']}, which it needs, does not exist"
    if found := _KEY.search(message):
        return f"{found['kind']} {found['name'].rpartition('/')[2]} has no key {found['key']}"
    return one_line(message)


def log(pod: Pod, container: Container) -> Source:
    """Of the run that ended: the present one once it runs again is not what failed."""
    return Source(pod.namespace, pod.name, container.name, previous=container.running)


POD_CONDITIONS: tuple[Condition, ...] = (
    containers_can_be_created,
    images_can_be_pulled,
    containers_keep_running,
    containers_have_not_ended,
    volumes_can_be_mounted,
    pods_can_be_scheduled,
    pods_answer_again,
)
