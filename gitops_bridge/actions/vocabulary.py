"""What DataRobot asks (Request) and what we answer (Outcome), as values every room shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Action(str, Enum):
    PLUGIN_START = "plugin_start"
    PLUGIN_STOP = "plugin_stop"
    DEPLOYMENT_START = "deployment_start"
    DEPLOYMENT_STOP = "deployment_stop"
    DEPLOYMENT_REPLACE_MODEL = "deployment_replace_model"
    DEPLOYMENT_STATUS = "deployment_status"
    PE_STATUS = "pe_status"
    DEPLOYMENT_LIST = "deployment_list"
    DEPLOYMENT_RELAUNCH = "deployment_relaunch"
    ENDPOINT_UPDATE = "endpoint_update"
    ENDPOINT_STATUS = "endpoint_status"


ABOUT_ONE_DEPLOYMENT = frozenset(
    {
        Action.DEPLOYMENT_START,
        Action.DEPLOYMENT_STOP,
        Action.DEPLOYMENT_REPLACE_MODEL,
        Action.DEPLOYMENT_STATUS,
        Action.DEPLOYMENT_RELAUNCH,
    }
)
NEEDS_MODEL = ABOUT_ONE_DEPLOYMENT - {Action.DEPLOYMENT_STOP, Action.DEPLOYMENT_STATUS}


class ExecutionType(str, Enum):
    """`modelExecutionType`: which server runs the model inside the image."""

    DEDICATED = "dedicated"
    CUSTOM = "custom_inference_model"


class ModelFormat(str, Enum):
    """`modelFormat`: the file DataRobot hands out; absent for custom models."""

    PACKAGE = "datarobot"
    SCORING_CODE = "datarobotScoringCode"


class Status(str, Enum):
    PASSING = "passing"
    WARNING = "warning"
    FAILING = "failing"
    UNKNOWN = "unknown"


class DeploymentState(str, Enum):
    READY = "ready"
    STOPPED = "stopped"
    ERRORED = "errored"
    LAUNCHING = "launching"
    REPLACING_MODEL = "replacingModel"
    SHUTTING_DOWN = "shuttingDown"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Package:
    """A model package (registered model version), from `modelPackageDetails`."""

    id: str
    name: str | None = None
    target_name: str | None = None
    target_type: str | None = None
    version: str | None = None
    threshold: str | None = None


@dataclass(frozen=True)
class Model:
    id: str
    execution_type: ExecutionType
    format: ModelFormat | None = None
    name: str | None = None
    package: Package | None = None


@dataclass(frozen=True)
class Scale:
    """How many replicas; with both bounds set, between which of them an autoscaler moves."""

    replicas: int = 1
    minimum: int = 0
    maximum: int = 0

    @property
    def autoscaled(self) -> bool:
        return self.minimum > 0 and self.maximum > 0

    @property
    def at_least(self) -> int:
        """Replicas that are there at quiet times: what a disruption budget can count on."""
        return self.minimum if self.autoscaled else self.replicas


@dataclass(frozen=True)
class Deployment:
    """A DataRobot deployment as the action describes it."""

    id: str
    name: str
    current_model_id: str | None = None


@dataclass(frozen=True)
class Request:
    """One action. `model` is the model that shall serve once the action is done."""

    action: Action
    environment_id: str
    deployment: Deployment | None = None
    model: Model | None = None
    scale: Scale = field(default_factory=Scale)
    monitoring: bool = False
    known_deployments: tuple[str, ...] = ()

    @property
    def previous_model_id(self) -> str | None:
        if self.action is not Action.DEPLOYMENT_REPLACE_MODEL or self.deployment is None:
            return None
        return self.deployment.current_model_id


@dataclass(frozen=True)
class Outcome:
    """The answer to an action: what the agent, a person or a script is told."""

    status: Status
    state: DeploymentState | None = None
    message: str | None = None
    prediction_url: str | None = None
    dashboard_url: str | None = None
    old_model_in_use: bool | None = None
    current_model_id: str | None = None
    commit: str | None = None
    deployments: Mapping[str, Outcome] | None = None
