"""Conditions about the Deployment of the wanted model: whether it can make Pods, and in time."""

from __future__ import annotations

import re

from gitops_bridge.live import pods
from gitops_bridge.live.findings import Condition, Finding, fail, first, one_line, warn
from gitops_bridge.live.observed import Observed
from gitops_bridge.live.serving import (
    TEMPLATE_IS_WANTED,
    controller_has_observed,
    has_rolled_out,
    workload,
)
from gitops_bridge.live.wanted import Wanted

_QUOTA = re.compile(r"exceeded quota: (?P<name>[^,]+), (?P<rest>.*)", re.S)
_POLICY = re.compile(r"violates PodSecurity \"(?P<level>[^\"]+)\": (?P<rest>.*)", re.S)


def pods_can_be_made(wanted: Wanted, observed: Observed) -> Finding | None:
    """The Deployment repeats what its ReplicaSet says; either may be a step behind."""
    found = workload(wanted, observed)
    ours = found if found and pods.names(found.image, wanted.image) else None
    said = [ours.replica_failure] if ours and not has_rolled_out(wanted, observed) else []
    said += [own.failure for own in observed.replica_sets if pods.names(own.image, wanted.image)]
    message = next(filter(None, said), None)
    return warn(_refusal(message)) if message else None


def _refusal(message: str) -> str:
    if found := _QUOTA.search(message):
        return (
            f"the namespace's ResourceQuota {found['name']} forbids another Pod: "
            f"{one_line(found['rest'])}"
        )
    if found := _POLICY.search(message):
        return f"Pod Security ({found['level']}) forbids the Pod: {one_line(found['rest'])}"
    return f"Kubernetes refuses to make a Pod: {one_line(message)}"


def deadline_is_kept(wanted: Wanted, observed: Observed) -> Finding | None:
    """`progressDeadlineSeconds` without progress, counted from the wanted Pod template."""
    found = workload(wanted, observed)
    placed = first((*TEMPLATE_IS_WANTED, controller_has_observed), wanted, observed) is None
    if found is None or not placed or found.progress != "ProgressDeadlineExceeded":
        return None
    limit = f" for {found.deadline} s" if found.deadline else ""
    return fail(f"the rollout has made no progress{limit}: no new Pod became ready")


ROLLOUT_CONDITIONS: tuple[Condition, ...] = (pods_can_be_made,)
