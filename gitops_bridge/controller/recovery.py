"""Main's history and the proposals' branches to the branch `rollouts`, when that is gone.

The only time that history decides. What waited for an image is not known any more: the agent's next
request for it begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_bridge.actions import Action, Deployment, Request
from gitops_bridge.controller import history, movers
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.observing import Target
from gitops_bridge.desired.deployment_history import HistoryEntry, classify_commits
from gitops_bridge.desired.record import request
from gitops_bridge.desired.rollout import OverlayFiles
from gitops_bridge.git import Edit, Snapshot
from gitops_bridge.rollout import state_file
from gitops_bridge.rollout.state import Phase, Review, State, Wish, content, tree_id

_MESSAGE = """Make the branch of rollouts anew from main's history

It was not there. Whatever a person changed since the last delivery stands.
"""


def ensure(ctx: Context) -> bool:
    """Whether the branch had to be made anew, after a fetch that did not find it."""
    branch = ctx.config.repository.rollouts_branch
    if ctx.repository.branch(branch) is not None:
        return False
    ctx.repository.fetch()
    if ctx.repository.branch(branch) is not None:
        return False
    main = ctx.repository.snapshot(ctx.config.repository.branch, fetch=False)
    files: dict[str, bytes | None] = {
        target.state_path: state_file.write(state) for target, state in _states(ctx, main)
    }
    files["README.md"] = _README
    edit = Edit(files, {"README.md": None}, ctx.message(_MESSAGE, ctx.author), ctx.author, base="")
    ctx.repository.submit(branch, edit)
    return True


_README = b"""# Rollouts

One file for each deployment says where its rollout stands; the history of this branch is the audit
log. gitops-bridge writes it. Nothing syncs it, and nobody needs to edit it.
"""


def _states(ctx: Context, main: Snapshot) -> Iterator[tuple[Target, State]]:
    for environment in ctx.config.environments:
        prefix = f"overlays/{environment.name}/"
        paths = ctx.repository.touched(main.commit, prefix.rstrip("/"))
        names = {path.removeprefix(prefix).split("/")[0] for path in paths}
        for name in sorted(names - {"environment"}):
            target = Target(environment, name)
            state = _moved(ctx, main, target)
            proposed = _proposed(ctx, main, target, state or _delivered(main, target))
            if found := proposed or state:
                yield target, found


def _delivered(main: Snapshot, target: Target) -> State:
    files = main.files(target.home)
    record = OverlayFiles(files).record()
    answered = Wish(request(record)) if record else None
    count = record.rollout if record else 0
    return State(answered=answered, delivered=content(files), tree=tree_id(files), rollouts=count)


def _moved(ctx: Context, main: Snapshot, target: Target) -> State | None:
    """The state of a deployment that people moved since its last delivery; None of any other."""
    touches = movers.touches(ctx.repository, main.commit, f"{target.home}/model")
    looks = (history.look(ctx, touch, target.home) for touch in touches)
    found = classify_commits(looks, target.deployment)
    if found.last is None or not found.moves:
        return None
    files = ctx.repository.at(found.last.commit).files(target.home)
    return State(
        answered=_answered(found.last, target), delivered=content(files), tree=tree_id(files),
        rollouts=found.rollouts,
    )  # fmt: skip


def _answered(last: HistoryEntry, target: Target) -> Wish:
    if last.record:
        return Wish(request(last.record))
    deployment = Deployment(target.deployment, target.deployment)
    return Wish(Request(Action.DEPLOYMENT_STOP, target.environment.id, deployment))


def _proposed(ctx: Context, main: Snapshot, target: Target, state: State) -> State | None:
    """What is under review on the proposal's branch, if that is there and can be read."""
    head = ctx.repository.branch(target.branch)
    if head is None:
        return None
    files = ctx.repository.at(head).files(target.home)
    record = OverlayFiles(files).record()
    base = ctx.repository.merge_base(head, main.commit)
    if record is None or base is None or record.deployment != target.deployment:
        return None
    before = ctx.repository.at(base)
    wish = Wish(request(record))
    review = Review(wish, content(files), head, before.id(target.home), tree=tree_id(files))
    return State(
        Phase.IN_REVIEW, state.answered, state.delivered, state.tree, state.rollouts, wish,
        content(before.files(target.home)), record.image, int(ctx.clock()), review,
    )  # fmt: skip
