"""One environment's Answers to `environment/builder`: how its images are built.

`environments` puts the text into the folder; gitops-bridge renders it for each build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gitops_bridge.scaffold.answers import Environment
from gitops_bridge.scaffold.patches import (
    BASE,
    DEFAULT_DATAROBOT_URL,
    POD,
    POD_ANNOTATIONS,
    Patch,
    append,
    each,
    images,
    kustomization,
    patches,
    replace,
    whole,
)

_BUILDER = f"{POD}/containers/0"
_COMMENT = """\
# How images are built here. gitops-bridge renders this for each build; Argo CD does not sync it.
"""


def builder(environment: Environment) -> str:
    settings = environment.settings
    components = [*environment.registry, *_insecure(settings)]
    return kustomization(
        _COMMENT,
        {
            "resources": [f"{BASE}/image-builder"],
            "components": [f"{BASE}/image-builder/components/{kind}" for kind in components],
            "commonAnnotations": {
                "gitops-bridge.io/image-repository": settings["generatedImageRepo"],
                "gitops-bridge.io/pps-image": settings["ppsBaseImage"],
                "gitops-bridge.io/datarobot-url": settings.get(
                    "MLOPS_BOSUN_MONITORING_URL", DEFAULT_DATAROBOT_URL
                ),
            },
            "images": images({"bridge-image": environment.bridge_image}),
            "patches": patches([("Job", _job(environment))], name="image-builder"),
        },
    )


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
    places = {
        "kanikoServiceAccount": f"{POD}/serviceAccountName",
        "imagePullSecrets": f"{POD}/imagePullSecrets",
        "kanikoImage": f"{_BUILDER}/image",
        "kanikoPodSecurityContext": f"{POD}/securityContext",
        "kanikoNodeSelector": f"{POD}/nodeSelector",
        "kanikoAffinity": f"{POD}/affinity",
        "kanikoTolerations": f"{POD}/tolerations",
        "kanikoResources": f"{_BUILDER}/resources",
        "kanikoSecurityContext": f"{_BUILDER}/securityContext",
    }
    return [
        *_credentials(environment),
        *whole(settings, places),
        *_token(settings),
        *each(POD_ANNOTATIONS, settings.get("kanikoAnnotations", {})),
        *append(f"{_BUILDER}/args", arguments),
        *append(f"{POD}/volumes", settings.get("kanikoExtraVolumes", [])),
        *append(f"{_BUILDER}/volumeMounts", settings.get("kanikoExtraVolumeMounts", [])),
    ]


def _token(settings: Mapping[str, Any]) -> Patch:
    """The Secret with DataRobot's token, where the builder's first container reads it."""
    if "apiSecretName" not in settings:
        return []
    path = f"{POD}/initContainers/0/env/0/valueFrom/secretKeyRef/name"
    return [replace(path, settings["apiSecretName"])]


def _credentials(environment: Environment) -> Patch:
    """The named Secret or ConfigMap in place of the component's own name for it.

    openshift, when there, adds its volume before docker-config does.
    """
    settings = environment.settings
    position = 1 + ("openshift" in environment.registry)
    volume = f"{POD}/volumes/{position}"
    expected = {"op": "test", "path": f"{volume}/name", "value": "docker-config"}
    secret, config_map = settings.get("kanikoSecretName"), settings.get("kanikoConfigmapName")
    if "docker-config" in environment.registry and secret:
        return [expected, replace(f"{volume}/secret/secretName", secret)]
    if "docker-config-map" in environment.registry and config_map:
        return [expected, replace(f"{volume}/configMap/name", config_map)]
    return []


def _host(settings: Mapping[str, Any]) -> str:
    return str(settings["generatedImageRepo"]).partition("/")[0]


def _insecure(settings: Mapping[str, Any]) -> Iterable[str]:
    if _host(settings) in settings.get("kanikoInsecureRegistries", []):
        yield "insecure-registry"
    if _host(settings) in settings.get("kanikoSkipSslVerifyRegistries", []):
        yield "skip-tls-verify"
