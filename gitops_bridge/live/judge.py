"""What Git wants and what the cluster shows to one Verdict.

Ready is what runs (`serving`); failing is read from the Pods first, then from the build, the
rollout and Argo CD; everything else is on its way. A fault counts only where it is about the wanted
image: the old model's Pods, an operation for an older commit and a condition that was overtaken say
nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gitops_bridge.actions import Status
from gitops_bridge.desired.overlay import Image
from gitops_bridge.live import delivery, pods, serving, stopping
from gitops_bridge.live.build_failures import BUILD_CONDITIONS, build_has_ended
from gitops_bridge.live.delivery import DELIVERY_CONDITIONS
from gitops_bridge.live.findings import Condition, Finding, Severity, first, wait, warn
from gitops_bridge.live.observed import Kind, Observed, Source
from gitops_bridge.live.pod_failures import POD_CONDITIONS, creating
from gitops_bridge.live.rollout_failures import ROLLOUT_CONDITIONS, deadline_is_kept
from gitops_bridge.live.verdict import LiveState, Verdict
from gitops_bridge.live.wanted import Goal, Wanted

_FAULTS: tuple[Condition, ...] = (
    *BUILD_CONDITIONS,
    *POD_CONDITIONS,
    *ROLLOUT_CONDITIONS,
    *DELIVERY_CONDITIONS,
)
_STATUS = {
    LiveState.READY: Status.PASSING,
    LiveState.ERRORED: Status.FAILING,
    LiveState.UNKNOWN: Status.UNKNOWN,
    LiveState.NOTHING: Status.UNKNOWN,
    LiveState.SUPERSEDED: Status.WARNING,
}


def judge(wanted: Wanted, observed: Observed) -> Verdict:
    """The verdict about one deployment. Whatever the cluster shows, it raises nothing."""
    if wanted.goal is Goal.NONE and not wanted.pending_model:
        wanted = _as_it_runs(wanted, observed)
    state, finding = _state(wanted, observed)
    if wanted.superseded and state is not LiveState.UNKNOWN:
        state, finding = LiveState.SUPERSEDED, _superseded(finding)
    status = _STATUS.get(state, Status.PASSING)
    if status is Status.PASSING and finding and finding.severity is not Severity.WAIT:
        status = Status.WARNING
    model, digest = pods.running_model(wanted, observed)
    found, app = serving.workload(wanted, observed), observed.application
    return Verdict(
        state=state,
        status=status,
        reason=finding.text if finding else None,
        running_model=model,
        running_digest=digest,
        old_model_in_use=_old_model_in_use(wanted, observed),
        ready_pods=sum(pods.runs(wanted, pod) for pod in pods.answering(observed)),
        wanted_pods=found.wanted if found else 0,
        synced=delivery.synced(wanted, observed),
        application=f"{app.namespace}/{app.name}" if app else None,
        since=found.progress_changed if found else None,
        log=finding.lines if finding else (),
        unseen=observed.unseen,
        needs=tuple(_needs(wanted, observed, finding)),
    )


def _state(wanted: Wanted, observed: Observed) -> tuple[LiveState, Finding | None]:
    if wanted.goal is Goal.STOP and not wanted.pending_model:
        return stopping.state(wanted, observed)
    if wanted.pending_model:
        return _pending(wanted, observed)
    if wanted.goal is Goal.NONE:
        return _outside_git(wanted, observed)
    return _serving(wanted, observed)


def _pending(wanted: Wanted, observed: Observed) -> tuple[LiveState, Finding | None]:
    """A model that is not on main yet: it is built, or reviewed."""
    fault = _worst(BUILD_CONDITIONS, wanted, observed)
    if fault and fault.severity is Severity.FAIL:
        return LiveState.ERRORED, fault
    replaces = wanted.goal is Goal.SERVE or bool(pods.answering(observed))
    state = LiveState.REPLACING_MODEL if replaces else LiveState.LAUNCHING
    on_its_way = wait(f"model {wanted.pending_model} is not on main yet")
    return state, fault or build_has_ended(wanted, observed) or on_its_way


def _outside_git(wanted: Wanted, observed: Observed) -> tuple[LiveState, Finding | None]:
    """Git has never held it. It may run all the same."""
    if not observed.saw(Kind.DEPLOYMENTS, Kind.PODS):
        return LiveState.UNKNOWN, warn("; ".join(map(str, observed.unseen)))
    found = serving.workload(wanted, observed)
    if found is None:
        if not pods.live(observed):
            return LiveState.NOTHING, None
        return LiveState.UNKNOWN, warn("Pods run without a Deployment, and Git does not know them")
    return _serving(wanted, observed)


def _as_it_runs(wanted: Wanted, observed: Observed) -> Wanted:
    """What Git never held is judged by its own Deployment."""
    found = serving.workload(wanted, observed)
    if found is None:
        return wanted
    return replace(wanted, model=found.model, image=_image(found.image))


def _serving(wanted: Wanted, observed: Observed) -> tuple[LiveState, Finding | None]:
    if not observed.saw(Kind.DEPLOYMENTS, Kind.PODS):
        return LiveState.UNKNOWN, warn("; ".join(map(str, observed.unseen)))
    why_not = first(serving.ROLLED_OUT, wanted, observed)
    if why_not is None:
        some_do_not = serving.every_pod_answers(wanted, observed)
        if some_do_not is None:
            return LiveState.READY, _worst(DELIVERY_CONDITIONS, wanted, observed)
        if any(pods.runs(wanted, pod) for pod in pods.answering(observed)):
            fault = _worst(POD_CONDITIONS, wanted, observed)
            return LiveState.READY, _reduced(some_do_not, fault)
        why_not = some_do_not
    fault = _fault(wanted, observed)
    if fault and fault.severity is Severity.FAIL:
        return LiveState.ERRORED, fault
    if why_not.severity is Severity.FAIL:
        return LiveState.ERRORED, why_not
    return _moving(wanted, observed), fault or _on_its_way(wanted, observed, why_not)


def _reduced(some_do_not: Finding, fault: Finding | None) -> Finding:
    """It serves with fewer Pods than it should have."""
    if fault is None:
        return warn(some_do_not.text)
    return replace(fault, severity=Severity.WARN, text=f"{some_do_not.text}: {fault.text}")


def _fault(wanted: Wanted, observed: Observed) -> Finding | None:
    """What is wrong; final once the rollout's deadline has passed, with its own reason if known."""
    fault = _worst(_FAULTS, wanted, observed)
    late = deadline_is_kept(wanted, observed)
    if late is None or (fault and fault.severity is Severity.FAIL):
        return fault
    return fault.failing() if fault else late


