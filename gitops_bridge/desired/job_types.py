"""A value to what is wrong with its type, by the table in `desired.job_schema`; `desired.job_check`
asks. Stricter than the API server in one thing: a null is no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gitops_bridge.actions import shown
from gitops_bridge.desired.job_schema import KINDS

Kinds = Mapping[str, Mapping[str, tuple[str, bool]]]
"""Kind to field to its type and whether it is required."""

_QUANTITY = re.compile(
    r"(?P<number>[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,3}|)"
)
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


def kinds() -> Kinds:
    """The table, read."""
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for paragraph in KINDS.replace("\n  ", " ").splitlines():
        name, *fields = paragraph.split(" ")
        parts = (field.partition(":") for field in fields)
        found[name] = {key: (kind.rstrip("!"), kind.endswith("!")) for key, _, kind in parts}
    return found


def typed(value: object, kind: str, path: str, known: Kinds) -> Iterator[str]:
    """What is wrong with `value`, each with the path; nothing when it is of that `kind`."""
    if kind.endswith("[]"):
        if not isinstance(value, list):
            yield f"{path} is {shown(value)}, not a list"
        else:
            for index, item in enumerate(value):
                yield from typed(item, kind[:-2], f"{path}[{index}]", known)
    elif kind.endswith("{}") or kind in known or kind == "o":
        if not isinstance(value, Mapping):
            yield f"{path} is {shown(value)}, not a mapping"
        elif kind in known:
            yield from _fields(value, kind, path, known)
        elif kind != "o":
            for key, item in value.items():
                if not isinstance(key, str):
                    yield f"{path} has the key {shown(key)}, not text"
                yield from typed(item, kind[:-2], f"{path}.{key}", known)
    elif not _is_scalar(value, kind):
        yield f"{path} is {shown(value)}, not {_SCALARS[kind]}"


def _fields(value: Mapping[Any, object], kind: str, path: str, known: Kinds) -> Iterator[str]:
    fields = known[kind]
    for key, item in value.items():
        if key not in fields:
            yield f"{path}.{key} is unknown to Kubernetes"
            continue
        problems = list(typed(item, fields[key][0], f"{path}.{key}", known))
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
        return quantity(value) is not None
    return isinstance(value, str) or (kind == "x" and isinstance(value, int))


def quantity(value: object) -> Decimal | None:
    """https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
    found = _QUANTITY.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    if found is None:
        return None
    number, suffix = Decimal(found["number"]), found["suffix"]
    return number * (_POWERS[suffix] if suffix in _POWERS else Decimal(f"1{suffix}"))
