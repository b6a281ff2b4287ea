"""A FleetReport to one self-contained HTML page.

Style and script stand in the page; a content security policy lets nothing else in, so that neither
a name in Git nor a fault of ours can make a browser fetch or run anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib import resources
from typing import Any

from gitops_bridge.report.model import DeploymentTimeline, Event, FleetReport

_TRACK = timedelta(days=90)
_SIGNS = {"+": "ins", "-": "del", "@": "b"}


def render(fleet: FleetReport) -> str:
    """The page. Time and size grow with the number of events alone."""
    style, script = _read("report.css"), _read("report.js")
    page: str = _template().render(
        fleet=fleet,
        environments=fleet.by_environment(),
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        days=_TRACK.days,
    )
    return page


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"moment": _moment, "iso": _iso, "parts": diff_parts, "marks": marks}
    return environment.from_string(_read("report.html.j2"))


def _read(name: str) -> str:
    folder = resources.files("gitops_bridge.report") / "templates"
    return (folder / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _iso(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def diff_parts(diff: str) -> Iterator[tuple[str, str]]:
    """Runs of lines of one kind: the element that marks them (ins, del, b, or none), the text."""
    run: list[str] = []
    element = ""
    for line in diff.splitlines():
        marked = "" if line.startswith(("+++", "---")) else _SIGNS.get(line[:1], "")
        if marked != element and run:
            yield element, "\n".join(run) + "\n"
            run = []
        element = marked
        run.append(line)
    if run:
        yield element, "\n".join(run)


def marks(deployment: DeploymentTimeline, until: datetime) -> Iterator[tuple[Event, int]]:
    """The events of the last days, the oldest first, each with its place in per mille of them."""
    for event in reversed(deployment.events):
        since = event.at - (until - _TRACK)
        if timedelta(0) <= since <= _TRACK:
            yield event, round(1000 * (since / _TRACK))
