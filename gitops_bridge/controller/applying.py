"""A transition and what a look saw, to one push of all branches that it moves."""

from __future__ import annotations

from dataclasses import replace

from gitops_bridge.controller import builds
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.observing import Sight, Target
from gitops_bridge.desired.overlay import Image
from gitops_bridge.git import Edit, Update
from gitops_bridge.rollout import audit, state_file
from gitops_bridge.rollout.effects import Branch, Push
from gitops_bridge.rollout.machine import Transition
from gitops_bridge.rollout.state import Phase, State


def edit(ctx: Context, target: Target, sight: Sight, transition: Transition, push: Push) -> Edit:
    """The edit of the branch `rollouts`, with the commits of the other branches that it needs."""
    state, updates = _with_branch(ctx, target, sight, transition.state, push.branch)
    settings = ctx.config.repository
    prerequisites = {}
    planned = sight.plan.planned if sight.plan else None
    build = sight.plan.build if sight.plan else None
    if push.order and sight.plan and build and sight.plan.image == build.image:
        failed = sight.stand.state.phase is Phase.FAILED
        prerequisites[settings.builds_branch] = builds.job_edit(ctx, build, failed=failed)
    if push.deliver and planned:
        prerequisites[settings.branch] = replace(planned.edit, base=sight.stand.main.commit)
    elif sight.seen.asked:
        prerequisites[settings.branch] = _unmoved(ctx, target, sight)
    message = audit.message(
        sight.stand.state, replace(transition, state=state), environment=target.environment.name,
        deployment=target.deployment, name=_name(sight, state), image=_image(sight),
    )  # fmt: skip
    author = ctx.author
    return Edit(
        changes={target.state_path: state_file.write(state)},
        guards={target.state_path: sight.stand.state_id},
        message=ctx.message(message, author),
        author=author,
        base=sight.stand.rollouts.commit,
        ref_updates=updates,
        prerequisites=prerequisites,
    )


def _unmoved(ctx: Context, target: Target, sight: Sight) -> Edit:
    """That main still holds what the request was judged by: it is newer than that alone."""
    main = sight.stand.main
    return Edit({}, {target.home: main.id(target.home)}, "", ctx.author, base=main.commit)


def _with_branch(
    ctx: Context, target: Target, sight: Sight, state: State, move: Branch
) -> tuple[State, tuple[Update, ...]]:
    """The state with the commit that was written for the proposal's branch, and the branch's move.
    Where the branch stays it has to be where it was seen."""
    head = sight.stand.branch_head or ""
    planned = sight.plan.planned if sight.plan else None
    if move is Branch.PUT and planned and state.review:
        commit = ctx.repository.commit(sight.stand.main, planned.edit).id
        review = replace(state.review, head=commit)
        return replace(state, review=review), (Update(target.branch, head, commit),)
    if move is Branch.DELETE and head:
        return state, (Update(target.branch, head, ""),)
    if head and sight.stand.state.review:
        return state, (Update(target.branch, head, head),)
    return state, ()


def _name(sight: Sight, state: State) -> str:
    wish = sight.seen.asked or state.wish or sight.stand.state.wish or state.answered
    deployment = wish.request.deployment if wish and wish.request else None
    return deployment.name if deployment else ""


def _image(sight: Sight) -> str | None:
    image: Image | None = sight.plan.image if sight.plan else None
    return str(image) if image else None
