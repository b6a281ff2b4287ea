"""A build Job and its Pods, as a cluster shows them, to the digest that this very Job has pushed.

A tag says only what somebody pushed last: whoever holds the push credential, a Dockerfile of a
custom model among them, can put another image there. The builder itself writes the digest to its
termination message. It does so before it pushes, so the message counts only when the container
ended well and the Job is complete. https://github.com/osscontainertools/kaniko (pkg/executor)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gitops_bridge.desired.overlay import at, mappings_at

Manifest = Mapping[str, Any]

BUILDERS = frozenset({"kaniko", "append-model"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pushed_digest(job: Manifest, pods: Iterable[Manifest]) -> str | None:
    """The digest that the Job has pushed, None while it is not complete or has told none.

    `job` and `pods` are manifests with their status. Pods of others do not count: each must be
    owned by the Job, by its uid. Two Pods that tell different digests tell none.
    """
    if not _is_complete(job):
        return None
    uid = at(job, "metadata", "uid")
    told = {digest for pod in pods if _is_owned(pod, uid) for digest in _told(pod)}
    return told.pop() if len(told) == 1 else None


def contradicts(digest: str, job: Manifest, pods: Iterable[Manifest]) -> bool:
    """Whether the digest that a registry shows for the tag is another one than the Job pushed: then
    somebody else has pushed there."""
    pushed = pushed_digest(job, pods)
    return pushed is not None and pushed != digest


def _is_complete(job: Manifest) -> bool:
    return any(
        condition.get("type") == "Complete" and condition.get("status") == "True"
        for condition in mappings_at(job, "status", "conditions")
    )


def _is_owned(pod: Manifest, uid: object) -> bool:
    owners = mappings_at(pod, "metadata", "ownerReferences")
    return uid is not None and any(owner.get("uid") == uid for owner in owners)


def _told(pod: Manifest) -> Iterator[str]:
    for container in mappings_at(pod, "status", "containerStatuses"):
        ended = at(container, "state", "terminated")
        if container.get("name") not in BUILDERS or at(ended, "exitCode") != 0:
            continue
        message = str(at(ended, "message") or "").strip()
        if _DIGEST.fullmatch(message):
            yield message
