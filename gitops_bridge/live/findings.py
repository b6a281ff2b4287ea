"""What a condition finds: why the wanted model does not serve, in words for a data scientist."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from gitops_bridge.live.observed import Observed, Source
from gitops_bridge.live.wanted import Wanted

_LINE = 400
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_SECRETS = (
    (re.compile(r"//[^/@\s]+@"), "//…@"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.I), r"\1 …"),
    (
        re.compile(r"\b(\w*(?:password|secret|token|key))(\"?\s*[=:]\s*)(?=\S*\d)\S{8,}", re.I),
        r"\1\2…",
    ),
)
"""What looks like a secret in a log or a message, though nobody knows it to be one."""


class Severity(Enum):
    WAIT = "wait"
    """Nothing is wrong: it takes time."""
    WARN = "warn"
    """It may still heal without anybody; to be told all the same."""
    FAIL = "fail"
    """Somebody has to do something."""


@dataclass(frozen=True)
class Finding:
    """Why the wanted model does not serve. `source` is where more can be read about it."""

    severity: Severity
    text: str
    source: Source | None = None
    lines: tuple[str, ...] = ()
    """The last lines of the log."""

    def failing(self) -> Finding:
        return replace(self, severity=Severity.FAIL)


Condition = Callable[[Wanted, Observed], Finding | None]
"""Holds (None), or finds why not. Small, named, and combined in `judge`."""


def wait(text: str) -> Finding:
    return Finding(Severity.WAIT, text)


def warn(text: str, source: Source | None = None) -> Finding:
    return Finding(Severity.WARN, text, source)


def fail(text: str, source: Source | None = None) -> Finding:
    return Finding(Severity.FAIL, text, source)


def one_line(text: str) -> str:
    """A message of Kubernetes or a line of a log: printable, on one line, of a decent length, and
    without what looks like a secret."""
    clean = " ".join(_ESCAPES.sub("", text).split())
    for pattern, instead in _SECRETS:
        clean = pattern.sub(instead, clean)
    return clean if len(clean) <= _LINE else clean[: _LINE - 1] + "…"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def first(conditions: tuple[Condition, ...], wanted: Wanted, observed: Observed) -> Finding | None:
    """The first finding of several conditions; None when all hold."""
    for condition in conditions:
        if found := condition(wanted, observed):
            return found
    return None
