"""DataRobot's deployments of a prediction environment, beside what `servers.datarobot` serves.

The list by pages, the log of events, the check of a replacement and the replacement itself, which
takes `replacing_looks` looks at the deployment before the new model shows. Shapes and limits:
https://docs.datarobot.com/en/docs/api/reference/public-api/ (deployments/, remoteEvents/,
deployments/{id}/model/), as the public Python and R clients read them.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.datarobot import DataRobotServer

ENVIRONMENT = "65a000000000000000000001"


class ManagedDataRobot(DataRobotServer):
    """`refusals` maps a package to what DataRobot has against it in a deployment; `changes` are
    deployments that somebody adds or deletes, one before each page but the first; `read_only` is a
    token that may change nothing."""

    def __init__(self, token: str = "canary-4f1e-token") -> None:  # noqa: S107 - made up
        super().__init__(token)
        self.events: list[dict[str, Any]] = []
        self.reasons: list[str] = []
        self.refusals: dict[str, str] = {}
        self.changes: list[str] = []
        self.read_only = False
        self.replacing_looks = 0
        self._replacing: dict[str, tuple[str, int]] = {}
        plain = self._http.RequestHandlerClass
        server = self

        class Handler(plain):  # type: ignore[misc, valid-type]
            def _route(self, path: str) -> None:
                inner = path.removeprefix("/api/v2/")
                query = parse_qs(urlsplit(self.path).query)
                body = json.loads(self.body) if self.body else {}
                if self.command != "GET" and server.read_only:
                    self._json(403, {"message": "You do not have permission to do that"})
                    return
                for (method, pattern), name in _ROUTES.items():
                    found = re.fullmatch(pattern, inner)
                    if found and method == self.command:
                        self._json(*getattr(server, name)(query, body, *found.groups()))
                        return
                if found := re.fullmatch(r"deployments/([^/]+)/", inner):
                    server.tick(found[1])
                super()._route(path)

        self._http.RequestHandlerClass = Handler

    def deploy(
        self, id: str, package: str, *, environment: str = ENVIRONMENT, status: str = "active",
        formats: tuple[str, ...] = ("datarobot", "customModel"),
    ) -> None:  # fmt: skip
        self.add_deployment(id, package=package, status=status)
        self.deployments[id]["predictionEnvironment"] = {
            "id": environment, "name": "prod", "platform": "other",
            "supportedModelFormats": list(formats),
        }  # fmt: skip

    def tick(self, id: str) -> None:
        """A replacement under way comes one look nearer to its end."""
        if id in self._replacing:
            package, left = self._replacing[id]
            self._replacing[id] = (package, left - 1)
            if left <= 0:
                del self._replacing[id]
                found = self.packages[package]
                self.deployments[id] |= {
                    "status": "active", "model": {"id": found.model_id, "type": "GBT"},
                    "modelPackage": {"id": package, "name": f"package {package}"},
                }  # fmt: skip

    def list(self, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        limit, offset = int(query.get("limit", ["20"])[0]), int(query.get("offset", ["0"])[0])
        if not 1 <= limit <= 100:
            return 422, {"message": "limit must be between 1 and 100"}
        if offset and self.changes:
            self._change(self.changes.pop(0))
        shown = [
            one for one in self.deployments.values()
            if query.get("executionEnvironmentType") != ["external"]
            or "predictionEnvironment" in one
        ]  # fmt: skip
        more = offset + limit < len(shown)
        following = f"{self.url}/api/v2/deployments/?offset={offset + limit}" if more else None
        page = shown[offset : offset + limit]
        return 200, {
            "data": page, "next": following, "previous": None, "count": len(page),
            "totalCount": len(shown),
        }  # fmt: skip

    def _change(self, id: str) -> None:
        if id in self.deployments:
            del self.deployments[id]
        else:
            self.deploy(id, next(iter(self.packages)))

    def take_event(self, query: Any, body: dict[str, Any]) -> tuple[int, Any]:
        problem = None
        if body.get("eventType") != "deploymentInfo":
            problem = "eventType is not known"
        elif len(body.get("title", "")) > 512 or len(body.get("message", "")) > 16_384:
            problem = "title or message is too long"
        elif set(body.get("data", {})) - {"newModelId", "oldModelId", "reason"}:
            problem = "data: unexpected key"
        elif body.get("deploymentId") not in self.deployments:
            return 404, {"message": "Deployment not found"}
        if problem:
            return 422, {"message": problem}
        datetime.strptime(body["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
        self.events.append(body)
        return 202, {}

    def check(self, query: Any, body: dict[str, Any], id: str) -> tuple[int, Any]:
        if id not in self.deployments or body["modelPackageId"] not in self.packages:
            return 404, {"message": "Not Found"}
        refusal = self.refusals.get(body["modelPackageId"])
        checks = {
            "target": {"status": "failing" if refusal else "passing", "message": refusal or "same"},
            "permission": {"status": "passing", "message": "may deploy"},
        }
        status = "failing" if refusal else "passing"
        return 200, {"status": status, "message": "Validation is complete", "checks": checks}

    def replace(self, query: Any, body: dict[str, Any], id: str) -> tuple[int, Any]:
        deployment = self.deployments[id]
        if deployment["status"] != "active":
            return 409, {"message": "Another status change is in progress"}
        deployment["status"] = "replacingModel"
        self.reasons.append(body["reason"])
        self._replacing[id] = (body["modelPackageId"], self.replacing_looks)
        return 202, {}


_ROUTES = {
    ("GET", r"deployments/"): "list",
    ("POST", r"remoteEvents/"): "take_event",
    ("POST", r"deployments/([^/]+)/model/validation/"): "check",
    ("PATCH", r"deployments/([^/]+)/model/"): "replace",
}
