"""What the page shows, as values: a fleet, its deployments, their events.

All times are aware of their time zone; all texts are shown as they are and never as markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from urllib.parse import urlsplit


class Tone(str, Enum):
    """How people should take something; colours follow it, but no meaning hangs on them alone."""

    GOOD = "good"
    BUSY = "busy"
    WARNING = "warning"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True)
class Link:
    """`url` is shown as text unless it is http or https."""

    text: str
    url: str

    @property
    def is_safe(self) -> bool:
        try:
            return urlsplit(self.url).scheme in {"http", "https"}
        except ValueError:
            return False


@dataclass(frozen=True)
class Badge:
    """A word about how something stands."""

    word: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Event:
    """One thing that happened to a deployment: `what` in a word, `summary` in a line.

    `by` is who caused it, `by_person` whether that was a person and not DataRobot or this tool;
    `diff` is a unified diff of what it changed.
    """

    at: datetime
    what: Badge
    summary: str
    by: str | None = None
    by_person: bool = False
    reason: str | None = None
    commit: str | None = None
    model: str | None = None
    links: tuple[Link, ...] = ()
    diff: str | None = None


@dataclass(frozen=True)
class DeploymentTimeline:
    """A deployment as it stands, and its events, the newest first.

    `phase` is where its rollout stands by Git. `live` is what the cluster says, None where nobody
    asked; `note` is a sentence about what people should know now.
    """

    id: str
    name: str
    environment: str
    phase: Badge
    model: str | None = None
    model_name: str | None = None
    image: str | None = None
    live: Badge | None = None
    note: str | None = None
    url: str | None = None
    events: tuple[Event, ...] = ()

    @property
    def latest(self) -> Event | None:
        return self.events[0] if self.events else None


@dataclass(frozen=True)
class FleetReport:
    """Everything on the page. `source` is the repository's address without user or password."""

    source: str
    branch: str
    commit: str
    made_at: datetime
    deployments: tuple[DeploymentTimeline, ...]

    def by_environment(self) -> list[tuple[str, list[DeploymentTimeline]]]:
        """Environments by name; in each, what needs people first, then by name."""
        names = sorted({deployment.environment for deployment in self.deployments})
        return [(name, sorted(self._in(name), key=_rank)) for name in names]

    def phases(self) -> list[tuple[Badge, int]]:
        """How many deployments stand where, the most first."""
        return Counter(deployment.phase for deployment in self.deployments).most_common()

    def _in(self, environment: str) -> Iterable[DeploymentTimeline]:
        return (one for one in self.deployments if one.environment == environment)


_URGENCY = {Tone.BAD: 0, Tone.WARNING: 1, Tone.BUSY: 2}


def _rank(deployment: DeploymentTimeline) -> tuple[int, str, str]:
    badges = [badge for badge in (deployment.phase, deployment.live) if badge]
    urgency = min(_URGENCY.get(badge.tone, 3) for badge in badges)
    return urgency, deployment.name.casefold(), deployment.id
