"""A deployment that main no longer holds: stopped only when nothing of it is left."""

from __future__ import annotations

from gitops_bridge.live import pods
from gitops_bridge.live.findings import Finding, one_line, plural, wait, warn
from gitops_bridge.live.observed import Kind, Observed
from gitops_bridge.live.verdict import LiveState
from gitops_bridge.live.wanted import Wanted


def state(wanted: Wanted, observed: Observed) -> tuple[LiveState, Finding | None]:
    if observed.workloads or observed.pods or observed.application:
        return LiveState.STOPPING, _left(wanted, observed)
    if not observed.saw(Kind.DEPLOYMENTS, Kind.PODS):
        return LiveState.UNKNOWN, warn("; ".join(map(str, observed.unseen)))
    return LiveState.STOPPED, None


def _left(wanted: Wanted, observed: Observed) -> Finding:
    app, running = observed.application, len(pods.still_answering(observed))
    answers = "answers" if running == 1 else "answer"
    still = f"; {plural(running, 'Pod')} still {answers}" if running else ""
    if app and "DeletionError" in app.conditions:
        return warn(f"Argo CD cannot delete it: {one_line(app.conditions['DeletionError'])}{still}")
    if app and not app.deleting:
        return wait(f"Argo CD has not acted on the removal yet{still}")
    if app or (all(pod.deleting for pod in observed.pods) and not _alive(observed)):
        return wait(f"it is being deleted, {plural(len(observed.pods), 'Pod')} to go{still}")
    if not observed.saw(Kind.APPLICATIONS):
        return wait(f"objects of it are left{still}")
    return warn(
        "no Application owns what is left of it in the cluster; delete it with kubectl delete "
        f"deployment -l bosun.datarobot.com/deployment={wanted.deployment}{still}"
    )


def _alive(observed: Observed) -> bool:
    return any(not found.deleting for found in observed.workloads)