def _worst(conditions: tuple[Condition, ...], wanted: Wanted, observed: Observed) -> Finding | None:
    """The first finding that somebody must act on, else the first to be told."""
    found = [finding for check in conditions if (finding := check(wanted, observed))]
    failing = (finding for finding in found if finding.severity is Severity.FAIL)
    return next(failing, next(iter(found), None))


def _moving(wanted: Wanted, observed: Observed) -> LiveState:
    """Once the wanted Pods have all been there, their restart is no replacement any more."""
    if serving.has_rolled_out(wanted, observed):
        return LiveState.LAUNCHING
    replaces = wanted.previous_model not in (None, wanted.model)
    old = pods.others(wanted, pods.live(observed))
    return LiveState.REPLACING_MODEL if replaces or old else LiveState.LAUNCHING


def _on_its_way(wanted: Wanted, observed: Observed, why_not: Finding) -> Finding:
    """Before the Deployment names the wanted image, what Argo CD does says more."""
    if first(serving.TEMPLATE_IS_WANTED, wanted, observed) is None:
        return why_not
    if wanted.build_job and (building := build_has_ended(wanted, observed)):
        return building
    if not observed.saw(Kind.APPLICATIONS):
        return why_not
    return delivery.is_delivered(wanted, observed) or why_not


def _superseded(finding: Finding | None) -> Finding:
    because = f": {finding.text}" if finding and finding.severity is not Severity.WAIT else ""
    return warn(f"superseded on main by a later commit, which wants another model{because}")


def _old_model_in_use(wanted: Wanted, observed: Observed) -> bool | None:
    asked = wanted.pending_model or wanted.model
    if asked is None or not observed.saw(Kind.PODS):
        return None
    return any(pods.model_of(wanted, pod) != asked for pod in pods.answering(observed))


def _needs(wanted: Wanted, observed: Observed, finding: Finding | None) -> Iterator[Source]:
    """The log of what failed; the events of a Pod that does not get as far as starting."""
    if finding and finding.source and finding.source not in observed.evidence:
        yield finding.source
    if finding is None or finding.severity is Severity.WAIT:
        yield from (s for s in creating(wanted, observed) if s not in observed.evidence)


def _image(name: str | None) -> Image | None:
    """An image's name in a manifest, taken apart."""
    found, _, digest = (name or "").partition("@")
    repository, colon, tag = found.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = found, ""
    return Image(repository, tag, digest or None) if found else None
