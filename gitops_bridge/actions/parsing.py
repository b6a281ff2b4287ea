"""The management agent's action file, loaded as data, to a Request; `agent` calls `parse`.

Keys and their meaning: the action-config YAML of datarobot-bosun 11.2 (`pluginConfig`, `peInfo`,
`deploymentInfo`). Unknown keys are ignored there and here, because agents of other versions send
more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from gitops_bridge.actions.vocabulary import (
    ABOUT_ONE_DEPLOYMENT,
    NEEDS_MODEL,
    Action,
    Deployment,
    ExecutionType,
    Model,
    ModelFormat,
    Package,
    Request,
    Scale,
)
from gitops_bridge.config.names import IDENTIFIER
from gitops_bridge.errors import RequestError

_Choice = TypeVar("_Choice", bound=Enum)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
RESERVED_IDS = frozenset({"environment"})
_MAX_REPLICAS = 10_000


def parse(
    action_name: str, document: object, attachments: Mapping[str, object] | None = None
) -> Request:
    """The Request in an action file.

    `document` is the loaded file; `attachments` holds the JSON files it points to by the key that
    names them (`modelPackageDetails`). Raises RequestError naming the key, the value and the cure.
    """
    action = _action(action_name)
    top = _mapping(document, "the action file", "it must hold pluginConfig and peInfo")
    plugin = _mapping(top.get("pluginConfig"), "pluginConfig", "the agent always sends it")
    environment = _environment(action, top, plugin)
    request = Request(
        action=action,
        environment_id=environment,
        monitoring=_flag(plugin, "MLOPS_BOSUN_PRED_ENV_ENABLE_MONITORING"),
        known_deployments=_known(top.get("peInfo")),
    )
    if action not in ABOUT_ONE_DEPLOYMENT:
        return request
    info = _mapping(
        top.get("deploymentInfo"), "deploymentInfo", f"{action.value} is about one deployment"
    )
    deployment = _deployment(info)
    request = replace(request, deployment=deployment)
    if action not in NEEDS_MODEL:
        return request
    model = _model(action, info, (attachments or {}).get("modelPackageDetails"))
    return replace(request, model=model, scale=_scale(info))


def _action(name: str) -> Action:
    try:
        return Action(name)
    except ValueError:
        known = ", ".join(action.value for action in Action)
        raise RequestError(f"--action {shown(name)} is unknown", hint=f"one of {known}") from None


def shown(value: object) -> str:
    """A value for an error message: quoted, escaped, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _mapping(value: object, key: str, hint: str) -> Mapping[str, Any]:
    if value is None:
        raise RequestError(f"{key} is missing", hint=hint)
    if not isinstance(value, Mapping):
        raise RequestError(f"{key} is {shown(value)}, not a mapping", hint=hint)
    return value


def _environment(action: Action, top: Mapping[str, Any], plugin: Mapping[str, Any]) -> str:
    pe_info = top.get("peInfo")
    if pe_info is not None:
        pe_info = _mapping(pe_info, "peInfo", "the prediction environment as the agent writes it")
        if pe_info.get("id") is not None:
            return _identifier(pe_info["id"], "peInfo.id")
    if plugin.get("MLOPS_BOSUN_PRED_ENV_ID") is not None:
        return _identifier(
            plugin["MLOPS_BOSUN_PRED_ENV_ID"], "pluginConfig.MLOPS_BOSUN_PRED_ENV_ID"
        )
    raise RequestError(
        "peInfo.id is missing", hint=f"{action.value} needs to know its prediction environment"
    )


def _known(pe_info: object) -> tuple[str, ...]:
    """`peInfo.deployments` comes as ids or as whole deployment mappings, by action."""
    listed = pe_info.get("deployments") if isinstance(pe_info, Mapping) else None
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise RequestError(
            f"peInfo.deployments is {shown(listed)}, not a list", hint="ids or deployment mappings"
        )
    return tuple(
        _identifier(
            item.get("id") if isinstance(item, Mapping) else item, f"peInfo.deployments[{index}]"
        )
        for index, item in enumerate(listed)
    )


def is_id(text: str) -> bool:
    """Whether a deployment can be called so: by what a person typed, before it becomes a path."""
    return IDENTIFIER.fullmatch(text) is not None and text not in RESERVED_IDS


def _identifier(value: object, key: str) -> str:
    text = _text(value, key)
    if not IDENTIFIER.fullmatch(text):
        raise RequestError(
            f"{key} is {shown(value)}, which can name no Kubernetes object",
            hint="lower-case letters, digits and '-', at most 56 characters",
        )
    if text in RESERVED_IDS:
        raise RequestError(f"{key} is {shown(value)}, which is reserved", hint="use the real id")
    return text


