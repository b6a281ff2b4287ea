"""Answers and what was imported to the next steps: what Git must not hold and people still do.

`cli.init` prints them after the commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitops_bridge.scaffold.answers import Answers, Environment
from gitops_bridge.scaffold.files import CONFIG
from gitops_bridge.scaffold.placing import placed

DEFAULT_API_SECRET = "mlops-api-key"  # noqa: S105 - the name of a Secret
_DEFAULT_REGISTRY_SECRET = "registry-creds"  # noqa: S105 - the name of a Secret
_CLOUD_ACCOUNT = "image-builder"


def next_steps(answers: Answers) -> list[str]:
    """In order; each is one thing to do, commands included."""
    steps = []
    for environment in answers.environments:
        steps += [f"{environment.name}: {step}" for step in _environment(environment)]
    for image in dict.fromkeys(environment.bridge_image for environment in answers.environments):
        steps.append(
            f"build and push {image}, see: gitops-bridge help how-to/build-the-bridge-image"
        )
    folder = placed(answers.repository.root, "argocd")
    steps.append(f"check out the repository and run: kubectl apply -k {folder}/")
    if not answers.owners:
        steps.append("put your team's name into CODEOWNERS")
    steps.append(
        f"complete the credentials' whereabouts in {CONFIG}, give it to the management agent and "
        f"set the agent's command to: gitops-bridge run --private-config {CONFIG}"
    )
    return steps


def _environment(environment: Environment) -> Iterator[str]:
    serving, builds = environment.namespace, environment.builds_namespace
    settings = environment.settings
    for namespace in dict.fromkeys((serving, builds)):
        yield f"kubectl create namespace {namespace}"
    token = settings.get("apiSecretName", DEFAULT_API_SECRET)
    readers = (serving, builds) if settings.get("agentSidecar", True) else (builds,)
    for namespace in dict.fromkeys(readers):
        yield (
            f"kubectl -n {namespace} create secret generic {token} --from-file=secret=TOKEN_FILE"
        )
    yield from _registry(environment)
    for namespace, account in _accounts(environment):
        yield f"kubectl -n {namespace} create serviceaccount {account}, with its cloud identity"
    pulls = [item["name"] for item in settings.get("imagePullSecrets", []) if "name" in item]
    if pulls:
        yield f"image pull secrets in {serving} and {builds}: {', '.join(map(str, pulls))}"
    folder = f"overlays/{environment.name}/environment"
    if settings.get("agentSidecar", True) and not settings.get("agentImage"):
        yield f"for monitoring, name the image of tracking-agent in {folder}/monitoring"
    if not _has_request(settings, "ppsResources"):
        yield (
            f"add requests for cpu and memory to resources in {folder}/serving: without them a "
            "model server is the first Pod to be evicted, and cannot be autoscaled"
        )
    yield (
        "before custom models are built: their Dockerfile runs as root beside the credential that "
        "pushes images; give them a repository and a credential of their own, see: gitops-bridge "
        "help how-to/custom-models"
    )


def _registry(environment: Environment) -> Iterator[str]:
    settings, builds = environment.settings, environment.builds_namespace
    host = str(settings["generatedImageRepo"]).partition("/")[0]
    if "docker-config" in environment.registry:
        name = settings.get("kanikoSecretName", _DEFAULT_REGISTRY_SECRET)
        yield (
            f"kubectl -n {builds} create secret generic {name} "
            "--type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=CONFIG_JSON, "
            f"with the right to push to {host}"
        )
    if "docker-config-map" in environment.registry:
        name = settings.get("kanikoConfigmapName", "docker-config")
        yield f"kubectl -n {builds} create configmap {name} --from-file=config.json"
    if "private-ca" in environment.registry:
        name = environment.registry_ca or "registry-ca"
        yield f"kubectl -n {builds} create configmap {name} --from-file=ca.crt"
    if "ecr" in environment.registry:
        yield f"create the repository {settings['generatedImageRepo']}: ECR makes none by itself"


def _accounts(environment: Environment) -> Iterator[tuple[str, str]]:
    settings = environment.settings
    serving = str(settings.get("ppsServiceAccount", "default"))
    if serving != "default":
        yield environment.namespace, serving
    cloud = {"ecr", "acr", "gcr", "openshift"} & set(environment.registry)
    builder = str(settings.get("kanikoServiceAccount", _CLOUD_ACCOUNT if cloud else "default"))
    if builder != "default":
        yield environment.builds_namespace, builder


def _has_request(settings: Mapping[str, Any], key: str) -> bool:
    requests = settings.get(key, {}).get("requests")
    return isinstance(requests, Mapping) and "cpu" in requests
