"""Conditions about Argo CD: whether our commit was seen, applied, or refused.

They explain why the wanted model does not run yet; none of them proves that it does. Of an
Application only the comparison, the operation and the conditions are read, each only where it is
about a commit with our `model/` in it: messages outlive their cause.
"""

from __future__ import annotations

import re

from gitops_bridge.live.findings import Condition, Finding, fail, one_line, wait, warn
from gitops_bridge.live.observed import Observed
from gitops_bridge.live.wanted import Wanted

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RENDER = re.compile(r"kustomize build|failed to generate manifest|manifest generation error", re.I)
_INVALID = re.compile(r"^\S+ \"[^\"]+\" is invalid: ")
_ABSENT = re.compile(r"no such file or directory|file does not exist|doesn't exist")
_TAIL = re.compile(r"failed exit status \d+:?\s*(?:Error:\s*)?|desc = ", re.I)


def synced(wanted: Wanted, observed: Observed) -> bool | None:
    """Whether Argo CD compared a commit with our `model/` and found it applied; None: unseen."""
    if observed.application is None:
        return None
    app = observed.application
    return app.sync == "Synced" and _covers(wanted, app.revisions)


def overlay_can_be_rendered(wanted: Wanted, observed: Observed) -> Finding | None:
    app = observed.application
    if app is None or app.sync in {"Synced", "OutOfSync"}:
        return None
    if "InvalidSpecError" in app.conditions:
        return fail(
            f"Application {app.name} is invalid: {one_line(app.conditions['InvalidSpecError'])}"
        )
    message = app.conditions.get("ComparisonError")
    if message is None:
        return None
    if _RENDER.search(message) and "Unavailable" not in message:
        absent = "it names a file that is not there: " if _ABSENT.search(message) else ""
        said = one_line(_TAIL.split(message)[-1])
        return fail(f"the overlay on main cannot be rendered: {absent}{said}")
    return warn(f"Argo CD cannot compare Git with the cluster: {one_line(message)}")


def objects_can_be_applied(wanted: Wanted, observed: Observed) -> Finding | None:
    app = observed.application
    if app is None or not _covers(wanted, app.operation_revisions):
        return None
    gave_up = app.phase in {"Failed", "Error"}
    retries = app.phase == "Running" and app.retries > 0
    if not (gave_up or retries) or synced(wanted, observed):
        return None
    again = "" if gave_up else f"; Argo CD tries again ({app.retries} times so far)"
    for refusal in app.refusals:
        said = one_line(_INVALID.sub("", refusal.message))
        text = f"Kubernetes refuses {refusal.kind} {refusal.name}: {said}{again}"
        if refusal.kind in {"Deployment", "Service", "object"}:
            return fail(text)
        return warn(text)
    return fail(f"Argo CD cannot apply the commit: {one_line(app.operation_message or '')}{again}")


def is_delivered(wanted: Wanted, observed: Observed) -> Finding | None:
    """How far Argo CD is on the way from main to the cluster."""
    app = observed.application
    if app is None:
        return wait("Argo CD has not made the Application yet")
    if app.deleting:
        return wait(f"Application {app.name} is being deleted")
    if not _covers(wanted, app.revisions):
        return wait("Argo CD has not seen the commit yet")
    if app.phase == "Running":
        return wait("Argo CD is applying the commit")
    if app.sync != "Synced" and not app.automated:
        return warn(
            f"automatic sync of Application {app.name} is off: nothing is applied until somebody "
            "syncs it or switches it on"
        )
    return (
        wait("Argo CD has seen the commit and not applied it yet") if app.sync != "Synced" else None
    )


def _covers(wanted: Wanted, revisions: tuple[str, ...]) -> bool:
    """Argo CD also writes branch names where it knows no commit."""
    return any(_COMMIT.fullmatch(name) and wanted.covers(name) for name in revisions)


DELIVERY_CONDITIONS: tuple[Condition, ...] = (overlay_can_be_rendered, objects_can_be_applied)
