"""A commit of a deployment's history to the plan that brings its model back.

An earlier `model/` is written as a fresh commit, because reverting an old commit beneath a newer
one conflicts. It is a person's decision: a replay of the request it undoes is held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitops_bridge.config import Environment
from gitops_bridge.controller import builds, environments, images, movers
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.planning import Plan, prove
from gitops_bridge.controller.sources import Reader
from gitops_bridge.desired import messages
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import MODEL, RECORD, Change, OverlayFiles, Rollout
from gitops_bridge.errors import RegistryError, RequestError
from gitops_bridge.git import Signature, Snapshot
from gitops_bridge.rollout.state import Wish, content


@dataclass(frozen=True)
class Way:
    """From what main holds back to what it held at `commit`; a record is None where there was no
    deployment."""

    commit: str
    before: Record | None
    after: Record | None


def way(ctx: Context, main: Snapshot, home: str, to: str | None) -> Way:
    """The way back to commit `to`, or by default to the model that served before this one first
    did: a model that people have taken back since is not gone back to.

    Raises RequestError when there is none.
    """
    now = OverlayFiles(main.files(home)).record()
    if to is not None:
        commit = ctx.repository.resolve(to, main.commit)
        if commit is None:
            raise RequestError(
                f"{to!r} is not a commit on {main.branch}", hint="an id from gitops-bridge history"
            )
        return Way(commit, now, _record_at(ctx, commit, home))
    found = None
    for touch in movers.touches(ctx.repository, main.commit, f"{home}/model"):
        record = _record_at(ctx, touch.id, home)
        if record is None:
            continue
        if now is not None and record.model.id == now.model.id:
            found = None
        elif found is None:
            found = Way(touch.id, now, record)
            if now is None:
                break
    if found is None:
        raise RequestError(
            f"{home} had no other model before {now.model.id if now else 'it was stopped'}",
            hint="gitops-bridge history lists commits to go back to; name one: --to COMMIT",
        )
    return found


def _record_at(ctx: Context, commit: str, home: str) -> Record | None:
    return OverlayFiles(ctx.repository.at(commit).files(home)).record()


def plan(
    ctx: Context,
    wish: Wish,
    environment: Environment,
    reader: Reader,
    home: str,
    found: OverlayFiles,
) -> Plan:
    """The plan of a rollback. Raises RequestError when the commit has no such deployment,
    RegistryError when its image is gone."""
    deployment = home.rpartition("/")[2]
    earlier = ctx.repository.at(wish.rollback_to).files(f"{home}/model")
    if not earlier:
        raise RequestError(
            f"{deployment} was not there at {wish.rollback_to[:12]}",
            hint=f"gitops-bridge history {deployment} lists where it was",
        )
    files = found.rewritten({f"{MODEL}{path}": text for path, text in earlier.items()})
    files = _obtainable(ctx, files, deployment, wish.rollback_to)
    after = {path: text for path, text in {**found.files, **files}.items() if text is not None}
    if content(after) == content(found.files):
        return Plan(None)
    record = OverlayFiles(after).record()
    rollout = Rollout(Change.ROLLBACK, files, found.record(), record)
    message = messages.rolled_back(deployment, environment.name, record, wish.rollback_to)
    by = Signature(wish.by.name, wish.by.email) if wish.by else None
    return Plan(prove(ctx, reader, home, found, rollout, message, {}, by))


def rebuild(ctx: Context, environment: Environment, main: Snapshot, home: str, source: str) -> str:
    """Have the image of an earlier state built once more: the path of the Job on `builds`.

    Raises RequestError when the environment would build another image by now.
    """
    record = _record_at(ctx, source, home)
    facts = environments.facts(ctx.reader(main), environment.name, ctx.kustomize)
    build = builds.wanted(environment.name, facts.builder, record.model) if record else None
    if record is None or build is None or record.image.partition("@")[0] != str(build.image):
        raise RequestError(
            f"the image of {home.rpartition('/')[2]} at {source[:12]} cannot be built again: "
            "its record is gone, or the environment builds other images by now",
            hint="replace the model by that one in DataRobot",
        )
    ctx.repository.deliver(
        ctx.config.repository.builds_branch,
        lambda _: builds.job_edit(ctx, build, failed=False),
        create=True,
    )
    return builds.standing(ctx, build) or ""


def _obtainable(
    ctx: Context, files: Mapping[str, bytes | None], deployment: str, source: str
) -> dict[str, bytes | None]:
    """The files of an earlier state, with the digest that the registry has for their image now.
    Raises RegistryError when it has none: what no node can pull is not delivered."""
    record = _record(files)
    image = images.parsed(record.image) if record else None
    if image is None:
        return dict(files)
    there = images.found_again(ctx, image)
    if there is None:
        raise RegistryError(
            f"{image} is no longer in the registry, so nothing was committed",
            hint=f"gitops-bridge rollback {deployment} --to {source[:12]} --rebuild has it built; "
            "roll back once it is there",
        )
    old, new = image.digest, there.digest
    if old is None or new is None or old == new:
        return dict(files)
    return {
        path: text.replace(old.encode(), new.encode()) if text and path.startswith(MODEL) else text
        for path, text in files.items()
    }


def _record(files: Mapping[str, bytes | None]) -> Record | None:
    text = files.get(RECORD)
    return OverlayFiles({RECORD: text}).record() if text else None
