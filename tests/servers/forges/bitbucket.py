"""What both Bitbucket servers do alike with a build status."""

from __future__ import annotations

from typing import Any

from tests.servers.forges.base import ForgeServer, Status


def replace_status(server: ForgeServer, commit: str, body: dict[str, Any], limit: int) -> Status:
    """The posted status takes the place of the one with its key."""
    status = Status(
        body["state"], body.get("description", ""), body["key"], body["url"], body.get("name", "")
    )
    others = [one for one in server.statuses.get(commit, ()) if one.context != body["key"]]
    server.statuses[commit] = others
    server.add_status(commit, status, limit)
    return status