def _text(value: object, key: str) -> str:
    """Ids are text. An unquoted all-digit id arrives as a number from loaders that guess types:
    it is safe only when no digit can have been lost, that is with all 24 of them."""
    if isinstance(value, int) and not isinstance(value, bool) and len(str(value)) == 24:
        return str(value)
    if isinstance(value, (int, float)):
        raise RequestError(f"{key} is the number {shown(value)}", hint="put the id in quotes")
    if value is None or value == "":
        raise RequestError(f"{key} is missing", hint="the agent sends it with every action")
    if not isinstance(value, str):
        raise RequestError(f"{key} is {shown(value)}, not text", hint="an id in quotes")
    return value


def _flag(mapping: Mapping[str, Any], key: str) -> bool:
    value = mapping.get(key, False)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if value is None:
        return False
    raise RequestError(f"pluginConfig.{key} is {shown(value)}", hint="true or false")


def _deployment(info: Mapping[str, Any]) -> Deployment:
    identifier = _identifier(info.get("id"), "deploymentInfo.id")
    name = info.get("name")
    if name is not None and not isinstance(name, (str, int, float)):
        raise RequestError(f"deploymentInfo.name is {shown(name)}", hint="it must be text")
    current = info.get("modelId")
    return Deployment(
        id=identifier,
        name=_optional_text(str(name) if name is not None else None) or identifier,
        current_model_id=None if current in (None, "") else _model_id(current, "modelId"),
    )


def _model_id(value: object, key: str) -> str:
    text = _text(value, f"deploymentInfo.{key}")
    if not _LABEL.fullmatch(text):
        raise RequestError(
            f"deploymentInfo.{key} is {shown(value)}, which can be no Kubernetes label",
            hint="letters, digits, '-', '_' and '.', at most 63 characters",
        )
    return text


def _model(action: Action, info: Mapping[str, Any], package: object) -> Model:
    wanted = "newModelId" if action is Action.DEPLOYMENT_REPLACE_MODEL else "modelId"
    if info.get(wanted) in (None, ""):
        raise RequestError(
            f"deploymentInfo.{wanted} is missing",
            hint="without it there is no telling which model shall serve",
        )
    execution_type = _choice(info.get("modelExecutionType"), "modelExecutionType", ExecutionType)
    model_format = info.get("modelFormat")
    return Model(
        id=_model_id(info[wanted], wanted),
        execution_type=execution_type,
        format=None if model_format is None else _choice(model_format, "modelFormat", ModelFormat),
        name=_optional_text(info.get("modelName")),
        package=_package(package),
    )


def _choice(value: object, key: str, choices: type[_Choice]) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        known = ", ".join(str(choice.value) for choice in choices)
        said = "is missing" if value is None else f"is {shown(value)}"
        raise RequestError(f"deploymentInfo.{key} {said}", hint=f"supported: {known}") from None


def _optional_text(value: object) -> str | None:
    """Text for people to read. Half a character, which JSON can hold, cannot be written."""
    if not isinstance(value, str) or not value:
        return None
    return value.encode("utf-8", "replace").decode("utf-8")


def _package(details: object) -> Package | None:
    """DataRobot's model-package JSON; only an id makes it one."""
    if not isinstance(details, Mapping) or details.get("id") in (None, ""):
        return None
    target = details.get("target")
    target = target if isinstance(target, Mapping) else {}
    return Package(
        id=_identifier(details["id"], "modelPackageDetails.id"),
        name=_optional_text(details.get("name")),
        target_name=_optional_text(target.get("name")),
        target_type=_optional_text(target.get("type")),
        version=_optional_text(details.get("registeredModelVersion")),
        threshold=_optional_text(target.get("predictionThreshold")),
    )


def _scale(info: Mapping[str, Any]) -> Scale:
    """`keyValueConfig`: replicas (1), minReplicas (0), maxReplicas (0), all as text."""
    config = info.get("keyValueConfig")
    config = {} if config is None else config
    if not isinstance(config, Mapping):
        raise RequestError(
            f"deploymentInfo.keyValueConfig is {shown(config)}", hint="it must be a mapping"
        )
    scale = Scale(
        replicas=_count(config, "replicas", 1),
        minimum=_count(config, "minReplicas", 0),
        maximum=_count(config, "maxReplicas", 0),
    )
    if not scale.autoscaled:  # one bound alone says nothing, as with the built-in plugin
        return Scale(scale.replicas)
    if scale.minimum > scale.maximum:
        raise RequestError(
            f"deploymentInfo.keyValueConfig: minReplicas {scale.minimum} is more than "
            f"maxReplicas {scale.maximum}",
            hint="set them in the deployment's additional metadata in DataRobot",
        )
    return scale


def _count(config: Mapping[str, Any], key: str, default: int) -> int:
    value = config.get(key)
    if value in (None, ""):
        return default
    text = str(value).strip()
    if isinstance(value, (bool, float)) or not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII):
        count = -1
    else:
        count = int(text)
    if not 0 <= count <= _MAX_REPLICAS:
        raise RequestError(
            f"deploymentInfo.keyValueConfig.{key} is {shown(value)}",
            hint=f"a whole number from 0 to {_MAX_REPLICAS}",
        )
    return count
