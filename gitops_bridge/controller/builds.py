"""A model and its environment's builder, to the image it runs and the Job that makes it.

A Job file on the branch `builds` is written once; the registry tells what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gitops_bridge import documents
from gitops_bridge.actions import Model, Package, Request
from gitops_bridge.config import Gate
from gitops_bridge.controller.context import Context
from gitops_bridge.desired import build, jobs, messages
from gitops_bridge.desired.overlay import Image
from gitops_bridge.errors import DataRobotError, RequestError
from gitops_bridge.git import Edit, Snapshot


@dataclass(frozen=True)
class Build:
    """An image that is to be: `image` has the tag and no digest."""

    environment: str
    builder: build.Builder
    model: Model
    package_id: str
    key: str
    image: Image


def wanted(environment: str, builder: build.Builder, model: Model) -> Build:
    """The build behind a model. Raises RequestError when nothing says in which package it comes,
    RenderError when the environment cannot build it."""
    if model.package is None:
        raise RequestError(
            f"the model package of model {model.id} is not known, so its image can neither be "
            "found nor built",
            hint="use an agent that sends modelPackageDetails, or set datarobot: in "
            "gitops-bridge.yaml so that DataRobot is asked",
        )
    package = model.package.id
    key = build.content_key(model=model, package_id=package, builder=builder)
    image = build.image(builder=builder, package_id=package, key=key)
    return Build(environment, builder, model, package, key, image)


def with_package(ctx: Context, request: Request, known: Iterable[Model]) -> Request:
    """The request with its model's package: its own, else the one that `known` models of this
    deployment name, else DataRobot's answer where it is configured. Raises DataRobotError."""
    model, deployment = request.model, request.deployment
    if model is None or model.package or deployment is None:
        return request
    for other in known:
        if other.package and other.id == model.id:
            return replace(request, model=replace(model, package=other.package))
    client = ctx.datarobot(ctx.config.actions.budget)
    if client is None:
        return request
    try:
        package = Package(client.package_for(deployment.id, model.id))
    except DataRobotError as error:
        error.message = f"the model package of model {model.id} is not known: {error.message}"
        raise
    return replace(request, model=replace(model, package=package))


def job_edit(ctx: Context, build: Build, *, failed: bool) -> Edit:
    """What has the image built: the edit of `builds` that writes its Job or, where one stands, that
    only holds while it does.

    A file of any environment that pushes to the same place is enough. With `failed`, and where the
    image was waited for longer than the deadline, the next attempt takes its place. Raises
    RenderError: nothing is written that was not rendered and checked.
    """
    snapshot = _last_seen(ctx)
    attempts = _attempts(snapshot, build)
    same = _pushing_to(build.image, snapshot, attempts)
    if same and not failed and not _is_overdue(ctx, snapshot, same[0]):
        guards = {same[0]: snapshot.id(same[0])}
        return Edit({}, guards, "", ctx.author, base=snapshot.commit)
    own = f"{build.environment}/"
    number = jobs.attempt({*same, *(path for path in attempts if path.startswith(own))}, build.key)
    manifest = jobs.job(
        builder=build.builder, model=build.model, package_id=build.package_id,
        key=build.key, attempt=number,
    )  # fmt: skip
    path = f"{own}{manifest['metadata']['name']}.yaml"
    message = messages.build(
        build.model.id, build.package_id, str(build.image), build.environment, number
    )
    return Edit(
        changes={**dict.fromkeys(same), path: documents.dump(manifest).encode()},
        guards=_guards(snapshot, build, {path, *same}),
        message=ctx.message(message, ctx.author),
        author=ctx.author,
        base=snapshot.commit,
    )


def standing(ctx: Context, build: Build) -> str | None:
    """The Job file that stands for an image, as the mirror has last seen `builds`."""
    snapshot = _last_seen(ctx)
    return next(iter(_pushing_to(build.image, snapshot, _attempts(snapshot, build))), None)


def job_of(ctx: Context, image: str) -> str | None:
    """The Job file that builds an image, given with its tag, as the mirror has last seen it."""
    package, _, key = image.rpartition(":")[2].rpartition("-")
    snapshot, prefix = _last_seen(ctx), jobs.prefix(package)
    found = [
        f"{folder}/{name}"
        for folder in _folders(snapshot)
        for name in snapshot.entries(folder, prefix)
        if key in name
    ]
    named = Image(*image.rpartition(":")[::2])
    return next(iter(_pushing_to(named, snapshot, sorted(found, reverse=True))), None)


def _last_seen(ctx: Context) -> Snapshot:
    return ctx.repository.last_seen(ctx.config.repository.builds_branch)


def _folders(snapshot: Snapshot) -> list[str]:
    return [name for name, (kind, _) in snapshot.entries("").items() if kind == "tree"]


def _attempts(snapshot: Snapshot, build: Build) -> list[str]:
    """The files that build from this key, the latest attempt first."""
    prefix = jobs.prefix(build.package_id)
    found = [
        f"{folder}/{name}"
        for folder in _folders(snapshot)
        for name in snapshot.entries(folder, prefix)
    ]
    return jobs.builds_of(build.key, found)


def _pushing_to(image: Image, snapshot: Snapshot, paths: Iterable[str]) -> list[str]:
    return [path for path in paths if _destination(snapshot, path) == str(image)]


def _destination(snapshot: Snapshot, path: str) -> str | None:
    try:
        manifest = documents.load(snapshot.read(path) or b"")
    except documents.InvalidYaml:
        return None
    return jobs.destination(manifest) if isinstance(manifest, Mapping) else None


def _is_overdue(ctx: Context, snapshot: Snapshot, path: str) -> bool:
    """Whether the Job at `path` would have made its image by now, where images are waited for."""
    if ctx.config.build.gate is Gate.NONE:
        return False
    (written,) = ctx.repository.log(snapshot.commit, path, limit=1)
    return ctx.clock() - written.time > ctx.config.build.deadline


def _guards(snapshot: Snapshot, build: Build, paths: set[str]) -> dict[str, str | None]:
    """What was looked at: the files themselves, and the first attempt's name in every folder."""
    first = jobs.job_name(key=build.key, package_id=build.package_id)
    looked = paths | {f"{folder}/{first}.yaml" for folder in _folders(snapshot)}
    return {path: snapshot.id(path) for path in sorted(looked)}
