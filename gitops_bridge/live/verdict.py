"""What is said about one deployment: the outcome of `judge`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gitops_bridge.actions import Status
from gitops_bridge.live.observed import Source, Unseen


class LiveState(str, Enum):
    NOTHING = "nothing"
    """No such deployment, neither in Git nor in the cluster."""
    LAUNCHING = "launching"
    """On its way, with no other model in its place."""
    REPLACING_MODEL = "replacingModel"
    READY = "ready"
    ERRORED = "errored"
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Nothing of it runs."""
    SUPERSEDED = "superseded"
    """A person put another model on main than the last action asked for."""
    UNKNOWN = "unknown"
    """What would tell could not be seen."""


@dataclass(frozen=True)
class Verdict:
    """`reason` says why it is not ready, or what is wrong although it is; None when all is well.

    `running_model` is the model whose Pods answer, None when none does. While an old and a new one
    do it is the old one. `old_model_in_use` says whether Pods of another model than the wanted one
    answer; None when no Pods could be seen.
    """

    state: LiveState
    status: Status
    reason: str | None = None
    running_model: str | None = None
    running_digest: str | None = None
    old_model_in_use: bool | None = None
    ready_pods: int = 0
    """Pods that answer with the wanted image, of `wanted_pods`."""
    wanted_pods: int = 0
    synced: bool | None = None
    """Whether Argo CD found main's `model/` applied; None when no Application could be seen. The
    proof that a change which leaves the image alone has arrived, such as a setting."""
    application: str | None = None
    """`namespace/name` of the Argo CD Application."""
    since: str | None = None
    """When the Deployment last changed its progress, RFC 3339."""
    log: tuple[str, ...] = ()
    """The last lines of what failed."""
    unseen: tuple[Unseen, ...] = ()
    needs: tuple[Source, ...] = ()
    """Where a closer look would say more; see `Observed.with_evidence`."""
