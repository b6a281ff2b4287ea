"""One environment's Answers to `environment/builder`: how its images are built.

`environments` puts the text into the folder; gitops-bridge renders it for each build.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_bridge.scaffold import registries
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
    components = [*(["append"] if environment.builder == "append" else []), *environment.registry]
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
                **_mirror(environment),
            },
            "images": images({"bridge-image": environment.bridge_image}),
            "patches": patches([("Job", _job(environment))], name="image-builder"),
        },
    )


def _job(environment: Environment) -> Patch:
    settings = environment.settings
    skipped = settings.get("kanikoSkipSslVerifyRegistries", [])
    host = registries.host(settings)
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


_VOLUMES = {
    "openshift": "service-ca",
    "docker-config": "docker-config",
    "docker-config-map": "docker-config",
    "private-ca": "registry-ca",
}
"""The components that add a volume, and its name."""


def _credentials(environment: Environment) -> Patch:
    """The named Secret or ConfigMap in place of each component's own name for it."""
    settings = environment.settings
    named = {
        "docker-config": ("secret/secretName", settings.get("kanikoSecretName")),
        "docker-config-map": ("configMap/name", settings.get("kanikoConfigmapName")),
        "private-ca": ("configMap/name", environment.registry_ca),
    }
    patch: Patch = []
    mounted = [kind for kind in environment.registry if kind in _VOLUMES]
    for position, kind in enumerate(mounted, start=1):  # the first is base's own, the workspace
        path, name = named.get(kind, ("", None))
        if name:
            volume = f"{POD}/volumes/{position}"
            patch.append({"op": "test", "path": f"{volume}/name", "value": _VOLUMES[kind]})
            patch.append(replace(f"{volume}/{path}", name))
    return patch


def _mirror(environment: Environment) -> dict[str, str]:
    mirror = environment.registry_mirror
    return {"gitops-bridge.io/registry-mirror": mirror} if mirror else {}
