"""What happens to a rollout, told to DataRobot: an entry in the log of its deployment.

Entries are remote events of the type `deploymentInfo` (POST remoteEvents/). Titles hold 512
characters, messages 16 384. DataRobot gives them no identity, so an event that is sent twice is
shown twice: send one per transition, after the transition itself is safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from gitops_bridge.datarobot.answers import checked
from gitops_bridge.datarobot.api import DataRobot

_TITLE, _MESSAGE = 512, 16_384


class RemoteEventKind(str, Enum):
    """What happened; the value is the title that people read in DataRobot."""

    BUILD_STARTED = "Image build started"
    PROPOSED = "Pull request opened"
    MERGED = "Pull request merged"
    CLOSED = "Pull request closed without merging"
    SYNCED = "Rollout applied to the cluster"
    READY = "Model is ready"
    FAILED = "Rollout failed"
    REVERTED = "Model reverted in Git"


@dataclass(frozen=True)
class RemoteEvent:
    """One thing that happened to a deployment.

    `at` is aware of its time zone. `model` is the model that is rolled out or, once reverted,
    serves again; `previous` the one it replaces. `by` is a person, `link` leads to the pull
    request, the commit or the Application, `reason` is in a person's or the cluster's own words.
    """

    kind: RemoteEventKind
    deployment: str
    at: datetime
    model: str | None = None
    previous: str | None = None
    by: str | None = None
    reason: str | None = None
    link: str | None = None


def send(api: DataRobot, event: RemoteEvent) -> None:
    """Raises DataRobotError when DataRobot does not take it."""
    api.send("POST", "remoteEvents/", body=document(event))


def document(event: RemoteEvent) -> dict[str, Any]:
    """The body of the request."""
    moment = event.at.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    models = {"newModelId": event.model, "oldModelId": event.previous}
    data = {key: value for key, value in models.items() if value}
    return {
        "eventType": "deploymentInfo",
        "deploymentId": checked(event.deployment),
        "timestamp": moment.replace("+00:00", "Z"),
        "title": event.kind.value[:_TITLE],
        "message": _message(event)[:_MESSAGE],
        **({"data": data} if data else {}),
    }


def _message(event: RemoteEvent) -> str:
    title = event.kind.value
    said = [title if event.by is None else f"{title} by {event.by}"]
    if event.model:
        said.append(f"model {event.model}")
    if event.previous:
        said.append(f"in place of {event.previous}")
    sentence = ", ".join(said)
    if event.reason:
        sentence += f": {event.reason}"
    return f"{sentence}\n{event.link}" if event.link else sentence
