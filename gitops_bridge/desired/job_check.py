"""A Job manifest to the reasons why Kubernetes or Argo CD would refuse it; `desired.jobs` asks.

Argo CD applies a folder of Jobs as one: a manifest that does not parse or that the API server
refuses holds up every other build of the folder, often without a word. So nothing is committed
that has not passed here: the whole of Kubernetes' schema for a Job, its rules across fields that
a builder can break, and what Argo CD would answer by building again and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gitops_bridge.actions import shown
from gitops_bridge.desired.job_schema import KINDS

Kinds = dict[str, dict[str, tuple[str, bool]]]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_QUALIFIED = re.compile(
    rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?"
)
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_VARIABLE = re.compile(r"[\x20-\x3c\x3e-\x7e]+")
_QUANTITY = re.compile(
    r"(?P<number>[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3}|)"
)
_IMAGE = re.compile(
    r"[a-z0-9][A-Za-z0-9.-]*(:[0-9]+(?=/))?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_PLACEHOLDER = re.compile(
    r"\{[a-z][a-z0-9-]*\}|(bridge-image|model-image|pps-image|drum-image|image-repository"
    r"|datarobot-url)(:.*)?"
)
_SECRET = re.compile(r"(TOKEN|PASSWORD|PASSWD|SECRET|SECRET_KEY|API_KEY|ACCESS_KEY)$")
_AGAIN_AND_AGAIN = {
    "argocd.argoproj.io/hook": "a hook runs at every sync",
    "argocd.argoproj.io/sync-wave": "a wave makes every sync wait for the build",
    "argocd.argoproj.io/sync-options": "Replace and Force build again at every sync",
    "helm.sh/hook": "Argo CD takes it for a hook, which runs at every sync",
}
_OWN_METADATA = {"name", "namespace", "labels", "annotations"}
_BITS = {"i": 31, "l": 63}
_POWERS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12"),
    "P": Decimal("1e15"), "E": Decimal("1e18"), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip

# By kind and field. https://kubernetes.io/docs/reference/kubernetes-api/
_WORDS: dict[tuple[str, str], frozenset[str]] = {
    (kind, field): frozenset(words.split())
    for kind, field, words in (
        ("Container", "imagePullPolicy", "Always IfNotPresent Never"),
        ("Container", "restartPolicy", "Always"),
        ("Container", "terminationMessagePolicy", "File FallbackToLogsOnError"),
        ("JobSpec", "completionMode", "NonIndexed Indexed"),
        ("JobSpec", "podReplacementPolicy", "Failed TerminatingOrFailed"),
        ("LabelSelectorRequirement", "operator", "In NotIn Exists DoesNotExist"),
        ("NodeSelectorRequirement", "operator", "In NotIn Exists DoesNotExist Gt Lt"),
        ("PodFailurePolicyOnExitCodesRequirement", "operator", "In NotIn"),
        ("PodFailurePolicyRule", "action", "FailJob Ignore Count"),
        ("PodSpec", "dnsPolicy", "ClusterFirst ClusterFirstWithHostNet Default None"),
        ("PodSpec", "preemptionPolicy", "Never PreemptLowerPriority"),
        ("PodSpec", "restartPolicy", "Never"),
        ("SeccompProfile", "type", "RuntimeDefault Localhost Unconfined"),
        ("Toleration", "effect", "NoSchedule PreferNoSchedule NoExecute"),
        ("Toleration", "operator", "Exists Equal Lt Gt"),
        ("TopologySpreadConstraint", "whenUnsatisfiable", "DoNotSchedule ScheduleAnyway"),
    )
}
_LEAST: dict[tuple[str, str], int] = {
    ("JobSpec", "activeDeadlineSeconds"): 1,
    ("JobSpec", "backoffLimit"): 0,
    ("JobSpec", "completions"): 0,
    ("JobSpec", "parallelism"): 0,
    ("PodSecurityContext", "fsGroup"): 0,
    ("PodSecurityContext", "runAsGroup"): 0,
    ("PodSecurityContext", "runAsUser"): 0,
    ("PodSpec", "activeDeadlineSeconds"): 1,
    ("PodSpec", "terminationGracePeriodSeconds"): 0,
    ("SecurityContext", "runAsGroup"): 0,
    ("SecurityContext", "runAsUser"): 0,
    ("TopologySpreadConstraint", "maxSkew"): 1,
}


def job_problems(job: Mapping[str, Any]) -> list[str]:
    """Why the manifest must not be committed, with the path of the field each; empty if it may."""
    problems = list(_shape(job))
    # The rules across fields read the manifest as typed; wrong types have been named by then.
    return problems or [*_metadata(job["metadata"]), *_job(job["spec"])]


def _shape(job: Mapping[str, Any]) -> Iterator[str]:
    kinds = _kinds()
    for field, wanted in (("apiVersion", "batch/v1"), ("kind", "Job")):
        if job.get(field) != wanted:
            yield f"{field} is {shown(job.get(field))}, not {wanted}"
    for field in sorted(
        str(key) for key in job if key not in {"apiVersion", "kind", "metadata", "spec"}
    ):
        yield f"{field} has no place in a Job file"
    yield from _typed(job.get("metadata"), "ObjectMeta", "metadata", kinds)
    yield from _typed(job.get("spec"), "JobSpec", "spec", kinds)


def _kinds() -> Kinds:
    found: Kinds = {}
    for paragraph in KINDS.replace("\n  ", " ").splitlines():
        name, *fields = paragraph.split(" ")
        typed = (field.partition(":") for field in fields)
        found[name] = {key: (kind.rstrip("!"), kind.endswith("!")) for key, _, kind in typed}
    return found


def _typed(value: object, kind: str, path: str, kinds: Kinds) -> Iterator[str]:
    if kind.endswith("[]"):
        if not isinstance(value, list):
            yield f"{path} is {shown(value)}, not a list"
        else:
            for index, item in enumerate(value):
                yield from _typed(item, kind[:-2], f"{path}[{index}]", kinds)
    elif kind.endswith("{}") or kind in kinds or kind == "o":
        if not isinstance(value, Mapping):
            yield f"{path} is {shown(value)}, not a mapping"
        elif kind in kinds:
            yield from _fields(value, kind, path, kinds)
        elif kind != "o":
            for key, item in value.items():
                if not isinstance(key, str):
                    yield f"{path} has the key {shown(key)}, not text"
                yield from _typed(item, kind[:-2], f"{path}.{key}", kinds)
    elif not _is_scalar(value, kind):
        yield f"{path} is {shown(value)}, not {_SCALARS[kind]}"


def _fields(value: Mapping[Any, object], kind: str, path: str, kinds: Kinds) -> Iterator[str]:
    fields = kinds[kind]
    for key, item in value.items():
        if key not in fields:
            yield f"{path}.{key} is unknown to Kubernetes"
            continue
        problems = list(_typed(item, fields[key][0], f"{path}.{key}", kinds))
        yield from problems or _allowed(item, kind, key, f"{path}.{key}")
    for key, (_, required) in fields.items():
        if required and key not in value:
            yield f"{path}.{key} is missing"


def _allowed(value: Any, kind: str, field: str, path: str) -> Iterator[str]:
    """Containers and init containers share a kind, and so do their rules."""
    words = _WORDS.get((kind, field))
    if words is not None and value not in words:
        yield f"{path} is {shown(value)}, not {' or '.join(sorted(words))}"
    least = _LEAST.get((kind, field))
    if least is not None and value < least:
        yield f"{path} is {value}, less than {least}"


_SCALARS = {
    "s": "text in quotes",
    "b": "true or false",
    "i": "a whole number",
    "l": "a whole number",
    "q": "a quantity such as 500m or 2Gi",
    "x": "a number or text",
}


def _is_scalar(value: object, kind: str) -> bool:
    if kind == "b":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind in _BITS:
        return isinstance(value, int) and -(2 ** _BITS[kind]) <= value < 2 ** _BITS[kind]
    if kind == "q":
        return _quantity(value) is not None
    return isinstance(value, str) or (kind == "x" and isinstance(value, int))


def _quantity(value: object) -> Decimal | None:
    """https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
    found = _QUANTITY.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    if found is None:
        return None
    number, suffix = Decimal(found["number"]), found["suffix"]
    return number * (_POWERS[suffix] if suffix in _POWERS else Decimal(f"1{suffix}"))


