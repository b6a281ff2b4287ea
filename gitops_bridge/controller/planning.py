"""A wish and main as it is, to a proven edit: look, decide, render before and after, prove."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from gitops_bridge.actions import Action, Model, Request
from gitops_bridge.config import Environment
from gitops_bridge.controller import builds, environments, images
from gitops_bridge.controller.builds import Build
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.sources import Reader, Sources
from gitops_bridge.desired import messages, overlay, proof
from gitops_bridge.desired.reach import refuse_reach
from gitops_bridge.desired.rollout import COMPONENT, OverlayFiles, Rollout, decide
from gitops_bridge.errors import RenderError
from gitops_bridge.git import Edit, Signature


@dataclass(frozen=True)
class Planned:
    """A proven change of the folder `home` that is not committed yet; the manifests are what each
    side renders to, `files` what the folder would hold."""

    home: str
    rollout: Rollout
    edit: Edit
    files: Mapping[str, bytes]
    manifests_before: list[proof.Manifest]
    manifests_after: list[proof.Manifest]


@dataclass(frozen=True)
class Plan:
    """What carrying out a request comes to: a change, or None when main holds it already; the
    request with its model package; the image's build, None where it needs none; the image as the
    registry shows it."""

    planned: Planned | None
    request: Request | None = None
    build: Build | None = None
    image: overlay.Image | None = None


def plan_request(
    ctx: Context,
    request: Request,
    environment: Environment,
    reader: Reader,
    home: str,
    found: OverlayFiles,
    restarts: int | None,
    known: Iterable[Model],
) -> Plan:
    """Plan a start, stop, replacement or relaunch. Raises BridgeError when it cannot be proven.

    `restarts` is what a relaunch counts up to; `known` models may name the request's package.
    """
    facts = _facts(ctx, request, environment, reader)
    record = found.record()
    request = builds.with_package(ctx, request, [*([record.model] if record else []), *known])
    wanted = _wanted(ctx, request, environment, facts, found)
    target = restarts if restarts is not None else (record.restarts if record else 0) + 1
    decision = decide(request, found, wanted.image, wanted.component, target)
    if decision is None:
        return Plan(None, request, wanted.build, wanted.image)
    message = messages.commit(decision, home.rpartition("/")[2], environment.name)
    planned = prove(ctx, reader, home, found, decision, message, wanted.guards)
    return Plan(planned, request, wanted.build, wanted.image)


@dataclass(frozen=True)
class _Wanted:
    image: overlay.Image | None
    component: Callable[[int], str]
    guards: Mapping[str, str | None]
    build: Build | None = None


def _facts(
    ctx: Context, request: Request, environment: Environment, reader: Reader
) -> environments.Facts | None:
    """What a rollout needs of its environment; a stop needs nothing."""
    if request.action is Action.DEPLOYMENT_STOP:
        environments.require(reader.tree, environment.name)
        return None
    return environments.facts(reader, environment.name, ctx.kustomize)


def _wanted(
    ctx: Context,
    request: Request,
    environment: Environment,
    facts: environments.Facts | None,
    found: OverlayFiles,
) -> _Wanted:
    deployment, model = request.deployment, request.model
    if facts is None or deployment is None or model is None:
        return _Wanted(None, lambda _: "", {})
    build = builds.wanted(environment.name, facts.builder, model)
    image = images.pinned(ctx, build, found.record())

    def component(restarts: int) -> str:
        return overlay.component(
            deployment_id=deployment.id,
            environment_id=request.environment_id,
            model=model,
            scale=request.scale,
            monitoring=request.monitoring,
            image=image,
            seams=facts.seams,
            restarts=restarts,
            before=found.files.get(COMPONENT),
            name=messages.clean(deployment.name),
        )

    return _Wanted(image, component, facts.guards, build)


def prove(
    ctx: Context,
    reader: Reader,
    home: str,
    found: OverlayFiles,
    rollout: Rollout,
    message: str,
    guards: Mapping[str, str | None],
    by: Signature | None = None,
) -> Planned:
    """The edit for a rollout, rendered before and after; `by` is its author when it is not the
    bridge. Raises RenderError listing every reason why it must not be committed."""
    after = {**found.files, **rollout.files}
    files = {path: content for path, content in after.items() if content is not None}
    old = _readable(reader, home, found.files) if found.present else None
    new = reader.sources(home, files) if files else None
    with _rendering(ctx, old, home) as before, _rendering(ctx, new, home) as following:
        rendered_after = following()
        rendered_before = _or_nothing(before)
    _check(home, rollout, rendered_before, rendered_after, new)
    changes = {f"{home}/{path}": content for path, content in rollout.files.items()}
    changes = changes if files else {home: None}
    refuse_reach(changes, home, ctx.config.limits.removals)
    author = by or ctx.author
    roots = new.roots if new else {}
    edit = Edit(
        changes=changes,
        guards={**guards, **roots, home: reader.tree.id(home)},
        message=ctx.message(message, author),
        author=author,
    )
    return Planned(home, rollout, edit, files, rendered_before, rendered_after)


def _check(
    home: str,
    rollout: Rollout,
    before: list[proof.Manifest],
    after: list[proof.Manifest],
    new: Sources | None,
) -> None:
    deployment = home.rpartition("/")[2]
    reasons = proof.moved_outside(before, after, deployment)
    if new is not None:
        reasons += proof.problems(
            after,
            deployment=deployment,
            image=rollout.after.image if rollout.after else "",
            kustomizations=new.kustomizations.values(),
        )
    if reasons:
        raise RenderError(
            f"{home} would not hold, so nothing was committed: " + "; ".join(reasons),
            hint="correct the environment folder or the overlay's kustomization.yaml",
        )


def _readable(reader: Reader, home: str, files: Mapping[str, bytes]) -> Sources | None:
    """What an overlay is built from now; nothing when a person broke it."""
    try:
        return reader.sources(home, files)
    except RenderError:
        return None


@contextmanager
def _rendering(
    ctx: Context, used: Sources | None, home: str
) -> Iterator[Callable[[], list[proof.Manifest]]]:
    """kustomize at work beside the block; what the block gets waits for the manifests."""
    if used is None:
        yield list
        return
    with ctx.kustomize.building(used.files, home) as rendered:
        yield lambda: proof.manifests(rendered(), home)


def _or_nothing(before: Callable[[], list[proof.Manifest]]) -> list[proof.Manifest]:
    """What an overlay renders to now; nothing when a person broke it, for then there is no earlier
    state that the change could disturb."""
    try:
        return before()
    except RenderError:
        return []
