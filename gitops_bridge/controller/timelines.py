"""The whole repository to a FleetReport: every deployment, where it stands and its history.

History is the one that `history` tells; each branch is gone through once for all deployments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from gitops_bridge.activity import activity
from gitops_bridge.controller import history, overview, verbs, views
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.history import Entry
from gitops_bridge.controller.observing import Stand, Target, stand
from gitops_bridge.controller.overview import Line
from gitops_bridge.desired.messages import clean
from gitops_bridge.errors import BridgeError
from gitops_bridge.report import Badge, DeploymentTimeline, Event, FleetReport, Link, Tone
from gitops_bridge.rest import without_userinfo
from gitops_bridge.rollout import answer, audit
from gitops_bridge.rollout.state import Phase

_Lines = Mapping[tuple[str, str], Line]
_LONGEST_DIFF = 20_000  # characters of one event
_PHASES = {
    Phase.SETTLED: Tone.GOOD,
    Phase.BUILDING: Tone.BUSY,
    Phase.IN_REVIEW: Tone.BUSY,
    Phase.BLOCKED: Tone.WARNING,
    Phase.FAILED: Tone.BAD,
    Phase.REJECTED: Tone.BAD,
    Phase.HELD: Tone.WARNING,
}
_HEALTH = {
    "passing": Tone.GOOD,
    "warning": Tone.WARNING,
    "failing": Tone.BAD,
    "unknown": Tone.PLAIN,
}
_TONES = {
    "delivered": Tone.GOOD,
    "merged": Tone.GOOD,
    "proposed": Tone.BUSY,
    "proposed anew": Tone.BUSY,
    "pull request opened": Tone.BUSY,
    "reopened": Tone.BUSY,
    "build failed": Tone.BAD,
    "rejected": Tone.BAD,
    "held": Tone.WARNING,
    "hold called": Tone.WARNING,
    "blocked": Tone.WARNING,
    "reverted": Tone.WARNING,
    "rolled back": Tone.WARNING,
    "changed by a person": Tone.WARNING,
    "moved": Tone.WARNING,
}


def timelines(ctx: Context, environment: str | None = None) -> FleetReport:
    """Every deployment of the environment of that name, or of all. Raises BridgeError."""
    repository, settings = ctx.repository, ctx.config.repository
    repository.fetch()
    main = repository.snapshot(settings.branch, fetch=False)
    rollouts = repository.last_seen(settings.rollouts_branch)
    with activity("reading the history of both branches"):
        repository.index_log(main.commit, "overlays")
        if rollouts.commit:
            repository.index_log(rollouts.commit, "")
        diffs = _diffs(ctx, main.commit)
    targets = list(_targets(ctx, environment))
    with activity(f"reading {len(targets)} deployments"):
        lines = _lines(ctx, environment)
        found = tuple(_timeline(ctx, target, diffs, lines) for target in targets)
    return FleetReport(
        source=without_userinfo(settings.url),
        branch=settings.branch,
        commit=main.commit,
        made_at=datetime.fromtimestamp(ctx.clock(), timezone.utc),
        deployments=found,
    )


def _targets(ctx: Context, environment: str | None) -> Iterator[Target]:
    """What main holds, and what ever had a rollout: also what waits, or was stopped."""
    settings = ctx.config.repository
    main = ctx.repository.tree_reader(settings.branch, fetch=False)
    rollouts = ctx.repository.last_seen(settings.rollouts_branch)
    for where in verbs.environments(ctx, environment):
        there = ctx.listing.deployments(main, where.name)
        known = {name.removesuffix(".yaml") for name in rollouts.entries(where.name)}
        for name in sorted({*there, *known}):
            yield Target(where, name)


@dataclass(frozen=True)
class _Diffs:
    """Of each commit and deployment's folder, how its files changed."""

    found: Mapping[tuple[str, str], list[str]]

    def of(self, commit: str, home: str) -> str | None:
        text = "".join(self.found.get((commit, home), ()))
        if len(text) <= _LONGEST_DIFF:
            return text or None
        return f"{text[:_LONGEST_DIFF]}\n… {len(text) - _LONGEST_DIFF} more characters"


