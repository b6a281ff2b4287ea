"""The deployments of a prediction environment, as DataRobot lists them.

`GET deployments/` has no filter by prediction environment: the external ones are listed, at most
100 on a page, and told apart here. A deployment that is missing from a list reads as deleted, so a
list that changed while it was read is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_bridge.datarobot.answers import checked, part, text
from gitops_bridge.datarobot.api import DataRobot
from gitops_bridge.errors import DataRobotError

_PAGE = 100
_READINGS = 3


@dataclass(frozen=True)
class ListedDeployment:
    """`status` is DataRobot's word: active, inactive, launching, stopping, replacingModel, errored
    or archived. While a model is replaced, model and package are still the old ones. `formats` are
    those of model files that the prediction environment takes; empty where DataRobot does not tell.
    """

    id: str
    name: str
    environment: str
    status: str
    model: str | None
    package: str | None
    formats: tuple[str, ...] = ()


def in_environment(api: DataRobot, environment: str) -> list[ListedDeployment]:
    """All deployments of the prediction environment with that id which the token may see.

    Raises DataRobotError, with `retry` when the list kept changing while it was read.
    """
    for _ in range(_READINGS):
        items, totals = _read(api)
        found = {item["id"]: item for item in items if text(item, "id")}
        if len(found) == len(items) and totals <= {None, len(items)}:
            return [
                deployment
                for deployment in map(_listed, found.values())
                if deployment.environment == environment
            ]
    raise DataRobotError(
        "DataRobot's list of deployments changed each time it was read",
        hint="the next look reads it again",
        retry=True,
    )


def is_gone(api: DataRobot, deployment: str) -> bool:
    """Whether DataRobot knows no such deployment (or shows it to this token no more)."""
    try:
        api.mapping(f"deployments/{checked(deployment)}/")
    except DataRobotError as error:
        if error.status in {404, 410}:
            return True
        raise
    return False


def _read(api: DataRobot) -> tuple[list[Mapping[str, Any]], set[int | None]]:
    """Every item, and how many there are by the count on each page, None where it has none."""
    items: list[Mapping[str, Any]] = []
    totals: set[int | None] = set()
    while True:
        query = {
            "executionEnvironmentType": "external", "orderBy": "createdAtTimestamp",
            "limit": str(_PAGE), "offset": str(len(items)),
        }  # fmt: skip
        page = api.mapping("deployments/", query)
        data = page.get("data")
        if not isinstance(data, list) or not all(isinstance(item, Mapping) for item in data):
            raise DataRobotError(
                "GET deployments/: the answer holds no list of deployments",
                hint="is this the address of DataRobot?",
            )
        items += data
        total = page.get("totalCount")
        totals.add(total if isinstance(total, int) else None)
        if not page.get("next") or not data:
            return items, totals


def _listed(item: Mapping[str, Any]) -> ListedDeployment:
    identifier, environment = str(item["id"]), part(item, "predictionEnvironment")
    formats = environment.get("supportedModelFormats")
    return ListedDeployment(
        id=identifier,
        name=text(item, "label") or identifier,
        environment=text(environment, "id") or "",
        status=text(item, "status") or "active",
        model=text(part(item, "model"), "id"),
        package=text(part(item, "modelPackage"), "id"),
        formats=tuple(map(str, formats)) if isinstance(formats, list) else (),
    )
