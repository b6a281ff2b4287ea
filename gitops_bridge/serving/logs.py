"""Looks as log records, and log records as one JSON object a line for log collectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from gitops_bridge.errors import BridgeError
from gitops_bridge.serving.loop import Look

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Time (UTC), level, logger and message, what `extra` adds and the traceback, each after
    `redact`."""

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        entry: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(entry, ensure_ascii=False, default=str))


def log_look(logger: logging.Logger, look: Look) -> None:
    """One record for each deployment that something was done for, one for the look itself."""
    for result in look.results:
        level = logging.WARNING if result.problem else logging.INFO
        facts = {
            "environment": result.environment,
            "deployment": result.deployment,
            "decision": result.decision,
        }
        logger.log(level, result.problem or result.said or result.decision, extra=facts)
    whole = {"seconds": round(look.seconds, 3), "deployments": len(look.results)}
    if look.error is None:
        logger.info("look finished", extra=whole)
    elif isinstance(look.error, BridgeError):
        logger.error("look failed: %s", look.error, extra=whole)
    else:
        logger.error("look failed: %r", look.error, extra=whole, exc_info=look.error)
