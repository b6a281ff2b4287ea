"""What people ask from the command line: the history of a deployment, a rollback, a release.

A rollback writes an earlier `model/` as a fresh commit, because reverting an old commit beneath a
newer one conflicts. It counts as a person's decision, so a replay of the action it undoes is held;
a release puts DataRobot's last word back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gitops_bridge.actions import is_id, shown
from gitops_bridge.config import Environment
from gitops_bridge.controller import builds, environments, gate, reviews
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.known import folder, known, look, seen, vouched_for
from gitops_bridge.controller.policy import Ready, reviewed
from gitops_bridge.controller.reviews import Review
from gitops_bridge.controller.rollouts import Look, Plan, Planned, prove
from gitops_bridge.controller.sources import Reader
from gitops_bridge.desired import messages
from gitops_bridge.desired.history import told
from gitops_bridge.desired.record import Record
from gitops_bridge.desired.rollout import MODEL, Change, Known, Rollout
from gitops_bridge.errors import BridgeError, RegistryError, RequestError
from gitops_bridge.git import Commit, Edit, Repository, Signature, Snapshot


@dataclass(frozen=True)
class Entry:
    """One line of a deployment's history. `time` is in seconds since the epoch."""

    commit: str
    time: int
    author: str
    subject: str
    record: Record | None
    ours: bool


def find(ctx: Context, snapshot: Snapshot, deployment: str, named: str | None) -> Environment:
    """The environment a deployment is in, or was last. Raises RequestError when that is unclear."""
    named_so = [item for item in ctx.config.environments if named in (None, item.name)]
    if not named_so:
        known_names = ", ".join(item.name for item in ctx.config.environments)
        raise RequestError(f"there is no environment {named!r}", hint=f"one of {known_names}")
    if not is_id(deployment):
        raise _unknown(deployment)
    homes = [item for item in named_so if snapshot.id(folder(item.name, deployment))]
    homes = homes or [
        item
        for item in named_so
        if next(iter(ctx.repository.log(snapshot.commit, folder(item.name, deployment))), None)
    ]
    if len(homes) == 1:
        return homes[0]
    if homes:
        names = ", ".join(item.name for item in homes)
        raise RequestError(f"{deployment} is in {names}", hint="say which one: --environment")
    raise _unknown(deployment)


def _unknown(deployment: str) -> RequestError:
    return RequestError(
        f"Git knows no deployment {shown(deployment)}", hint="the id as in DataRobot, 24 characters"
    )


def history(ctx: Context, deployment: str, environment: str | None) -> Iterator[Entry]:
    """The commits that changed what a deployment runs, newest first."""
    snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=True)
    home = folder(find(ctx, snapshot, deployment, environment).name, deployment)
    yield from entries(ctx.repository, snapshot.commit, home)


def entries(repository: Repository, commit: str, home: str) -> Iterator[Entry]:
    """The commits up to `commit` that changed `model/` in the folder `home`, newest first."""
    touches = repository.log(commit, f"{home}/model")
    vouched = vouched_for(repository, commit, home)
    looks = [look(repository, touch, home, vouched) for touch in touches]
    deployment = home.rpartition("/")[2]
    for index, (touch, left) in enumerate(zip(touches, looks, strict=True)):
        story = told(looks[index:], deployment)
        yield Entry(
            commit=touch.id,
            time=touch.time,
            author=touch.author.name,
            subject=touch.message.split("\n", 1)[0],
            record=left.record,
            ours=story.last is not None and story.last.commit == touch.id,
        )


def rollback(
    ctx: Context, deployment: str, environment: str | None, to: str | None, by: Signature
) -> Callable[[Snapshot], Planned]:
    """The planning of a rollback to the state of commit `to`, or to the model before this one."""

    def plan(snapshot: Snapshot) -> Planned:
        where = find(ctx, snapshot, deployment, environment)
        home = folder(where.name, deployment)
        found = known(ctx.repository, snapshot, home, deployment)
        source = _resolved(ctx, snapshot, to) if to else _earlier(ctx, snapshot, home, found)
        return _rolled_back(ctx, snapshot, where, deployment, source, by, found)

    return plan


def rollback_plan(
    ctx: Context, environment: Environment, deployment: str, source: str, by: Signature
) -> Plan:
    """The planning of a rollback that was proposed before, to be looked at again."""

    def plan(snapshot: Snapshot, found: Known | None = None) -> Look:
        home = folder(environment.name, deployment)
        found = found or known(ctx.repository, snapshot, home, deployment)
        return Look(_rolled_back(ctx, snapshot, environment, deployment, source, by, found), found)

    return plan


def _rolled_back(
    ctx: Context,
    snapshot: Snapshot,
    where: Environment,
    deployment: str,
    source: str,
    by: Signature,
    found: Known,
) -> Planned:
    home = folder(where.name, deployment)
    earlier = ctx.repository.at(source).files(f"{home}/model")
    if not earlier:
        raise RequestError(
            f"{deployment} was not there at {source[:12]}",
            hint=f"gitops-bridge history {deployment} lists where it was",
        )
    files = found.rewritten({f"{MODEL}{path}": content for path, content in earlier.items()})
    files = _obtainable(ctx, files, deployment, source)
    after = _record(files)
    rollout = Rollout(Change.ROLLBACK, files, found.record(), after)
    message = messages.restored(Change.ROLLBACK, deployment, where.name, after, source)
    return prove(ctx, Reader(snapshot), home, found, rollout, message, {}, by)


