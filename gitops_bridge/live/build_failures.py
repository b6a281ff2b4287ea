"""Conditions about the Job that builds the wanted image: whether it failed or cannot start."""

from __future__ import annotations

import re
from dataclasses import replace

from gitops_bridge.live.findings import Condition, Finding, fail, one_line, wait, warn
from gitops_bridge.live.observed import BuildJob, Container, Kind, Observed, Pod
from gitops_bridge.live.pod_failures import (
    cannot_be_created,
    cannot_be_pulled,
    ending,
    log,
    uncreatable,
    unpullable,
)
from gitops_bridge.live.wanted import Wanted

_TELLING = re.compile(r"error|exception|fatal|denied|refused|failed|forbidden|no space", re.I)
_CAUSES = (
    (
        r"MANIFEST_UNKNOWN|manifest unknown",
        "an image it is built on does not exist in the registry",
    ),
    (
        r"UNAUTHORIZED|authentication required|\b401\b",
        "the registry does not accept the credentials",
    ),
    (r"DENIED|\b403\b", "access is denied"),
    (r"no space left|ephemeral local storage", "the node ran out of disk space"),
    (r"TOOMANYREQUESTS|\b429\b", "the registry limits the rate of requests"),
    (r"x509|certificate", "a certificate is not trusted"),
    (r"no such host|i/o timeout|connection refused", "a server cannot be reached"),
)
_REASONS = {
    "DeadlineExceeded": "it took longer than it may (activeDeadlineSeconds)",
    "BackoffLimitExceeded": "it failed as often as it may",
    "PodFailurePolicy": "no retry would help",
}


def build_succeeds(wanted: Wanted, observed: Observed) -> Finding | None:
    """A later attempt may be under way, or done: then an earlier one does not matter."""
    if not wanted.awaits_image or any(job.complete or not job.failed for job in observed.jobs):
        return None
    for job in observed.jobs[-1:]:
        return _failure(job, observed)
    return None


def _failure(job: BuildJob, observed: Observed) -> Finding:
    pod, container = _culprit(observed)
    if pod is None or container is None:
        why = _REASONS.get(job.failed or "", job.failed or "")
        detail = f": {one_line(job.message)}" if job.message else ""
        return fail(f"the build Job {job.name} failed: {why}{detail}")
    source = log(pod, container)
    lines = observed.evidence.get(source) or tuple((container.exit_message or "").splitlines())
    lines = tuple(filter(None, map(one_line, lines)))
    said = telling(lines)
    cause = next((words for pattern, words in _CAUSES if re.search(pattern, said)), None)
    why = ": ".join(filter(None, (cause, said))) or ending(container)
    found = fail(
        f"the build Job {job.name} failed in its container {container.name}: {why}", source
    )
    return replace(found, lines=lines)


def _culprit(observed: Observed) -> tuple[Pod | None, Container | None]:
    """The container that ended badly, of the last Pod that has one."""
    for pod in reversed(observed.build_pods):
        for container in pod.containers:
            if container.exit_code:
                return pod, container
    return None, None


def telling(lines: tuple[str, ...]) -> str:
    """The line of a log that says most: the last one with a word of failure in it."""
    return next((line for line in reversed(lines) if _TELLING.search(line)), "".join(lines[-1:]))


def build_is_applied(wanted: Wanted, observed: Observed) -> Finding | None:
    """A Job that Kubernetes refuses never comes to be, and neither do the Jobs of a folder that
    Argo CD cannot read."""
    app = observed.builds
    if app is None or observed.jobs or not wanted.awaits_image:
        return None
    for refusal in app.refusals:
        if refusal.name == wanted.build_job:
            return fail(f"Kubernetes refuses the build Job: {one_line(refusal.message)}")
    message = app.conditions.get("ComparisonError")
    if message is None or app.sync in {"Synced", "OutOfSync"}:
        return None
    return warn(f"Argo CD cannot read the folder of the build Jobs: {one_line(message)}")


def build_can_start(wanted: Wanted, observed: Observed) -> Finding | None:
    """Kubernetes would let such a Job wait until its deadline, hours later."""
    for pod in observed.build_pods if wanted.awaits_image else ():
        if pod.live and pod.unschedulable:
            return warn(f"the build's Pod fits on no node: {one_line(pod.unschedulable)}")
        for container in pod.containers if pod.live else ():
            if cannot_be_pulled(container):
                return fail(f"the build cannot start: {unpullable(container)}")
            if cannot_be_created(container):
                return fail(f"the build cannot start: {uncreatable(container)}")
    return None


def build_has_ended(wanted: Wanted, observed: Observed) -> Finding | None:
    job = next((job for job in observed.jobs if not job.failed), None)
    if job is None and not observed.saw(Kind.JOBS):
        return warn("; ".join(map(str, observed.unseen)))
    if job is None:
        return wait(f"waiting for build Job {wanted.build_job}") if wanted.build_job else None
    if job.complete:
        return None
    if job.suspended:
        return wait(f"the build Job {job.name} is suspended: it waits for its turn")
    return wait(f"the image is being built by Job {job.name}")


BUILD_CONDITIONS: tuple[Condition, ...] = (build_succeeds, build_is_applied, build_can_start)
