"""Answers and what was imported to the next steps: what Git must not hold and people still do.

`cli.init` prints them after the commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_bridge.config import Repository
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
    steps += _argocd(answers)
    if not answers.owners:
        steps.append("put your team's name into CODEOWNERS")
    steps.append(
        f"complete the credentials' whereabouts in {CONFIG}, give it to the management agent and "
        f"set the agent's command to: gitops-bridge run --private-config {CONFIG}"
    )
    return steps


def _argocd(answers: Answers) -> Iterator[str]:
    """`retry.refresh` came with Argo CD 3.2; an older one drops it, and a revert waits for minutes
    behind a sync that fails."""
    namespace, folder = answers.argocd_namespace, placed(answers.repository.root, "argocd")
    yield "see that Argo CD is 3.2 or newer (argocd version): argocd/ needs retry.refresh"
    if credential := repository_credential(answers.repository, namespace):
        yield (
            "let Argo CD itself read the repository, or nothing ever appears (one that anybody may "
            f"read needs nothing): {credential}"
        )
    yield f"check out the repository and run: kubectl apply -k {folder}/"
    yield (
        "point webhooks of the repository at /api/webhook of Argo CD and of its ApplicationSet "
        "controller: without them a rollout or a revert waits up to 3 minutes"
    )


def repository_credential(repository: Repository, namespace: str) -> str | None:
    """The commands that make Argo CD's credential for the repository; None for a local path.
    https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#repositories"""
    url = repository.url
    if re.match(r"https?://", url):
        user = repository.username or "gitops-bridge"
        login = f"--from-literal=username={user} --from-file=password=TOKEN_FILE"
    elif "://" in url or ":" in url:
        login = "--from-file=sshPrivateKey=KEY_FILE"
    else:
        return None
    secret = f"kubectl -n {namespace} %s secret"
    return (
        f"{secret % 'create'} generic mlops-repository --from-literal=type=git "
        f"--from-literal=url={url} {login} && {secret % 'label'} mlops-repository "
        "argocd.argoproj.io/secret-type=repository"
    )


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
