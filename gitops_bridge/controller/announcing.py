"""Transitions and deliveries to the log of their deployment in DataRobot, where that is wanted.

Transitions are read from the branch `rollouts`, so that those of other processes are told as well.
Best effort: what DataRobot does not take is logged and told no more.
"""

from __future__ import annotations

import logging
from datetime import datetime, timezone

from gitops_bridge.config import Environment
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.observing import Target
from gitops_bridge.datarobot import DataRobot, champion, events
from gitops_bridge.datarobot.events import RemoteEvent, RemoteEventKind
from gitops_bridge.errors import BridgeError
from gitops_bridge.rollout import audit
from gitops_bridge.rollout.answer import View

_SECONDS = 15.0  # of one request
_MOST = 200  # transitions of one look
_KINDS = {
    "asked": RemoteEventKind.BUILD_STARTED,
    "build ordered": RemoteEventKind.BUILD_STARTED,
    "pull request opened": RemoteEventKind.PROPOSED,
    "merged": RemoteEventKind.MERGED,
    "rejected": RemoteEventKind.CLOSED,
    "build failed": RemoteEventKind.FAILED,
    "held": RemoteEventKind.REVERTED,
}
log = logging.getLogger(__name__)


class Announcer:
    """Remembers up to which transition DataRobot was told, and what was set back."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._told: str | None = None
        self._set_back: set[tuple[str, str]] = set()

    def tell(self) -> None:
        """The transitions since the last look."""
        branch = self._ctx.config.repository.rollouts_branch
        head = self._ctx.repository.branch(branch)
        before, self._told = self._told, head
        if before is None or head is None or head == before or self._api() is None:
            return
        for commit in reversed(self._ctx.repository.log(head, limit=_MOST)):
            if self._ctx.repository.resolve(commit.id, before) is not None:
                continue
            entry = audit.entry(commit.message)
            if entry is None or entry.event not in _KINDS:
                continue
            self._send(
                RemoteEvent(
                    _KINDS[entry.event], entry.deployment, _moment(commit.time),
                    entry.model or None, entry.previous or None,
                    entry.by.name if entry.by else None, entry.reason or None,
                    entry.pull_request or None,
                )
            )  # fmt: skip

    def synced(self, environment: Environment, deployment: str, view: View) -> None:
        self._told_of(RemoteEventKind.SYNCED, deployment, view)

    def ended(self, environment: Environment, deployment: str, view: View, *, failed: bool) -> None:
        kind = RemoteEventKind.FAILED if failed else RemoteEventKind.READY
        self._told_of(kind, deployment, view)

    def moved(self, target: Target, view: View) -> None:
        """After a person went back to another model: DataRobot is asked to take it, once."""
        settings, model = self._ctx.config.datarobot, view.model
        if settings is None or not settings.follow_reverts or model is None or not view.is_moved:
            return
        asked = view.state.answered.model_id if view.state.answered else None
        key = target.deployment, view.commit
        if model.package is None or model.id == asked or key in self._set_back:
            return
        self._set_back.add(key)
        api = self._ctx.datarobot(_SECONDS)
        try:
            if api:
                champion.set_model(api, target.deployment, model.package.id)
        except BridgeError as error:
            log.warning("%s: DataRobot did not take the model back: %s", target.deployment, error)

    def _told_of(self, kind: RemoteEventKind, deployment: str, view: View) -> None:
        reason = view.verdict.reason if view.verdict else None
        self._send(
            RemoteEvent(
                kind, deployment, _moment(self._ctx.clock()), view.model.id if view.model else None,
                reason=reason, link=view.dashboard_url,
            )
        )  # fmt: skip

    def _api(self) -> DataRobot | None:
        settings = self._ctx.config.datarobot
        return self._ctx.datarobot(_SECONDS) if settings and settings.events else None

    def _send(self, event: RemoteEvent) -> None:
        try:
            if api := self._api():
                events.send(api, event)
        except BridgeError as error:
            log.warning("%s: DataRobot was not told: %s", event.deployment, error)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
