"""DataRobot's monitoring and change requests, beside what `servers.datarobot` already serves.

Shapes: https://docs.datarobot.com/en/docs/api/reference/public-api/ (deployments/{id}/accuracy/,
targetDrift/, serviceStats/, changeRequests/), as the public Python and R clients read them.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.datarobot import DataRobotServer


class MonitoredDataRobot(DataRobotServer):
    """`measured[kind, model id]` is what a monitoring resource answers; `requests` the change
    requests; `forbidden` the paths (regular expressions) this token may not see."""

    def __init__(self, token: str = "canary-4f1e-token") -> None:  # noqa: S107 - made up
        super().__init__(token)
        self.measured: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.forbidden: list[str] = []
        plain = self._http.RequestHandlerClass
        server = self

        class Handler(plain):  # type: ignore[misc, valid-type]
            def _route(self, path: str) -> None:
                inner = path.removeprefix("/api/v2/")
                query = parse_qs(urlsplit(self.path).query)
                if any(re.fullmatch(pattern, inner) for pattern in server.forbidden):
                    self._json(403, {"message": "You do not have permission to do that"})
                elif inner == "deployments/":
                    self._json(200, {"data": list(server.deployments.values()), "next": None})
                elif inner == "changeRequests/":
                    self._json(200, {"data": server.requests, "next": None})
                elif found := re.fullmatch(
                    r"deployments/[^/]+/(accuracy|targetDrift|serviceStats)/", inner
                ):
                    answer = server.measured.get((found[1], query.get("modelId", [""])[0]))
                    self._json(200 if answer else 404, answer or {"message": "no data"})
                else:
                    super()._route(path)

        self._http.RequestHandlerClass = Handler


def production(auc: float | None, trained: float | None, drift: float) -> dict[str, Any]:
    """What the three monitoring resources answer for a model."""
    return {
        "accuracy": {
            "metrics": {"AUC": {"value": auc, "baselineValue": trained, "percentChange": None}}
        },
        "targetDrift": {"metric": "psi", "driftScore": drift, "sampleSize": 5333},
        "serviceStats": {
            "metrics": {
                "totalRequests": 120, "totalPredictions": 48_000, "responseTime": 41.26,
                "serverErrorRate": 0.0125, "userErrorRate": None, "peakLoad": True,
            }
        },
    }  # fmt: skip
