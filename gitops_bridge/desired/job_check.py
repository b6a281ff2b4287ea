"""A Job manifest to the reasons why Kubernetes or Argo CD would refuse it; `desired.jobs` asks.

Argo CD applies a folder of Jobs as one: a manifest that does not parse or that the API server
refuses holds up every other build of the folder, often without a word. So nothing is committed
that has not passed here: the whole of Kubernetes' schema for a Job, its rules across fields that
a builder can break, and what Argo CD would answer by building again and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_bridge.actions import shown
from gitops_bridge.desired.image_names import IMAGE
from gitops_bridge.desired.job_types import kinds, quantity, typed

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_QUALIFIED = re.compile(
    rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?"
)
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_VARIABLE = re.compile(r"[\x20-\x3c\x3e-\x7e]+")
_PLACEHOLDER = re.compile(
    r"\{[a-z][a-z0-9-]*\}|(bridge-image|model-image|pps-image|drum-image|image-repository"
    r"|datarobot-url)([:@].*)?"
)
_SECRET = re.compile(r"(TOKEN|PASSWORD|PASSWD|SECRET|SECRET_KEY|API_KEY|ACCESS_KEY)$")
_AGAIN_AND_AGAIN = {
    "argocd.argoproj.io/hook": "a hook runs at every sync",
    "argocd.argoproj.io/sync-wave": "a wave makes every sync wait for the build",
    "argocd.argoproj.io/sync-options": "some of them build again at every sync",
    "helm.sh/hook": "Argo CD takes it for a hook, which runs at every sync",
}
_TOP = {"apiVersion", "kind", "metadata", "spec"}
_OWN_METADATA = {"name", "namespace", "labels", "annotations"}


def job_problems(job: Mapping[str, Any]) -> list[str]:
    """Why the manifest must not be committed, with the path of the field each; empty if it may."""
    problems = shape_problems(job)
    # The rules across fields read the manifest as typed; wrong types have been named by then.
    return problems or [*_metadata(job["metadata"]), *_job(job["spec"])]


def shape_problems(job: Mapping[str, Any]) -> list[str]:
    """Unknown and missing fields, wrong types: what Kubernetes' schema for a Job refuses."""
    return list(_shape(job))


def _shape(job: Mapping[str, Any]) -> Iterator[str]:
    known = kinds()
    for field, wanted in (("apiVersion", "batch/v1"), ("kind", "Job")):
        if job.get(field) != wanted:
            yield f"{field} is {shown(job.get(field))}, not {wanted}"
    for field in job.keys() - _TOP:
        yield f"{shown(field)} has no place in a Job file"
    yield from typed(job.get("metadata"), "ObjectMeta", "metadata", known)
    yield from typed(job.get("spec"), "JobSpec", "spec", known)


def _metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(metadata.keys() - _OWN_METADATA):
        yield f"metadata.{key} has no place in a Job file"
    for key in ("name", "namespace"):
        if key in metadata or key == "name":
            yield from _matches(_LABEL, metadata.get(key, ""), f"metadata.{key}", "a name")
    yield from _described(metadata, "metadata")
    for key, reason in _AGAIN_AND_AGAIN.items():
        if key in metadata.get("annotations", {}):
            yield f"metadata.annotations {key}: {reason}"
    for key, value in metadata.get("annotations", {}).items():
        if _PLACEHOLDER.fullmatch(value):
            yield f"metadata.annotations {key} is still the placeholder {value}"