def _obtainable(
    ctx: Context, files: Mapping[str, bytes | None], deployment: str, source: str
) -> dict[str, bytes | None]:
    """The files of an earlier state, with the digest that the registry has for their image now.
    Raises RegistryError when it has none: what no node can pull is not delivered."""
    record = _record(files)
    image = gate.parsed(record.image) if record else None
    if image is None:
        return dict(files)
    there = gate.found_again(ctx, image)
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
        path: content.replace(old.encode(), new.encode())
        if content and path.startswith(MODEL)
        else content
        for path, content in files.items()
    }


def _record(files: Mapping[str, bytes | None]) -> Record | None:
    return Known({path: item for path, item in files.items() if item is not None}).record()


def rebuild(ctx: Context, deployment: str, environment: str | None, to: str | None) -> str:
    """Have the image of an earlier state built once more: the path of the Job on `builds`.

    Raises RequestError when the environment would build another image by now.
    """
    snapshot = ctx.repository.snapshot(ctx.config.repository.branch, fetch=True)
    where = find(ctx, snapshot, deployment, environment)
    home = folder(where.name, deployment)
    found = known(ctx.repository, snapshot, home, deployment)
    source = _resolved(ctx, snapshot, to) if to else _earlier(ctx, snapshot, home, found)
    record = Known(ctx.repository.at(source).files(home)).record()
    facts = environments.facts(Reader(snapshot), where.name, ctx.kustomize)
    build = builds.wanted(where.name, facts.builder, record.model) if record else None
    if record is None or build is None or record.image.partition("@")[0] != str(build.image):
        raise RequestError(
            f"the image of {deployment} at {source[:12]} cannot be built again: "
            "its record is gone, or the environment builds other images by now",
            hint="replace the model by that one in DataRobot",
        )
    return builds.order(ctx, build, again=True)


def release(
    ctx: Context, deployment: str, environment: str | None
) -> Callable[[Snapshot], Planned]:
    """The planning of DataRobot's last delivery put back over what a person committed since."""

    def plan(snapshot: Snapshot) -> Planned:
        where = find(ctx, snapshot, deployment, environment)
        home = folder(where.name, deployment)
        found = known(ctx.repository, snapshot, home, deployment)
        word = found.last_word
        if word is None or found.moved is None:
            raise RequestError(
                f"nothing is held: {deployment} is as it was last delivered",
                hint=f"gitops-bridge history {deployment} tells its rollouts",
            )
        delivered = ctx.repository.at(word.commit).files(home) if word.record else {}
        files = _obtainable(ctx, _released(found, delivered), deployment, word.commit)
        record = Known(delivered).record()
        rollout = Rollout(Change.RELEASE, files, found.record(), record)
        message = messages.restored(Change.RELEASE, deployment, where.name, record, word.commit)
        return prove(ctx, Reader(snapshot), home, found, rollout, message, {})

    return plan


def _released(found: Known, delivered: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """Only `model/` is ours to put back; of people's files those that are missing. A delivery that
    was a stop left nothing, so everything goes."""
    if not delivered:
        return dict.fromkeys(found.files)
    files: dict[str, bytes | None] = dict.fromkeys(
        path for path in found.files if path.startswith(MODEL)
    )
    files.update(
        (path, content)
        for path, content in delivered.items()
        if path.startswith(MODEL) or not found.present
    )
    return files


def carried_out(ctx: Context, plan: Callable[[Snapshot], Planned]) -> Commit | Review:
    """Deliver what `plan` makes of each fresh snapshot, or have it reviewed, as the policy wants.
    Raises BridgeError when it cannot be."""
    is_reviewed = reviewed(ctx)

    def edit(snapshot: Snapshot) -> Edit | Ready | BridgeError:
        planned = plan(snapshot)
        if planned.changes_nothing or not is_reviewed(planned):
            return planned.edit
        deployment = planned.home.rpartition("/")[2]
        found = known(ctx.repository, snapshot, planned.home, deployment)
        return Ready(snapshot, planned, Look(planned, found))

    result = ctx.repository.deliver(ctx.config.repository.branch, edit)
    if isinstance(result, Commit):
        return result
    if isinstance(result, Ready):
        _, name, deployment = result.planned.home.split("/")
        where = next(item for item in ctx.config.environments if item.name == name)
        return reviews.submit(ctx, where, deployment, result)
    raise RequestError("nothing to do: Git holds this already", hint="gitops-bridge history")


def _resolved(ctx: Context, snapshot: Snapshot, to: str) -> str:
    commit = ctx.repository.resolve(to, snapshot.commit)
    if commit is None:
        raise RequestError(
            f"{to!r} is no commit on {snapshot.branch}", hint="an id from gitops-bridge history"
        )
    return commit


def _earlier(ctx: Context, snapshot: Snapshot, home: str, found: Known) -> str:
    """The newest commit at which another model served."""
    now = found.record()
    for left in seen(ctx.repository, snapshot.commit, home):
        if left.record and (now is None or left.record.model.id != now.model.id):
            return left.commit
    raise RequestError(
        f"{home} has had no other model", hint="name the state to go back to: --to COMMIT"
    )
