"""The model of a deployment, set back in DataRobot after a person reverted it in Git.

DataRobot's own check comes first. The replacement is only asked for: where a management agent runs
the prediction environment it becomes an action for the bridge, which finds Git holding that model
already and answers at once, so nothing goes round in circles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gitops_bridge.datarobot.answers import checked, part, text
from gitops_bridge.datarobot.api import DataRobot
from gitops_bridge.errors import DataRobotError

Reason = Literal["ACCURACY", "DATA_DRIFT", "ERRORS", "SCHEDULED_REFRESH", "SCORING_SPEED", "OTHER"]
_CHANGING = frozenset({"launching", "stopping", "replacingModel"})


@dataclass(frozen=True)
class Validation:
    """What DataRobot thinks of a replacement: passing, warning or failing, and why."""

    status: str
    messages: tuple[str, ...]


def validate(api: DataRobot, deployment: str, package: str) -> Validation:
    """Whether the deployment could run the model package; changes nothing."""
    answer = api.answer(
        "POST", f"deployments/{checked(deployment)}/model/validation/",
        body={"modelPackageId": checked(package)},
    )  # fmt: skip
    checks = part(answer, "checks")
    complaints = [
        f"{name}: {text(check, 'message') or check['status']}"
        for name, check in checks.items()
        if isinstance(check, Mapping) and check.get("status") in {"failing", "warning"}
    ]
    message = text(answer, "message")
    said = [*([message] if message else []), *complaints]
    return Validation(text(answer, "status") or "unknown", tuple(said))


def set_model(api: DataRobot, deployment: str, package: str, reason: Reason = "OTHER") -> bool:
    """Ask DataRobot to make the deployment's model that of `package`; False where it is so already.

    Raises DataRobotError: with `retry` while DataRobot is changing the deployment, else when its
    check fails or the token may not. Doing it twice asks once: the second call sees the first one's
    change or finds it under way.
    """
    present = api.mapping(f"deployments/{checked(deployment)}/")
    if text(part(present, "modelPackage"), "id") == package and present.get("status") == "active":
        return False
    if present.get("status") in _CHANGING:
        raise _changing(deployment)
    found = validate(api, deployment, package)
    if found.status not in {"passing", "warning"}:
        raise DataRobotError(
            f"deployment {deployment}: DataRobot would not take model package {package}: "
            f"{'; '.join(found.messages) or found.status:.500}",
            hint="set the model in DataRobot by hand, or release the deployment's hold",
        )
    body = {"modelPackageId": package, "reason": reason}
    try:
        api.send("PATCH", f"deployments/{deployment}/model/", body=body)
    except DataRobotError as error:
        raise _changing(deployment) if error.status == 409 else error from None
    return True


def _changing(deployment: str) -> DataRobotError:
    return DataRobotError(
        f"deployment {deployment}: DataRobot is changing it already",
        hint="the next look tries again by itself",
        retry=True,
    )