def _metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(metadata.keys() - _OWN_METADATA):
        yield f"metadata.{key} has no place in a Job file"
    for key in ("name", "namespace"):
        if key in metadata or key == "name":
            yield from _matches(_LABEL, metadata.get(key, ""), f"metadata.{key}", "a name")
    yield from _described(metadata, "metadata")
    for key, reason in _AGAIN_AND_AGAIN.items():
        if key in (metadata.get("annotations") or {}):
            yield f"metadata.annotations {key}: {reason}"
    for key, value in (metadata.get("annotations") or {}).items():
        if _PLACEHOLDER.fullmatch(value):
            yield f"metadata.annotations {key} is still the placeholder {value}"


def _described(metadata: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in (metadata.get("labels") or {}).items():
        yield from _matches(_QUALIFIED, key, f"{path}.labels key", "a label's name")
        yield from _matches(_VALUE, value, f"{path}.labels {key}", "a label's value")
    for key in metadata.get("annotations") or {}:
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
    yield from _described(template.get("metadata") or {}, "spec.template.metadata")
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
        for index, container in enumerate(pod.get(field) or [])
    ]


def _failure_policy(spec: Mapping[str, Any], containers: set[str]) -> Iterator[str]:
    if spec.get("podReplacementPolicy", "Failed") != "Failed":
        yield "spec.podReplacementPolicy must be Failed beside a podFailurePolicy"
    for index, rule in enumerate(spec["podFailurePolicy"]["rules"]):
        path = f"spec.podFailurePolicy.rules[{index}]"
        if ("onExitCodes" in rule) == ("onPodConditions" in rule):
            yield f"{path} needs onExitCodes or onPodConditions, one of them"
        codes = rule.get("onExitCodes", {})
        if codes.get("containerName", next(iter(containers))) not in containers:
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
    volumes = [volume["name"] for volume in pod.get("volumes") or []]
    yield from _twice(volumes, f"{path}.volumes")
    for index, volume in enumerate(pod.get("volumes") or []):
        yield from _matches(_LABEL, volume["name"], f"{path}.volumes[{index}].name", "a name")
        if len(volume) != 2:
            yield f"{path}.volumes: {volume['name']} has {len(volume) - 1} sources, not one"
    mounted = set()
    for where, container in _containers(pod):
        mounts = {mount["name"] for mount in container.get("volumeMounts") or []}
        for name in sorted(mounts - set(volumes)):
            yield f"{where}.volumeMounts: there is no volume {name}"
        mounted |= mounts
        yield from _container(container, where, pod.get("securityContext") or {})
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
    yield from _matches(_IMAGE, image, f"{path}.image", "an image")
    for argument in (*(container.get("command") or []), *(container.get("args") or [])):
        if _PLACEHOLDER.search(argument) and ("{" in argument or _PLACEHOLDER.fullmatch(argument)):
            yield f"{path}.args: {argument} still holds a placeholder"
    paths = [mount["mountPath"] for mount in container.get("volumeMounts") or []]
    yield from _twice(paths, f"{path}.volumeMounts")
    for mount_path in paths:
        if not mount_path.startswith("/") or ":" in mount_path:
            yield f"{path}.volumeMounts: {shown(mount_path)} is no absolute path"
    yield from _environment(container.get("env") or [], path)
    yield from _resources(container.get("resources") or {}, f"{path}.resources")
    security = {**pod_security, **(container.get("securityContext") or {})}
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
        field: {key: _quantity(value) for key, value in (resources.get(field) or {}).items()}
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
