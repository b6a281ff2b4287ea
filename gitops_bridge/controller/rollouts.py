"""One Request to one commit: look, decide, prove, deliver.

`stages` (an action), `waiting` and `gitops-bridge plan` run the same planning, which is run anew on
every fresh snapshot until its commit is on the branch or there is nothing to commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from gitops_bridge.actions import Action, Request
from gitops_bridge.config import Environment
from gitops_bridge.controller import builds, environments, gate, proposals
from gitops_bridge.controller.builds import Build
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import asking_newest, folder, known
from gitops_bridge.controller.proposals import Proposal
from gitops_bridge.controller.sources import Reader, Sources
from gitops_bridge.desired import messages, overlay, proof
from gitops_bridge.desired.reach import refuse_reach
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import Hold, Known, Rollout, decide
from gitops_bridge.errors import RenderError
from gitops_bridge.git import Edit, Signature, Snapshot


@dataclass(frozen=True)
class Planned:
    """A proven change of the folder `home` that is not committed yet; the manifests are what each
    side renders to."""

    home: str
    rollout: Rollout
    edit: Edit
    files: Mapping[str, bytes]
    manifests_before: list[proof.Manifest]
    manifests_after: list[proof.Manifest]
    changes_nothing: bool = False
    """Whether the files are those that are there."""


@dataclass(frozen=True)
class Look:
    """What one snapshot made of a request: a change to deliver, a hold, or None when Git holds it.

    `build` is the image's, None where the request needs none; `image` is as the gate saw it;
    `waiting` is the proposal that was there.
    """

    decision: Planned | Hold | None
    known: Known
    build: Build | None = None
    image: overlay.Image | None = None
    waiting: Proposal | None = None


class Plan(Protocol):
    def __call__(self, snapshot: Snapshot, found: Known | None = None) -> Look: ...


def planner(
    ctx: Context,
    request: Request,
    environment: Environment,
    restarts: int | None = None,
) -> Plan:
    """The planning of one request, to be called with each new snapshot, and what is known of the
    deployment there when the caller has looked already.

    The number a relaunch counts up to is taken at the first look and kept, unless `restarts` says
    it: a second look after its own commit arrived finds nothing to do.
    """
    deployment = request.deployment
    if deployment is None:
        raise ValueError(f"{request.action.value} is not about one deployment")
    home = folder(environment.name, deployment.id)
    restart_to = [] if restarts is None else [restarts]
    resolved: list[Request] = []

    def plan(snapshot: Snapshot, found: Known | None = None) -> Look:
        reader = Reader(snapshot)
        if found:
            facts = _facts(ctx, request, environment, reader)
        else:
            with asking_newest(ctx.repository, snapshot, home) as newest:
                facts = _facts(ctx, request, environment, reader)
                found = known(ctx.repository, snapshot, home, deployment.id, newest)
        record = found.record()
        if not restart_to:
            restart_to.append((record.restarts if record else 0) + 1)
        waiting = proposals.find(ctx, environment.name, deployment.id)
        if waiting and not (found.last and proposals.since(ctx, waiting, found.last)):
            found = replace(found, proposed=True)
        if not resolved:
            seen = [item.model for item in (record, waiting and waiting.record) if item]
            resolved.append(builds.with_package(ctx, request, seen))
        wanted = _wanted(ctx, resolved[0], environment, facts, record)
        decision = decide(resolved[0], found, wanted.image, wanted.component, restart_to[0])
        if not isinstance(decision, Rollout):
            return Look(decision, found, wanted.build, wanted.image, waiting)
        message = messages.commit(decision, deployment.id, environment.name)
        planned = prove(ctx, reader, home, found, decision, message, wanted.guards)
        return Look(planned, found, wanted.build, wanted.image, waiting)

    return plan


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
    serving: Record | None,
) -> _Wanted:
    deployment, model = request.deployment, request.model
    if facts is None or deployment is None or model is None:
        return _Wanted(None, lambda _: "", {})
    build = builds.wanted(environment.name, facts.builder, model)
    image = gate.pinned(ctx, build, serving)

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
        )

    return _Wanted(image, component, facts.guards, build)


def prove(
    ctx: Context,
    reader: Reader,
    home: str,
    found: Known,
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
    deployment = home.rpartition("/")[2]
    reasons = proof.moved_outside(rendered_before, rendered_after, deployment)
    if new is not None:
        reasons += proof.problems(
            rendered_after,
            deployment=deployment,
            image=rollout.after.image if rollout.after else "",
            kustomizations=new.kustomizations.values(),
        )
    if reasons:
        raise RenderError(
            f"{home} would not hold, so nothing was committed: " + "; ".join(reasons),
            hint="correct the environment folder or the overlay's kustomization.yaml",
        )
    roots = new.roots if new else {}
    changes = {f"{home}/{path}": content for path, content in rollout.files.items()}
    changes = changes if files else {home: None}
    refuse_reach(changes, home, ctx.config.limits.removals)
    author = by or ctx.author
    edit = Edit(
        changes=changes,
        guards={**guards, **roots, home: reader.tree.id(home)},
        message=ctx.message(message, author),
        author=author,
    )
    same = files == dict(found.files)
    return Planned(home, rollout, edit, files, rendered_before, rendered_after, same)


def _readable(reader: Reader, home: str, files: Mapping[str, bytes]) -> Sources | None:
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
