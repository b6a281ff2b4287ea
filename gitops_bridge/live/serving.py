"""Conditions that together mean "ready": the wanted image runs on every Pod of the Deployment.

The rule and the reasons are in the documentation ("Ready, exactly" in docs/live-state.md). Argo CD
has no part in it: what runs, runs.
"""

from __future__ import annotations

from gitops_bridge.live import pods
from gitops_bridge.live.findings import Condition, Finding, fail, first, plural, wait, warn
from gitops_bridge.live.observed import Observed, Workload
from gitops_bridge.live.wanted import Wanted

ROLLED_OUT_ONCE = "NewReplicaSetAvailable"


def workload(wanted: Wanted, observed: Observed) -> Workload | None:
    """The Deployment of a deployment: by its name, else the only one."""
    named = [found for found in observed.workloads if found.name == f"mlops-{wanted.deployment}"]
    if not named and len(observed.workloads) == 1:
        named = list(observed.workloads)
    return named[0] if len(named) == 1 else None


def deployment_is_there(wanted: Wanted, observed: Observed) -> Finding | None:
    if len(observed.workloads) > 1 and workload(wanted, observed) is None:
        names = ", ".join(sorted(found.name for found in observed.workloads))
        return fail(f"several Kubernetes Deployments carry the label of this deployment: {names}")
    found = workload(wanted, observed)
    if found is None:
        return wait("there is no Kubernetes Deployment yet")
    return wait(f"Deployment {found.name} is being deleted") if found.deleting else None


def template_has_image(wanted: Wanted, observed: Observed) -> Finding | None:
    found = workload(wanted, observed)
    if found and pods.names(found.image, wanted.image):
        return None
    return wait("the Deployment does not name the wanted image yet")


def template_has_model(wanted: Wanted, observed: Observed) -> Finding | None:
    found = workload(wanted, observed)
    if found is None or found.model in (None, wanted.model):
        return None
    return wait("the Deployment's Pods are still labelled with another model")


def template_has_restarts(wanted: Wanted, observed: Observed) -> Finding | None:
    found = workload(wanted, observed)
    if found is None or wanted.restarts is None or (found.restarts or "0") == str(wanted.restarts):
        return None
    return wait("the relaunch has not reached the Deployment yet")


def controller_has_observed(wanted: Wanted, observed: Observed) -> Finding | None:
    found = workload(wanted, observed)
    if found is None or found.observed_generation >= found.generation > 0:
        return None
    return wait("Kubernetes has not acted on the Deployment yet")


def has_replicas(wanted: Wanted, observed: Observed) -> Finding | None:
    found = workload(wanted, observed)
    if found is None or found.wanted > 0:
        return None
    return fail("it is scaled to 0 replicas: nothing answers predictions")


def all_pods_are_updated(wanted: Wanted, observed: Observed) -> Finding | None:
    found = workload(wanted, observed)
    if found is None or _rolled_out(found):
        return None
    if found.paused:
        return warn(
            f"Deployment {found.name} is paused: its rollout waits for somebody to resume it"
        )
    return _starting(wanted, observed)


def has_rolled_out(wanted: Wanted, observed: Observed) -> bool:
    """Whether the wanted Pod template has once been in place on all Pods, whatever they do now."""
    return first((*TEMPLATE_IS_WANTED, controller_has_observed, all_pods_are_updated), wanted,
                 observed) is None  # fmt: skip


def _rolled_out(found: Workload) -> bool:
    """A Deployment without a progress deadline has no condition that would say so."""
    once = found.progress == ROLLED_OUT_ONCE or (found.progress is None and found.deadline is None)
    return once and found.updated == found.replicas > 0


def no_pod_is_another(wanted: Wanted, observed: Observed) -> Finding | None:
    if all(pods.is_of(wanted, pod) for pod in pods.live(observed)):
        return None
    return _starting(wanted, observed)


def pods_run_the_image(wanted: Wanted, observed: Observed) -> Finding | None:
    """What the container runtime reports, not what the manifest asks for."""
    ready = [pod for pod in pods.live(observed) if pod.ready]
    strange = [pod for pod in ready if not pods.runs(wanted, pod)]
    if strange:
        found = strange[0].digest or "no image at all"
        return warn(
            f"Pod {strange[0].name} answers with another image than the wanted one: {found}"
        )
    digests = {pod.digest for pod in ready}
    if len(digests) > 1:
        return warn("the Pods run different images under the same tag: " + ", ".join(
            sorted(digest or "" for digest in digests)
        ))  # fmt: skip
    return None


def every_pod_answers(wanted: Wanted, observed: Observed) -> Finding | None:
    found = workload(wanted, observed)
    ready = sum(pod.ready and pods.runs(wanted, pod) for pod in pods.live(observed))
    if found and min(ready, found.available) >= found.wanted:  # more while it is scaled down
        return None
    return _starting(wanted, observed)


def _starting(wanted: Wanted, observed: Observed) -> Finding:
    """`1 of 2 Pods answer; 1 old Pod still answers`"""
    found, live = workload(wanted, observed), pods.live(observed)
    ready = sum(pod.ready and pods.is_of(wanted, pod) for pod in live)
    old = sum(pod.ready and not pods.is_of(wanted, pod) for pod in live)
    text = f"{ready} of {plural(found.wanted if found else 0, 'Pod')} answer"
    still = f"; {plural(old, 'old Pod')} still {'answers' if old == 1 else 'answer'}"
    return wait(text + (still if old else ""))


TEMPLATE_IS_WANTED: tuple[Condition, ...] = (
    deployment_is_there,
    template_has_image,
    template_has_model,
    template_has_restarts,
)
ROLLED_OUT: tuple[Condition, ...] = (
    *TEMPLATE_IS_WANTED,
    controller_has_observed,
    has_replicas,
    all_pods_are_updated,
    no_pod_is_another,
    pods_run_the_image,
)
