"""Champion against challenger: what is known of two models, side by side.

A champion's facts come from its record in Git, a challenger's from the action; DataRobot's REST API
adds to both when there is a token. The shapes read here are those of
https://docs.datarobot.com/en/docs/api/reference/public-api/ ; whatever is missing in an answer, or
has another shape, is not available.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gitops_bridge.actions import ExecutionType, ModelFormat
from gitops_bridge.desired.record import Record


@dataclass(frozen=True)
class ModelFacts:
    """One side of the table. `metrics`: a metric's name to its value in production and, where
    known, on the data it was trained on; `drift` and `use` (what is counted to how much of it) are
    of production as well."""

    id: str | None = None
    name: str | None = None
    package_id: str | None = None
    package: str | None = None
    version: str | None = None
    type: str | None = None
    project: str | None = None
    training_data: str | None = None
    creator: str | None = None
    target: str | None = None
    target_type: str | None = None
    classes: str | None = None
    threshold: str | None = None
    served_as: str | None = None
    image: str | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    drift: str | None = None
    use: Mapping[str, str] = field(default_factory=dict)

    def enriched(self, other: ModelFacts | None) -> ModelFacts:
        """These facts, and of `other` what is not known here."""
        if other is None:
            return self
        missing = {
            item.name: getattr(other, item.name)
            for item in fields(self)
            if not getattr(self, item.name)
        }
        return replace(self, **missing)


@dataclass(frozen=True)
class DeploymentFacts:
    """What DataRobot says of the deployment and of the request behind the change. `importance` is
    CRITICAL, HIGH, MODERATE or LOW."""

    importance: str | None = None
    approval: str | None = None
    health: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    requester: str | None = None
    comment: str | None = None
    change_request: str | None = None


ROWS = (
    ("model id", "id"),
    ("model", "name"),
    ("type", "type"),
    ("model package", "package"),
    ("model package id", "package_id"),
    ("version", "version"),
    ("project", "project"),
    ("training data", "training_data"),
    ("creator", "creator"),
    ("target", "target"),
    ("target type", "target_type"),
    ("classes", "classes"),
    ("prediction threshold", "threshold"),
    ("served as", "served_as"),
    ("image", "image"),
)


def rows(
    champion: ModelFacts, challenger: ModelFacts
) -> Iterator[tuple[str, str | None, str | None]]:
    """Every line of the table that either side has something for: what it is about, the champion's
    side, the challenger's."""
    before, after = _told(champion), _told(challenger)
    for heading in dict.fromkeys([*before, *after]):
        yield heading, before.get(heading), after.get(heading)


def _told(facts: ModelFacts) -> dict[str, str]:
    """All that is known, by the heading of its line."""
    plain = {heading: getattr(facts, name) for heading, name in ROWS}
    metrics = {f"accuracy: {name}": value for name, value in facts.metrics.items()}
    told = {**plain, **metrics, "target drift": facts.drift, **facts.use}
    return {heading: value for heading, value in told.items() if value}


def of_record(record: Record | None) -> ModelFacts:
    """What Git holds of a model."""
    if record is None:
        return ModelFacts()
    model, package = record.model, record.model.package
    return ModelFacts(
        id=model.id,
        name=model.name,
        package_id=package.id if package else None,
        package=package.name if package else None,
        version=package.version if package else None,
        target=package.target_name if package else None,
        target_type=package.target_type if package else None,
        threshold=package.threshold if package else None,
        served_as=_SERVERS[model.execution_type, model.format is ModelFormat.SCORING_CODE],
        image=record.image,
    )


_SERVERS = {
    (ExecutionType.DEDICATED, False): "Portable Prediction Server",
    (ExecutionType.DEDICATED, True): "scoring code",
    (ExecutionType.CUSTOM, False): "custom model",
    (ExecutionType.CUSTOM, True): "custom model",
}


