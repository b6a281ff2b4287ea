"""Which image a rollout runs, and the Job on the branch `builds` that makes it.

`rollouts` asks `wanted`, `stages` has it built with `order`, `reconcile` clears away with
`collect`. A Job file is written once: what became of it, the registry tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gitops_bridge import documents
from gitops_bridge.actions import Model, Package, Request
from gitops_bridge.controller import proposals
from gitops_bridge.controller.context import Context
from gitops_bridge.desired import build, jobs, messages
from gitops_bridge.desired.overlay import Image
from gitops_bridge.errors import DataRobotError, RequestError
from gitops_bridge.git import Commit, Edit, Snapshot

_TAG = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9._-]*-[0-9a-f]{10}(?![0-9A-Za-z])")


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


def order(ctx: Context, wanted: Build, *, again: bool) -> str:
    """Have the image built: the path of the Job file that stands for it on `builds`.

    A file of any environment that pushes to the same place is enough. With `again`, one that is
    older than the deadline counts as failed: the next attempt takes its place in one commit.
    Nothing is written that was not rendered and checked. Raises RenderError, RepositoryError.
    """
    found: list[str] = []

    def edit(snapshot: Snapshot) -> Edit | None:
        path, written = _job(ctx, snapshot, wanted, again=again)
        found[:] = [path]
        return written

    ctx.repository.deliver(ctx.config.repository.builds_branch, edit, create=True)
    return found[0]


def beside(ctx: Context, wanted: Build) -> Edit | None:
    """What a delivery leans on, for one push of both: that the Job for the image is still where it
    was last seen on `builds`, else the edit that writes it. None when there is no such branch yet.
    Raises RenderError."""
    snapshot = _last_seen(ctx)
    if snapshot is None:
        return None
    path, edit = _job(ctx, snapshot, wanted, again=False)
    return edit or Edit({}, {path: snapshot.id(path)}, "", ctx.author)


def standing(ctx: Context, wanted: Build) -> str | None:
    """The Job file that stands for an image, as the mirror has last seen `builds`."""
    snapshot = _last_seen(ctx)
    if snapshot is None:
        return None
    return next(iter(_pushing_to(wanted.image, snapshot, _attempts(snapshot, wanted))), None)


def _last_seen(ctx: Context) -> Snapshot | None:
    branch = ctx.config.repository.builds_branch
    if ctx.repository.branch(branch) is None:
        return None
    return ctx.repository.snapshot(branch, fetch=False)


def _job(
    ctx: Context, snapshot: Snapshot, wanted: Build, *, again: bool
) -> tuple[str, Edit | None]:
    """The path of the Job file for an image, and the edit that writes it where none stands."""
    attempts = _attempts(snapshot, wanted)
    same = _pushing_to(wanted.image, snapshot, attempts)
    if same and not (again and _overdue(ctx, snapshot, same[0])):
        return same[0], None
    own = f"{wanted.environment}/"
    number = jobs.attempt({*same, *(path for path in attempts if path.startswith(own))}, wanted.key)
    manifest = jobs.job(
        builder=wanted.builder, model=wanted.model, package_id=wanted.package_id,
        key=wanted.key, attempt=number,
    )  # fmt: skip
    path = f"{own}{manifest['metadata']['name']}.yaml"
    message = messages.build(
        wanted.model.id, wanted.package_id, str(wanted.image), own[:-1], number
    )
    return path, Edit(
        changes={**dict.fromkeys(same), path: documents.dump(manifest).encode()},
        guards=_guards(snapshot, wanted, {path, *same}),
        message=ctx.message(message, ctx.author),
        author=ctx.author,
    )


def _files(snapshot: Snapshot) -> list[str]:
    """The paths of all files one folder deep."""
    return [
        f"{folder}/{name}"
        for folder in _folders(snapshot)
        for name, (kind, _) in snapshot.entries(folder).items()
        if kind == "blob"
    ]


def _folders(snapshot: Snapshot) -> list[str]:
    return [name for name, (kind, _) in snapshot.entries("").items() if kind == "tree"]


def _attempts(snapshot: Snapshot, wanted: Build) -> list[str]:
    """The files that build from this key, the latest attempt first."""
    prefix = jobs.prefix(wanted.package_id)
    found = [
        f"{folder}/{name}"
        for folder in _folders(snapshot)
        for name in snapshot.entries(folder, prefix)
    ]
    return jobs.builds_of(wanted.key, found)


def _pushing_to(image: Image, snapshot: Snapshot, paths: Iterable[str]) -> list[str]:
    return [path for path in paths if _destination(snapshot, path) == str(image)]


def _destination(snapshot: Snapshot, path: str) -> str | None:
    try:
        manifest = documents.load(snapshot.read(path) or b"")
    except documents.InvalidYaml:
        return None
    return jobs.destination(manifest) if isinstance(manifest, Mapping) else None


def _overdue(ctx: Context, snapshot: Snapshot, path: str) -> bool:
    return age(ctx, snapshot, path) > ctx.config.build.deadline


def age(ctx: Context, snapshot: Snapshot, path: str) -> float:
    """Seconds since the file at `path` was written."""
    (written,) = ctx.repository.log(snapshot.commit, path, limit=1)
    return ctx.clock() - written.time


def _guards(snapshot: Snapshot, wanted: Build, paths: set[str]) -> dict[str, str | None]:
    """What was looked at: the files themselves, and the first attempt's name in every folder."""
    first = jobs.job_name(key=wanted.key, package_id=wanted.package_id)
    looked = paths | {f"{folder}/{first}.yaml" for folder in _folders(snapshot)}
    return {path: snapshot.id(path) for path in sorted(looked)}


