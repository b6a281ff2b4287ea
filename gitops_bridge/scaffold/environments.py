"""One environment's Answers to its folder: `overlays/<name>/environment/` with the Components
serving, autoscaling and monitoring and the Kustomization builder.

The files are the platform team's own once written. Every setting becomes a JSON6902 patch onto
`base/`, whose empty maps and lists are there for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_bridge.scaffold.answers import Environment
from gitops_bridge.scaffold.builder import builder
from gitops_bridge.scaffold.patches import (
    BASE,
    DEFAULT_DATAROBOT_URL,
    POD,
    POD_ANNOTATIONS,
    Patch,
    add,
    append,
    component,
    each,
    images,
    patches,
    replace,
    whole,
)

_MODEL = f"{POD}/containers/0"
_AGENT = f"{POD}/containers/1"


def folder(environment: Environment) -> dict[str, str]:
    """Path in the repository to text, for the whole folder."""
    root = f"overlays/{environment.name}/environment"
    return {
        f"{root}/{part}/kustomization.yaml": text
        for part, text in {
            "serving": serving(environment),
            "autoscaling": autoscaling(environment),
            "monitoring": monitoring(environment),
            "builder": builder(environment),
        }.items()
    }


def serving(environment: Environment) -> str:
    kinds = [("Deployment", _deployment(environment.settings)), _route(environment)]
    return component(
        _SERVING.format(name=environment.name),
        {
            "components": [f"{BASE}/components/{environment.route}"],
            "patches": patches(kinds),
        },
    )


def autoscaling(environment: Environment) -> str:
    target = environment.settings.get("ppsCpuUtilizationPercent")
    patch = []
    if target is not None:
        patch = [replace("/spec/metrics/0/resource/target/averageUtilization", target)]
    return component(
        _AUTOSCALING,
        {
            "components": [f"{BASE}/components/autoscaling"],
            "patches": patches([("HorizontalPodAutoscaler", patch)]),
        },
    )


def monitoring(environment: Environment) -> str:
    settings = environment.settings
    if not settings.get("agentSidecar", True):
        annotation = {"gitops-bridge.io/spooler-settings": settings.get("spoolerSettings", "")}
        patch = each(POD_ANNOTATIONS, annotation)
        return component(_SPOOLER, {"patches": patches([("Deployment", patch)])})
    patch = [
        replace(
            f"{_AGENT}/env/0/value",
            settings.get("MLOPS_BOSUN_MONITORING_URL", DEFAULT_DATAROBOT_URL),
        )
    ]
    if "logFormat" in settings:
        patch.append(replace(f"{_AGENT}/env/1/value", settings["logFormat"]))
    if "apiSecretName" in settings:
        path = f"{_AGENT}/env/3/valueFrom/secretKeyRef/name"
        patch.append(replace(path, settings["apiSecretName"]))
    patch += whole(
        settings,
        {
            "agentResources": f"{_AGENT}/resources",
            "agentSecurityContext": f"{_AGENT}/securityContext",
        },
    )
    return component(
        _MONITORING,
        {
            "components": [f"{BASE}/components/monitoring-agent"],
            "images": images({"tracking-agent": settings.get("agentImage")}),
            "patches": patches([("Deployment", patch)]),
        },
    )


def _deployment(settings: Mapping[str, Any]) -> Patch:
    return [
        *whole(
            settings,
            {
                "ppsServiceAccount": f"{POD}/serviceAccountName",
                "imagePullSecrets": f"{POD}/imagePullSecrets",
                "ppsPodSecurityContext": f"{POD}/securityContext",
                "ppsNodeSelector": f"{POD}/nodeSelector",
                "ppsAffinity": f"{POD}/affinity",
                "ppsTolerations": f"{POD}/tolerations",
                "ppsResources": f"{_MODEL}/resources",
                "ppsSecurityContext": f"{_MODEL}/securityContext",
            },
        ),
        *each(POD_ANNOTATIONS, settings.get("ppsAnnotations", {})),
        *append(f"{_MODEL}/env", settings.get("ppsExtraEnvironment", [])),
        *append(f"{POD}/volumes", settings.get("ppsExtraVolumes", [])),
        *append(f"{_MODEL}/volumeMounts", settings.get("ppsExtraVolumeMounts", [])),
    ]


def _route(environment: Environment) -> tuple[str, Patch]:
    path = f"{environment.prediction_url.path}/deployment-id"
    if environment.route == "gateway-httproute":
        namespace, _, name = (environment.gateway or "").partition("/")
        patch = [
            replace("/spec/parentRefs", [{"namespace": namespace, "name": name}]),
            replace("/spec/rules/0/matches/0/path/value", path),
        ]
        if environment.host:
            patch.append(add("/spec/hostnames", [environment.host]))
        return "HTTPRoute", patch
    nginx = environment.route == "ingress-nginx"
    pattern = f"{path}(/|$)(.*)" if nginx else path
    patch = [replace("/spec/rules/0/http/paths/0/path", pattern)]
    if environment.host:
        patch.append(add("/spec/rules/0/host", environment.host))
    if "ingressClass" in environment.settings:
        patch.append(add("/spec/ingressClassName", environment.settings["ingressClass"]))
    if nginx and environment.prediction_url.scheme == "http":
        annotation = "nginx.ingress.kubernetes.io~1force-ssl-redirect"
        patch.append(replace(f"/metadata/annotations/{annotation}", "false"))
    return "Ingress", patch


_SERVING = """\
# How models are served in {name}: route, resources, nodes, security. This file is your team's own;
# an edit restarts every deployment of the environment. Patches target the name mlops; the word
# `deployment-id` in the path stands for the DataRobot deployment, each rollout fills it in. No
# `namespace:` here: Argo CD's Application sets it.
"""

_AUTOSCALING = """\
# For deployments with minReplicas and maxReplicas in DataRobot. Needs a CPU request on every
# container of the Pod: resources in ../serving, and in ../monitoring for the tracking agent.
"""

_MONITORING = """\
# For deployments whose prediction environment has monitoring enabled: the tracking agent beside the
# model server. Its API token is read from a Secret that is not in Git.
"""

_SPOOLER = """\
# For deployments whose prediction environment has monitoring enabled: a spooler outside the Pod.
"""
