"""One environment's Answers to its folder: `overlays/<name>/environment/` with the Components
serving, autoscaling and monitoring and the Kustomization builder.

The files are the platform team's own once written. Every setting becomes a JSON6902 patch onto
`base/`, whose empty maps and lists are there for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitops_bridge import documents
from gitops_bridge.scaffold.answers import Environment

_BASE = "../../../../base"
_POD = "/spec/template/spec"
_POD_ANNOTATIONS = "/spec/template/metadata/annotations"
_MODEL = f"{_POD}/containers/0"
_AGENT = f"{_POD}/containers/1"
_BUILDER = f"{_POD}/containers/0"
DEFAULT_DATAROBOT_URL = "https://app.datarobot.com"

Patch = list[dict[str, Any]]


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
    patches = [("Deployment", _deployment(environment.settings)), _route(environment)]
    return _component(
        _SERVING.format(name=environment.name),
        {
            "components": [f"{_BASE}/components/{environment.route}"],
            "patches": _patches(patches),
        },
    )


def autoscaling(environment: Environment) -> str:
    target = environment.settings.get("ppsCpuUtilizationPercent")
    patch = []
    if target is not None:
        patch = [_replace("/spec/metrics/0/resource/target/averageUtilization", target)]
    return _component(
        _AUTOSCALING,
        {
            "components": [f"{_BASE}/components/autoscaling"],
            "patches": _patches([("HorizontalPodAutoscaler", patch)]),
        },
    )


def monitoring(environment: Environment) -> str:
    settings = environment.settings
    if not settings.get("agentSidecar", True):
        annotation = {"gitops-bridge.io/spooler-settings": settings.get("spoolerSettings", "")}
        patch = _each(_POD_ANNOTATIONS, annotation)
        return _component(_SPOOLER, {"patches": _patches([("Deployment", patch)])})
    patch = [
        _replace(
            f"{_AGENT}/env/0/value",
            settings.get("MLOPS_BOSUN_MONITORING_URL", DEFAULT_DATAROBOT_URL),
        )
    ]
    if "logFormat" in settings:
        patch.append(_replace(f"{_AGENT}/env/1/value", settings["logFormat"]))
    if "apiSecretName" in settings:
        path = f"{_AGENT}/env/3/valueFrom/secretKeyRef/name"
        patch.append(_replace(path, settings["apiSecretName"]))
    patch += _whole(
        settings,
        {
            "agentResources": f"{_AGENT}/resources",
            "agentSecurityContext": f"{_AGENT}/securityContext",
        },
    )
    return _component(
        _MONITORING,
        {
            "components": [f"{_BASE}/components/monitoring-agent"],
            "images": _images({"tracking-agent": settings.get("agentImage")}),
            "patches": _patches([("Deployment", patch)]),
        },
    )


def builder(environment: Environment) -> str:
    settings = environment.settings
    components = [*environment.registry, *_insecure(settings)]
    return _kustomization(
        _BUILDER_COMMENT,
        {
            "resources": [f"{_BASE}/image-builder"],
            "components": [f"{_BASE}/image-builder/components/{kind}" for kind in components],
            "commonAnnotations": {
                "gitops-bridge.io/image-repository": settings["generatedImageRepo"],
                "gitops-bridge.io/pps-image": settings["ppsBaseImage"],
                "gitops-bridge.io/datarobot-url": settings.get(
                    "MLOPS_BOSUN_MONITORING_URL", DEFAULT_DATAROBOT_URL
                ),
            },
            "images": _images({"bridge-image": environment.bridge_image}),
            "patches": _patches([("Job", _job(environment))], name="image-builder"),
        },
    )


def _deployment(settings: Mapping[str, Any]) -> Patch:
    return [
        *_whole(
            settings,
            {
                "ppsServiceAccount": f"{_POD}/serviceAccountName",
                "imagePullSecrets": f"{_POD}/imagePullSecrets",
                "ppsPodSecurityContext": f"{_POD}/securityContext",
                "ppsNodeSelector": f"{_POD}/nodeSelector",
                "ppsAffinity": f"{_POD}/affinity",
                "ppsTolerations": f"{_POD}/tolerations",
                "ppsResources": f"{_MODEL}/resources",
                "ppsSecurityContext": f"{_MODEL}/securityContext",
            },
        ),
        *_each(_POD_ANNOTATIONS, settings.get("ppsAnnotations", {})),
        *_append(f"{_MODEL}/env", settings.get("ppsExtraEnvironment", [])),
        *_append(f"{_POD}/volumes", settings.get("ppsExtraVolumes", [])),
        *_append(f"{_MODEL}/volumeMounts", settings.get("ppsExtraVolumeMounts", [])),
    ]


def _route(environment: Environment) -> tuple[str, Patch]:
    path = f"{environment.prediction_url.path}/deployment-id"
    if environment.route == "gateway-httproute":
        namespace, _, name = (environment.gateway or "").partition("/")
        patch = [
            _replace("/spec/parentRefs", [{"namespace": namespace, "name": name}]),
            _replace("/spec/rules/0/matches/0/path/value", path),
        ]
        if environment.host:
            patch.append(_add("/spec/hostnames", [environment.host]))
        return "HTTPRoute", patch
    nginx = environment.route == "ingress-nginx"
    pattern = f"{path}(/|$)(.*)" if nginx else path
    patch = [_replace("/spec/rules/0/http/paths/0/path", pattern)]
    if environment.host:
        patch.append(_add("/spec/rules/0/host", environment.host))
    if "ingressClass" in environment.settings:
        patch.append(_add("/spec/ingressClassName", environment.settings["ingressClass"]))
    if nginx and environment.prediction_url.scheme == "http":
        annotation = "nginx.ingress.kubernetes.io~1force-ssl-redirect"
        patch.append(_replace(f"/metadata/annotations/{annotation}", "false"))
    return "Ingress", patch


def _job(environment: Environment) -> Patch:
    settings = environment.settings
    skipped = settings.get("kanikoSkipSslVerifyRegistries", [])
    host = _host(settings)
    insecure = [name for name in settings.get("kanikoInsecureRegistries", []) if name != host]
    arguments = [
        *(f"--skip-tls-verify-registry={name}" for name in skipped if name != host),
        *(f"--insecure-registry={name}" for name in insecure),
        *settings.get("kanikoExtraArguments", []),
    ]
    whole = {
        "kanikoServiceAccount": f"{_POD}/serviceAccountName",
        "imagePullSecrets": f"{_POD}/imagePullSecrets",
        "kanikoImage": f"{_BUILDER}/image",
        "kanikoPodSecurityContext": f"{_POD}/securityContext",
        "kanikoNodeSelector": f"{_POD}/nodeSelector",
        "kanikoAffinity": f"{_POD}/affinity",
        "kanikoTolerations": f"{_POD}/tolerations",
        "kanikoResources": f"{_BUILDER}/resources",
        "kanikoSecurityContext": f"{_BUILDER}/securityContext",
    }
    return [
        *_credentials(environment),
        *_whole(settings, whole),
        *_token(settings),
        *_each(_POD_ANNOTATIONS, settings.get("kanikoAnnotations", {})),
        *_append(f"{_BUILDER}/args", arguments),
        *_append(f"{_POD}/volumes", settings.get("kanikoExtraVolumes", [])),
        *_append(f"{_BUILDER}/volumeMounts", settings.get("kanikoExtraVolumeMounts", [])),
    ]


def _token(settings: Mapping[str, Any]) -> Patch:
    """The Secret with DataRobot's token, where the builder's first container reads it."""
    if "apiSecretName" not in settings:
        return []
    path = f"{_POD}/initContainers/0/env/0/valueFrom/secretKeyRef/name"
    return [_replace(path, settings["apiSecretName"])]


def _credentials(environment: Environment) -> Patch:
    """The named Secret or ConfigMap in place of the component's own name for it.

    openshift, when there, adds its volume before docker-config does.
    """
    settings = environment.settings
    position = 1 + ("openshift" in environment.registry)
    volume = f"{_POD}/volumes/{position}"
    secret, config_map = settings.get("kanikoSecretName"), settings.get("kanikoConfigmapName")
    if "docker-config" in environment.registry and secret:
        return [_replace(f"{volume}/secret/secretName", secret)]
    if "docker-config-map" in environment.registry and config_map:
        return [_replace(f"{volume}/configMap/name", config_map)]
    return []


def _host(settings: Mapping[str, Any]) -> str:
    return str(settings["generatedImageRepo"]).partition("/")[0]


def _insecure(settings: Mapping[str, Any]) -> Iterable[str]:
    if _host(settings) in settings.get("kanikoInsecureRegistries", []):
        yield "insecure-registry"
    if _host(settings) in settings.get("kanikoSkipSslVerifyRegistries", []):
        yield "skip-tls-verify"


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def _whole(settings: Mapping[str, Any], places: Mapping[str, str]) -> Patch:
    """Each setting that says something, in place of what base says there."""
    return [_add(path, settings[key]) for key, path in places.items() if settings.get(key)]


def _append(path: str, items: Iterable[Any]) -> Patch:
    return [_add(f"{path}/-", item) for item in items]


def _each(path: str, items: Mapping[str, Any]) -> Patch:
    return [
        _add(f"{path}/{key.replace('~', '~0').replace('/', '~1')}", value)
        for key, value in items.items()
    ]


def _patches(patches: Iterable[tuple[str, Patch]], name: str = "mlops") -> list[dict[str, Any]]:
    return [
        {"target": {"kind": kind, "name": name}, "patch": documents.dump(patch)}
        for kind, patch in patches
        if patch
    ]


def _images(images: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"name": name, **_reference(image)} for name, image in images.items() if image]


def _reference(image: str) -> dict[str, str]:
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    parts = {"newName": f"{head}{slash}{last}", "newTag": tag, "digest": digest}
    return {key: value for key, value in parts.items() if value}


def _component(comment: str, data: Mapping[str, Any]) -> str:
    return _file(comment, "kustomize.config.k8s.io/v1alpha1", "Component", data)


def _kustomization(comment: str, data: Mapping[str, Any]) -> str:
    return _file(comment, "kustomize.config.k8s.io/v1beta1", "Kustomization", data)


def _file(comment: str, version: str, kind: str, data: Mapping[str, Any]) -> str:
    said = {key: value for key, value in data.items() if value}
    return comment + documents.dump({"apiVersion": version, "kind": kind, **said})


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

_BUILDER_COMMENT = """\
# How images are built here. gitops-bridge renders this for each build; Argo CD does not sync it.
"""
