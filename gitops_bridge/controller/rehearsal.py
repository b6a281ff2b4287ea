"""An environment to what would keep a rollout there from being accepted: deployments that nobody
has asked for are made up and proven as real ones are.

So whatever `check`, `doctor` and `init` pass, a start passes too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gitops_bridge import documents
from gitops_bridge.actions import ExecutionType, Model, ModelFormat, Scale
from gitops_bridge.controller import environments
from gitops_bridge.controller.environments import Facts
from gitops_bridge.controller.sources import KUSTOMIZATION, Reader, Sources
from gitops_bridge.desired import jobs, overlay, proof
from gitops_bridge.desired.admission import Rules, outdated
from gitops_bridge.desired.rollout import COMPONENT
from gitops_bridge.desired.targets import Targets
from gitops_bridge.errors import BridgeError
from gitops_bridge.kustomize import Kustomize, warnings

_PROBE = "gitops-bridge-probe"
_MODEL = Model("65a000000000000000000020", ExecutionType.DEDICATED, ModelFormat.PACKAGE)
_MODELS = {
    "dedicated-model": _MODEL,
    "custom-model": replace(_MODEL, execution_type=ExecutionType.CUSTOM, format=None),
    "scoring-code-model": replace(_MODEL, format=ModelFormat.SCORING_CODE),
}
"""By their component in base/; what a repository does not have, nobody starts there."""
_FIXED, _SCALED = Scale(replicas=2), Scale(replicas=2, minimum=2, maximum=4)


@dataclass(frozen=True)
class Rehearsal:
    """`problems`: why a deployment would be refused. `warnings`: why some kinds of them would, such
    as monitored ones, and what kustomize warns of."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def rehearsed(
    reader: Reader, environment: str, kustomize: Kustomize, targets: Targets, rules: Rules
) -> Rehearsal:
    """What the environment's folder, and base/, do to deployments of every kind."""
    try:
        facts = environments.read(reader, environment, kustomize)
        jobs.rehearsed(facts.builder)
        found = [
            _of_deployment(reader, environment, kustomize, targets, rules, facts, *kind)
            for kind in _kinds(reader, environment)
        ]
    except BridgeError as error:
        return Rehearsal((str(error).replace(_PROBE, "environment"),))
    job = facts.builder.job
    problems = [text for item in found for text in item.problems]
    problems += [
        f"{environments.folder(environment)}/builder: {text}"
        for text in rules.of_builder(environment, job)
    ]
    told = [text for item in found for text in item.warnings] + list(outdated(job))
    return Rehearsal(_each_once(problems), _each_once(told))


def _kinds(reader: Reader, environment: str) -> Iterator[tuple[Model, Scale, bool]]:
    """A deployment that uses as little as possible, and one of each model that uses everything."""
    home = environments.folder(environment)
    there = {
        part: reader.tree.id(f"{home}/{part}") is not None for part in ("monitoring", "autoscaling")
    }
    yield _MODEL, _FIXED, False
    for component, model in _MODELS.items():
        if reader.tree.id(f"base/components/{component}") is not None:
            yield model, _SCALED if there["autoscaling"] else _FIXED, there["monitoring"]


def _of_deployment(
    reader: Reader,
    environment: str,
    kustomize: Kustomize,
    targets: Targets,
    rules: Rules,
    facts: Facts,
    model: Model,
    scale: Scale,
    monitored: bool,
) -> Rehearsal:
    home = f"overlays/{environment}/{_PROBE}"
    image = overlay.Image(facts.builder.image_repository, "rehearsal", f"sha256:{'0' * 64}")
    component = overlay.component(
        deployment_id=_PROBE,
        environment_id=rules.ids.get(environment, "65a000000000000000000001"),
        model=model,
        scale=scale,
        monitoring=monitored,
        image=image,
        seams=facts.seams,
        restarts=1,
    )
    own = {KUSTOMIZATION: overlay.seed().encode(), COMPONENT: component.encode()}
    used = reader.sources(home, own)
    text = kustomize.build(used.files, home)
    objects = proof.manifests(text, home)
    found = proof.problems(
        objects,
        deployment=_PROBE,
        image=str(image),
        kustomizations=used.kustomizations.values(),
    )
    unset = [*overlay.unset_monitoring(objects), *overlay.autoscaling_problems(objects)]
    problems = [
        *(item for item in found if item not in unset),
        *rules.of_environment(environment, objects),
        *_of_sources(used, home, targets),
    ]
    return Rehearsal(
        tuple(map(_said, problems)),
        (*(f"would be refused: {_said(item)}" for item in unset), *warnings(text)),
    )


def _said(text: str) -> str:
    return text.replace(f"-{_PROBE}", "").replace(_PROBE, "environment")


def _of_sources(used: Sources, home: str, targets: Targets) -> Iterator[str]:
    if not used.remote:
        yield from targets.missed(home, used.files, used.kustomizations, used.links)
    shared = {path: text for path, text in used.files.items() if not path.startswith(f"{home}/")}
    yield from repeated(shared)


def repeated(files: Mapping[str, bytes]) -> list[str]:
    """The keys that stand twice in one mapping of a YAML file, of which kustomize takes one."""
    return [
        f"{path}: duplicate key {key}: keep one of the two"
        for path, content in files.items()
        if path.endswith((".yaml", ".yml"))
        for key in _twice(content)
    ]


def _twice(content: bytes) -> list[str]:
    try:
        return documents.repeated_keys(content)
    except documents.InvalidYaml:
        return []  # told by whoever reads it as what it should be


def _each_once(texts: list[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
