"""What DataRobot's API answers, as parsed JSON and headers, to checked values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from gitops_bridge.errors import DataRobotError
from gitops_bridge.rest import Response

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def retry_after(answer: Response) -> float | None:
    """Seconds that the server asks to wait: RFC 9110, 10.2.3, as a number or a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - _server_time(answer)).total_seconds())
    except (TypeError, ValueError):
        return None


def _server_time(answer: Response) -> datetime:
    """By the server's own clock, so that ours need not agree with it."""
    moment = parsedate_to_datetime(answer.headers.get("Date", ""))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def checked(identifier: str) -> str:
    if not _ID.fullmatch(identifier):
        raise DataRobotError(f"{identifier!r:.80} is no id of DataRobot", hint="24 hex digits")
    return identifier


def part(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = answer.get(key)
    return part if isinstance(part, Mapping) else {}


def items(answer: Mapping[str, Any], key: str) -> list[Any]:
    """The list under `key`, empty when there is none."""
    found = answer.get(key)
    return found if isinstance(found, list) else []


def text(answer: Mapping[str, Any], key: str) -> str | None:
    value = answer.get(key)
    return str(value) if value not in (None, "") else None
