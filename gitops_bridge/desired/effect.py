"""Rendered manifests before and after to what the change does, in a sentence and as a diff.

Reviewers of a pull request see both.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gitops_bridge import documents
from gitops_bridge.desired import proof
from gitops_bridge.desired.messages import clean, enumerated
from gitops_bridge.desired.overlay import at, pod_template

_LISTED = 5


@dataclass(frozen=True)
class Effect:
    """fields    what changes: a kind of field with the names of those of it, each once
    added, removed   names of objects
    restarts     whether a running object's pod template changes
    diff         lines of a unified diff
    capacity     what becomes of the number of Pods where an autoscaler comes or goes, else ""
    """

    fields: tuple[tuple[str, tuple[str, ...]], ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    restarts: bool
    diff: tuple[str, ...]
    capacity: str = ""

    def sentence(self, quote: Callable[[str], str] = str) -> str:
        """What a reviewer may hold the diff against, in one sentence; `quote` is done to names."""
        parts = []
        if self.fields:
            parts.append(f"changes {enumerated([_in_words(*f, quote) for f in self.fields])}")
        if self.added:
            parts.append(f"adds {_named(self.added, quote)}")
        if self.removed:
            parts.append(f"removes {_named(self.removed, quote)}")
        if not parts:
            return "Renders to the same objects as before."
        said = "; ".join(parts)
        ending = "pods are replaced" if self.restarts else "no running pod is replaced"
        sentence = f"{said[0].upper()}{said[1:]}; {ending}."
        return f"{sentence} {self.capacity}" if self.capacity else sentence


def effect(before: Iterable[proof.Manifest], after: Iterable[proof.Manifest]) -> Effect:
    """The effect of going from one rendering to the other."""
    old = {proof.name(item): item for item in before}
    new = {proof.name(item): item for item in after}
    both = sorted(old.keys() & new.keys())
    return Effect(
        fields=tuple(_fields((old[name], new[name]) for name in both)),
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        restarts=any(pod_template(old[name]) != pod_template(new[name]) for name in both),
        diff=tuple(manifest_diff(old.values(), new.values())),
        capacity=capacity(old.values(), new.values()),
    )


def capacity(before: Iterable[proof.Manifest], after: Iterable[proof.Manifest]) -> str:
    """What becomes of the number of Pods where an autoscaler comes, goes or is held at one number;
    "" where nothing of that kind changes."""
    (old, bounds), (new, limits) = _replicas(list(before)), _replicas(list(after))
    if old is None and bounds is None:
        return ""
    if limits is not None and bounds is None:
        low, high = limits
        if new is None:
            return (
                f"Capacity: Kubernetes goes from {old} Pods to 1 until the autoscaler has raised "
                f"it to {low}, because argocd/serving.yaml does not leave the number to it; "
                "gitops-bridge init --upgrade changes that first."
            )
        return f"Capacity: {new} Pods go on, until the autoscaler moves between {low} and {high}."
    if limits is not None and limits != bounds and limits[0] == limits[1]:
        return f"Capacity: the autoscaler goes on and is held at {limits[0]} Pods."
    if bounds is not None and limits is None and new is not None:
        return (
            f"Capacity: the autoscaler goes; what it set last, of {bounds[0]} to {bounds[1]} Pods, "
            f"may stand until somebody scales to {new}."
        )
    return ""


def _replicas(objects: list[proof.Manifest]) -> tuple[Any, tuple[Any, Any] | None]:
    """The number of replicas of the model server, and the bounds of its autoscaler."""
    servers = [item for item in objects if item.get("kind") == "Deployment"]
    scalers = [item for item in objects if item.get("kind") == "HorizontalPodAutoscaler"]
    count = at(servers[0], "spec", "replicas") if servers else None
    if not scalers:
        return count, None
    return count, (at(scalers[0], "spec", "minReplicas"), at(scalers[0], "spec", "maxReplicas"))


def manifest_diff(before: Iterable[proof.Manifest], after: Iterable[proof.Manifest]) -> list[str]:
    """A unified diff of rendered manifests, object by object."""
    old = {proof.name(item): documents.dump(item) for item in before}
    new = {proof.name(item): documents.dump(item) for item in after}
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        lines += text_diff(old.get(name), new.get(name), name)
    return lines


def text_diff(before: str | None, after: str | None, name: str) -> list[str]:
    """A unified diff of one text; None: it is not there."""
    if before == after:
        return []
    return list(
        difflib.unified_diff(
            (before or "").splitlines(),
            (after or "").splitlines(),
            "/dev/null" if before is None else f"a/{name}",
            "/dev/null" if after is None else f"b/{name}",
            lineterm="",
        )
    )


def _fields(
    pairs: Iterable[tuple[proof.Manifest, proof.Manifest]],
) -> Iterator[tuple[str, tuple[str, ...]]]:
    changed: dict[str, dict[str, None]] = {}
    for before, after in pairs:
        old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) != new.get(path):
                kind, key = _kind(path)
                changed.setdefault(kind, {})[key] = None
    for kind in sorted(changed, key=_ORDER.index):
        yield kind, tuple(changed[kind])


_ORDER = ("image", "label", "annotation", "environment variable", "replicas", "field")


def _in_words(kind: str, keys: tuple[str, ...], quote: Callable[[str], str]) -> str:
    if kind == "image":
        return "the image" if len(keys) == 1 else f"{len(keys)} images"
    if kind == "replicas":
        return "the number of replicas"
    return f"{len(keys)} {kind}{'' if len(keys) == 1 else 's'} ({_named(keys, quote)})"


def _kind(path: tuple[str, ...]) -> tuple[str, str]:
    """A leaf's kind and what tells it from others of the kind, wherever it recurs."""
    for parent, kind in (("labels", "label"), ("matchLabels", "label"), ("selector", "label")):
        if len(path) > 1 and path[-2] == parent:
            return kind, path[-1]
    if len(path) > 1 and path[-2] == "annotations":
        return "annotation", path[-1]
    if "env" in path[:-1]:
        return "environment variable", path[path.index("env") + 1]
    if path[-1] == "image":
        return "image", path[-2] if len(path) > 1 else ""
    if path == ("spec", "replicas"):
        return "replicas", ""
    return "field", ".".join(path)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            named = isinstance(inner, dict) and isinstance(inner.get("name"), str)
            yield from _leaves(inner, (*path, inner["name"] if named else str(index)))
    else:
        yield path, value


def _named(names: tuple[str, ...], quote: Callable[[str], str]) -> str:
    more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return enumerated([*(quote(clean(name)) for name in names[:_LISTED]), *more])