def _diffs(ctx: Context, commit: str) -> _Diffs:
    found: dict[tuple[str, str], list[str]] = {}
    for name, file, diff in ctx.repository.patches(commit, "overlays"):
        home = "/".join(file.split("/")[:3])
        found.setdefault((name, home), []).append(diff)
    return _Diffs(found)


def _lines(ctx: Context, environment: str | None) -> _Lines:
    """What the cluster shows, if there is one."""
    if ctx.config.cluster is None:
        return {}
    lines = overview.lines(ctx, verbs.environments(ctx, environment), cluster=True)
    return {(line.environment, line.deployment): line for line in lines}


def _timeline(ctx: Context, target: Target, diffs: _Diffs, lines: _Lines) -> DeploymentTimeline:
    """One that cannot be read is on the page as well, and says why."""
    where = target.environment.name
    try:
        found = stand(ctx, target)
        view = views.of_stand(ctx, target, found)
        entries = history.history(ctx, target)
        told = [_event(entry, diffs.of(entry.commit, target.home)) for entry in entries]
        told += _merges(ctx, target, {entry.commit for entry in entries})
    except BridgeError as error:
        return DeploymentTimeline(
            target.deployment, target.deployment, where, Badge("unreadable", Tone.BAD),
            note=str(error),
        )  # fmt: skip
    record, line = found.record, lines.get((where, target.deployment))
    said = line.said if line else answer.describe(view)
    names = [entry.record.name for entry in entries if entry.record]
    return DeploymentTimeline(
        id=target.deployment,
        name=names[0] if names else target.deployment,
        environment=where,
        phase=_phase(found, record is None),
        model=record.model.id if record else None,
        model_name=record.model.name if record else None,
        image=record.image if record else None,
        live=Badge(line.state, _HEALTH[line.status]) if line else None,
        note=said or None,
        url=view.prediction_url,
        events=tuple(sorted(told, key=lambda event: event.at, reverse=True)),
    )


def _phase(found: Stand, stopped: bool) -> Badge:
    phase = found.state.phase
    if phase is not Phase.SETTLED:
        return Badge(phase.value, _PHASES[phase])
    if found.content != found.state.delivered:
        return Badge("changed by a person", Tone.WARNING)
    return Badge("stopped") if stopped else Badge(phase.value, Tone.GOOD)


def _event(entry: Entry, diff: str | None) -> Event:
    word = entry.event or _word(entry)
    return Event(
        at=datetime.fromtimestamp(entry.time, timezone.utc),
        what=Badge(word, _TONES.get(word, Tone.PLAIN)),
        summary=_summary(entry),
        by=clean(entry.author, 80),
        by_person=not entry.ours,
        reason=clean(entry.reason, 500) or None,
        commit=entry.commit,
        model=entry.record.model.id if entry.record else None,
        links=(Link("pull request", entry.url),) if entry.url else (),
        diff=None if entry.event else diff,
    )


def _merges(ctx: Context, target: Target, told: set[str]) -> Iterator[Event]:
    """Who merged a proposal: main's own commits do not always tell."""
    head = ctx.repository.last_seen(ctx.config.repository.rollouts_branch).commit
    for commit in ctx.repository.log(head, target.state_path, full=True) if head else ():
        entry = audit.entry(commit.message)
        if entry and entry.event == "merged" and entry.by and commit.id not in told:
            yield _event(
                Entry(
                    commit.id, commit.time, entry.by.name, entry.title, None, False, "merged",
                    entry.reason, entry.pull_request,
                ),
                None,
            )  # fmt: skip


def _word(entry: Entry) -> str:
    """What a commit on main did."""
    if entry.ours:
        return "delivered" if entry.record else "stopped"
    return "reverted" if entry.subject.startswith("Revert ") else "changed by a person"


def _summary(entry: Entry) -> str:
    """Without the word that stands before it already."""
    start = f"{entry.event.capitalize()}: " if entry.event else ""
    return clean(entry.subject.removeprefix(start), 200)
