"""A deployment's overlay: its files as text, the seams it needs, the checks it must pass.

What is listed here is for other packages; the rest is how it is done.
"""

from gitops_bridge.desired.overlay.checks import (
    autoscaling_problems,
    unresolved,
    unset_monitoring,
)
from gitops_bridge.desired.overlay.files import Image, component, seed
from gitops_bridge.desired.overlay.names import (
    DEPLOYMENT_LABEL,
    ENVIRONMENT_LABEL,
    MODEL_CONTAINER,
    MODEL_LABEL,
    RESTARTS_ANNOTATION,
    at,
    mapping_at,
    mappings_at,
    pod_template,
    pointer_token,
)
from gitops_bridge.desired.overlay.routes import Route, Seams, environment_probe, seams

__all__ = [
    "DEPLOYMENT_LABEL",
    "ENVIRONMENT_LABEL",
    "MODEL_CONTAINER",
    "MODEL_LABEL",
    "RESTARTS_ANNOTATION",
    "Image",
    "Route",
    "Seams",
    "at",
    "autoscaling_problems",
    "component",
    "environment_probe",
    "mapping_at",
    "mappings_at",
    "pod_template",
    "pointer_token",
    "seams",
    "seed",
    "unresolved",
    "unset_monitoring",
]
