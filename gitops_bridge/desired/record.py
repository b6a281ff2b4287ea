"""`model/record.yaml`: DataRobot's facts about a rollout, for reviewers and for the next action.

`rollout` writes it, every later look reads it. It names what a commit trailer would lose in a
squash merge, and it is small, so that ten thousand of them can be read at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gitops_bridge import documents
from gitops_bridge.actions import (
    Action,
    Deployment,
    ExecutionType,
    Model,
    ModelFormat,
    Package,
    Request,
    Scale,
)
from gitops_bridge.errors import RenderError

_HEADER = "# Written by gitops-bridge at every rollout; not for editing.\n"


@dataclass(frozen=True)
class Record:
    """What one rollout delivered. `rollout` counts the rollouts of the deployment from 1."""

    deployment: str
    model: Model
    replaces: str | None
    action: Action
    rollout: int
    environment: str
    name: str
    scale: Scale
    monitoring: bool
    restarts: int
    image: str

    @property
    def asked(self) -> tuple[object, ...]:
        """What identifies the action behind the rollout: the same again is a replay of it."""
        return (self.deployment, self.action, self.replaces, self.model.id, *self.settings)

    @property
    def settings(self) -> tuple[object, ...]:
        return (self.scale, self.monitoring, self.model.execution_type, self.model.format)


def of(request: Request, *, rollout: int, restarts: int, image: str) -> Record:
    """The record of a request about one deployment and its model."""
    if request.deployment is None or request.model is None:
        raise ValueError(f"{request.action.value} is not about a deployment's model")
    return Record(
        deployment=request.deployment.id,
        model=request.model,
        replaces=request.previous_model_id,
        action=request.action,
        rollout=rollout,
        environment=request.environment_id,
        name=request.deployment.name,
        scale=request.scale,
        monitoring=request.monitoring,
        restarts=restarts,
        image=image,
    )


def request(record: Record) -> Request:
    """The request that led to a record, so that a rollout which waits can be planned again."""
    return Request(
        action=record.action,
        environment_id=record.environment,
        deployment=Deployment(record.deployment, record.name, record.replaces),
        model=record.model,
        scale=record.scale,
        monitoring=record.monitoring,
    )


_COUNTED = ("rollout", "restarts", "image")


def asked(request: Request) -> dict[str, Any]:
    """What a request about a model asks for, as plain data: its record without what is counted."""
    data = _plain(of(request, rollout=0, restarts=0, image=""))
    return {key: value for key, value in data.items() if key not in _COUNTED}


def request_from(data: Mapping[str, Any]) -> Request:
    """The request in what `asked` made. Raises KeyError, TypeError or ValueError."""
    return request(_record({**dict.fromkeys(_COUNTED, 0), **data}))


def write(record: Record) -> str:
    """The file's text; the same record gives the same bytes."""
    return _HEADER + documents.dump(_plain(record))


def _plain(record: Record) -> dict[str, Any]:
    model = record.model
    data: dict[str, Any] = {
        "deployment": record.deployment,
        "model": model.id,
        "replaces": record.replaces,
        "action": record.action.value,
        "rollout": record.rollout,
        "environment": record.environment,
        "name": record.name,
        "model_name": model.name,
        "execution_type": model.execution_type.value,
        "format": model.format.value if model.format else None,
        "package": _without_nothing(asdict(model.package)) if model.package else None,
        "scale": asdict(record.scale),
        "monitoring": record.monitoring,
        "restarts": record.restarts,
        "image": record.image,
    }
    return _without_nothing(data)


def _without_nothing(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


def read(content: bytes, path: str) -> Record:
    """The record in a file's content. Raises RenderError naming `path` and the key."""
    try:
        data = documents.load(content)
    except documents.InvalidYaml as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(data, Mapping):
        raise _unreadable(path, "not a mapping")
    try:
        return _record(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from None


def _unreadable(path: str, reason: str) -> RenderError:
    return RenderError(
        f"{path} cannot be read: {reason}", hint="git revert the commit that changed it by hand"
    )


def _record(data: Mapping[str, Any]) -> Record:
    package = data.get("package")
    model_format = data.get("format")
    return Record(
        deployment=str(data["deployment"]),
        model=Model(
            id=str(data["model"]),
            execution_type=ExecutionType(data["execution_type"]),
            format=ModelFormat(model_format) if model_format else None,
            name=data.get("model_name"),
            package=Package(**package) if package else None,
        ),
        replaces=data.get("replaces"),
        action=Action(data["action"]),
        rollout=int(data["rollout"]),
        environment=str(data["environment"]),
        name=str(data["name"]),
        scale=Scale(**data["scale"]),
        monitoring=bool(data["monitoring"]),
        restarts=int(data["restarts"]),
        image=str(data["image"]),
    )


@dataclass(frozen=True)
class Serving:
    """What a record says of what shall run: all that a look at the cluster needs."""

    model: str
    image: str
    restarts: int
    replaces: str | None
    is_custom: bool
    name: str = ""


def serving(content: bytes, path: str) -> Serving:
    """As `read`, thirty times faster for a file that is as we wrote it. Raises RenderError."""
    found = {key.decode(): value.decode() for key, value in _LINE.findall(content)}
    if b"deployment" in content[:200] and found.keys() >= {"model", "image", "restarts"}:
        custom = found.get("execution_type") == ExecutionType.CUSTOM.value
        return Serving(
            found["model"], found["image"], int(found["restarts"]), found.get("replaces"), custom,
            _name(content),
        )  # fmt: skip
    record = read(content, path)
    custom = record.model.execution_type is ExecutionType.CUSTOM
    return Serving(
        record.model.id, record.image, record.restarts, record.replaces, custom, record.name
    )


def _name(content: bytes) -> str:
    """The deployment's name, from its line alone."""
    found = _NAME.search(content)
    try:
        return str(documents.load_verbatim(found[1])) if found else ""
    except documents.InvalidYaml:
        return ""


_NAME = re.compile(rb"^name: (.*)$", re.MULTILINE)
_LINE = re.compile(
    rb'^(model|replaces|execution_type|image|restarts): "?([A-Za-z0-9._:/@-]+)"?$', re.MULTILINE
)
_OPENING = re.compile(rb'\A#[^\n]*\ndeployment: "?([a-z0-9-]+)"?\nmodel: "?([A-Za-z0-9._-]+)"?\n')


def model_of(content: bytes, path: str) -> str:
    """Only the model's id: by the file's first lines, which are ours to lay out, else by parsing.
    Thirty times faster than `read`, for listings. Raises RenderError."""
    opening = _OPENING.match(content)
    return opening[2].decode() if opening else read(content, path).model.id