def _described(metadata: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in metadata.get("labels", {}).items():
        yield from _matches(_QUALIFIED, key, f"{path}.labels key", "a label's name")
        yield from _matches(_VALUE, value, f"{path}.labels {key}", "a label's value")
    for key in metadata.get("annotations", {}):
        yield from _matches(_QUALIFIED, key, f"{path}.annotations key", "an annotation's name")


def _matches(pattern: re.Pattern[str], value: str, path: str, what: str) -> Iterator[str]:
    if not pattern.fullmatch(value):
        yield f"{path} is {shown(value)}, which cannot be {what}"


def _job(spec: Mapping[str, Any]) -> Iterator[str]:
    if "ttlSecondsAfterFinished" in spec:
        yield "spec.ttlSecondsAfterFinished: Argo CD would build again once the Job is gone"
    for key in ("selector", "manualSelector"):
        if key in spec:
            yield f"spec.{key} is for Kubernetes to set"
    template = spec["template"]
    yield from _described(template.get("metadata", {}), "spec.template.metadata")
    pod = template.get("spec")
    if pod is None:
        yield "spec.template.spec is missing"
        return
    yield from _pod(pod)
    if "podFailurePolicy" in spec:
        names = {container["name"] for _, container in _containers(pod)}
        yield from _failure_policy(spec, names)


def _containers(pod: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (f"spec.template.spec.{field}[{index}]", container)
        for field in ("initContainers", "containers")
        for index, container in enumerate(pod.get(field, []))
    ]


def _failure_policy(spec: Mapping[str, Any], containers: set[str]) -> Iterator[str]:
    if spec.get("podReplacementPolicy", "Failed") != "Failed":
        yield "spec.podReplacementPolicy must be Failed beside a podFailurePolicy"
    for index, rule in enumerate(spec["podFailurePolicy"]["rules"]):
        path = f"spec.podFailurePolicy.rules[{index}]"
        if ("onExitCodes" in rule) == ("onPodConditions" in rule):
            yield f"{path} needs onExitCodes or onPodConditions, one of them"
        codes = rule.get("onExitCodes", {})
        if not containers.issuperset(codes.get("containerName", "").split()):
            yield f"{path}.onExitCodes.containerName {codes['containerName']} is no container"
        values = codes.get("values", [1])
        if (
            not values
            or values != sorted(set(values))
            or (codes.get("operator") == "In" and 0 in values)
        ):
            yield f"{path}.onExitCodes.values {values}: other codes than 0, each once, in order"


def _pod(pod: Mapping[str, Any]) -> Iterator[str]:
    path = "spec.template.spec"
    if pod.get("restartPolicy") != "Never":
        yield f"{path}.restartPolicy must be Never"
    if not pod["containers"]:
        yield f"{path}.containers is empty"
    names = [container["name"] for _, container in _containers(pod)]
    yield from _twice(names, f"{path} containers")
    volumes = [volume["name"] for volume in pod.get("volumes", [])]
    yield from _twice(volumes, f"{path}.volumes")
    for index, volume in enumerate(pod.get("volumes", [])):
        yield from _matches(_LABEL, volume["name"], f"{path}.volumes[{index}].name", "a name")
        if len(volume) != 2:
            yield f"{path}.volumes: {volume['name']} has {len(volume) - 1} sources, not one"
    mounted = set()
    for where, container in _containers(pod):
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        for name in sorted(mounts - set(volumes)):
            yield f"{where}.volumeMounts: there is no volume {name}"
        mounted |= mounts
        yield from _container(container, where, pod.get("securityContext", {}))
    for name in sorted(set(volumes) - mounted):
        yield f"{path}.volumes: {name} is mounted nowhere; components/append comes first"


def _twice(names: list[str], path: str) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{path}: {name} is there twice"


def _container(
    container: Mapping[str, Any], path: str, pod_security: Mapping[str, Any]
) -> Iterator[str]:
    yield from _matches(_LABEL, container["name"], f"{path}.name", "a name")
    image = container.get("image", "")
    if _PLACEHOLDER.fullmatch(image):
        yield f"{path}.image is still the placeholder {image}"
    yield from _matches(IMAGE, image, f"{path}.image", "an image")
    for argument in (*container.get("command", []), *container.get("args", [])):
        if _PLACEHOLDER.search(argument) and ("{" in argument or _PLACEHOLDER.fullmatch(argument)):
            yield f"{path}.args: {argument} still holds a placeholder"
    paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
    yield from _twice(paths, f"{path}.volumeMounts")
    for mount_path in paths:
        if not mount_path.startswith("/") or ":" in mount_path:
            yield f"{path}.volumeMounts: {shown(mount_path)} is no absolute path"
    yield from _environment(container.get("env", []), path)
    yield from _resources(container.get("resources", {}), f"{path}.resources")
    security = {**pod_security, **container.get("securityContext", {})}
    if security.get("runAsNonRoot") and security.get("runAsUser") == 0:
        yield f"{path}.securityContext: runAsNonRoot and runAsUser 0 exclude each other"


def _environment(variables: list[Mapping[str, Any]], path: str) -> Iterator[str]:
    yield from _twice([variable["name"] for variable in variables], f"{path}.env")
    for variable in variables:
        where = f"{path}.env {variable['name']}"
        yield from _matches(_VARIABLE, variable["name"], f"{path}.env", "a variable's name")
        if "valueFrom" in variable and variable.get("value"):
            yield f"{where} has both value and valueFrom"
        if "valueFrom" in variable and len(variable["valueFrom"]) != 1:
            yield f"{where}.valueFrom needs one source"
        if variable.get("value") and _SECRET.search(variable["name"].upper()):
            yield f"{where} is a secret in clear: refer to it with valueFrom.secretKeyRef"


def _resources(resources: Mapping[str, Any], path: str) -> Iterator[str]:
    amounts = {
        field: {key: quantity(value) for key, value in resources.get(field, {}).items()}
        for field in ("requests", "limits")
    }
    for field, found in amounts.items():
        for key, amount in found.items():
            yield from _matches(_QUALIFIED, key, f"{path}.{field}", "a resource")
            if amount is not None and amount < 0:
                yield f"{path}.{field}.{key} is negative"
    for key, amount in amounts["requests"].items():
        limit = amounts["limits"].get(key)
        if amount is not None and limit is not None and amount > limit:
            yield f"{path}: requests of {key} are more than its limit"