def collect(ctx: Context) -> Commit | None:
    """Remove the Jobs that nothing needs any more, in one commit of its own; None if there is none.

    What an overlay on main or a proposal names stays, the last of each environment, and whatever
    is younger than a build may take.
    """
    branch = ctx.config.repository.builds_branch
    ctx.repository.fetch()
    if ctx.repository.branch(branch) is None:
        return None

    def edit(snapshot: Snapshot) -> Edit | None:
        ages = _ages(ctx, snapshot)
        oldest_first = sorted(ages, key=lambda path: (-ages[path], path))
        gone = [
            path
            for path in jobs.garbage(oldest_first, _named(ctx), ctx.config.build.keep)
            if ages[path] > ctx.config.build.deadline
        ]
        if not gone:
            return None
        return Edit(
            changes=dict.fromkeys(gone),
            guards={path: snapshot.id(path) for path in gone},
            message=ctx.message(messages.collected(gone), ctx.author),
            author=ctx.author,
        )

    result = ctx.repository.deliver(branch, edit)
    return result if isinstance(result, Commit) else None


def _ages(ctx: Context, snapshot: Snapshot) -> dict[str, float]:
    """Seconds since each file of the branch was written, from one walk through its history."""
    missing = set(_files(snapshot))
    found: dict[str, float] = {}
    for commit in ctx.repository.log(snapshot.commit):
        if not missing:
            break
        for path in missing.intersection(ctx.repository.changed(commit.id)):
            found[path] = ctx.clock() - commit.time
            missing.discard(path)
    return found


def _named(ctx: Context) -> list[Image]:
    """Every tag of ours that an overlay on main or on a proposal's branch names anywhere, also
    where a person wrote it: too many only keep a file longer."""
    main = ctx.repository.snapshot(ctx.config.repository.branch, fetch=False)
    sources = [(main, f"overlays/{name}") for name in main.entries("overlays")]
    for proposal in proposals.all_of(ctx):
        home = f"overlays/{proposal.environment}/{proposal.deployment}"
        sources.append((ctx.repository.at(proposal.commit), home))
    tags = {
        tag.decode()
        for snapshot, folder in sources
        for content in snapshot.files(folder).values()
        for tag in _TAG.findall(content)
    }
    return [Image("", tag) for tag in sorted(tags)]
