"""The standing controller's frame: looks repeated at a jittered interval, hurried by webhooks, with
leader election, health, metrics and JSON logs around them. What a look does is handed in."""

from gitops_bridge.serving.election import Election
from gitops_bridge.serving.logs import JsonFormatter, log_look
from gitops_bridge.serving.loop import (
    Look,
    LookPace,
    LookResult,
    Span,
    StandingLoop,
    stopped_by_signals,
)

__all__ = [
    "Election",
    "JsonFormatter",
    "Look",
    "LookPace",
    "LookResult",
    "Span",
    "StandingLoop",
    "log_look",
    "stopped_by_signals",
]