def of_package(answer: object) -> ModelFacts:
    """`GET modelPackages/{id}/`."""
    target, source = part(answer, "target"), part(answer, "sourceMeta")
    described, data = part(answer, "modelDescription"), part(answer, "datasets")
    made, classes = part(answer, "importMeta"), part(answer, "target").get("classNames")
    return ModelFacts(
        id=text(answer, "modelId"),
        name=text(described, "modelName"),
        package_id=text(answer, "id"),
        package=text(answer, "name"),
        version=text(answer, "registeredModelVersion"),
        type=text(described, "buildEnvironmentType"),
        project=text(source, "projectName") or text(source, "projectId"),
        training_data=text(data, "datasetName") or text(data, "trainingDataCatalogId"),
        creator=text(made, "creatorFullName") or text(made, "creatorUsername"),
        target=text(target, "name"),
        target_type=text(target, "type"),
        classes=", ".join(map(str, classes)) if isinstance(classes, list) and classes else None,
        threshold=text(target, "predictionThreshold"),
    )


def of_production(
    deployment: object, accuracy: object, drift: object, service: object
) -> ModelFacts:
    """What DataRobot measured of one model: `GET deployments/{id}/` (of the champion),
    `accuracy/`, `targetDrift/` and `serviceStats/`, each None when there is no answer."""
    model = part(deployment, "model")
    measured = part(accuracy, "metrics")
    return ModelFacts(
        type=text(model, "type"),
        project=text(model, "projectName"),
        metrics={str(name): _metric(value) for name, value in measured.items() if _metric(value)},
        drift=_drift(drift),
        use=_use(part(service, "metrics")),
    )


def _metric(value: object) -> str:
    """{value, baselineValue, percentChange}, each a number or null."""
    now, trained = number(value, "value"), number(value, "baselineValue")
    if now is None:
        return f"{trained} in training" if trained else ""
    return f"{now} ({trained} in training)" if trained else now


def _drift(answer: object) -> str | None:
    score = number(answer, "driftScore")
    if score is None:
        return None
    size = number(answer, "sampleSize")
    return f"{text(answer, 'metric') or 'score'} {score}" + (f", {size} rows" if size else "")


def _use(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Requests, predictions, time and errors of the last days."""
    said = (
        ("totalRequests", "requests", "{}"),
        ("totalPredictions", "predictions", "{}"),
        ("responseTime", "response time", "{} ms"),
        ("serverErrorRate", "server errors", "{}"),
        ("userErrorRate", "user errors", "{}"),
    )
    counted = ((heading, form, number(metrics, key)) for key, heading, form in said)
    return {heading: form.format(found) for heading, form, found in counted if found}


def of_deployment(deployment: object, requests: object, package_id: str | None) -> DeploymentFacts:
    """`GET deployments/{id}/` and `GET changeRequests/?entityType=deployment&entityId=`."""
    kinds = {"service": "serviceHealth", "drift": "modelHealth", "accuracy": "accuracyHealth"}
    health = {kind: text(part(deployment, key), "status") for kind, key in kinds.items()}
    request = _request_for(requests, package_id)
    change = part(request, "change")
    return DeploymentFacts(
        importance=text(deployment, "importance"),
        approval=text(part(deployment, "governance"), "approvalStatus"),
        health={kind: status for kind, status in health.items() if status},
        reason=text(change, "replacementReason") or text(change, "reason"),
        requester=text(request, "userName"),
        comment=text(request, "comment"),
        change_request=text(request, "id"),
    )


def _request_for(answer: object, package_id: str | None) -> object:
    """The newest change request about that package."""
    listed = answer.get("data") if isinstance(answer, Mapping) else None
    about = [
        item
        for item in (listed if isinstance(listed, list) else [])
        if package_id and part(item, "change").get("modelPackageId") == package_id
    ]
    return max(about, key=lambda item: text(item, "createdAt") or "", default=None)


def part(answer: object, key: str) -> Mapping[str, Any]:
    found = answer.get(key) if isinstance(answer, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def text(answer: object, key: str) -> str | None:
    found = answer.get(key) if isinstance(answer, Mapping) else None
    plain = isinstance(found, (str, int, float)) and not isinstance(found, bool)
    return str(found) if plain and found != "" else None


def number(answer: object, key: str) -> str | None:
    """A number in at most four significant digits, whole ones in full."""
    found = answer.get(key) if isinstance(answer, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    return f"{found:.4g}" if isinstance(found, float) else str(found)
