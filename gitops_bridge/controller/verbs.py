"""What people ask from the command line: a release, a hold, a rollback, a look at what waits."""

from __future__ import annotations

from collections.abc import Iterator

from gitops_bridge.actions import is_id, shown
from gitops_bridge.config import Environment
from gitops_bridge.controller import looking, rollbacks
from gitops_bridge.controller.context import Context
from gitops_bridge.controller.loop import Loop, Result
from gitops_bridge.controller.observing import Ask, Target, stand
from gitops_bridge.desired.markdown import code
from gitops_bridge.errors import BridgeError, RequestError
from gitops_bridge.git import Signature
from gitops_bridge.rollout.observed import Cause
from gitops_bridge.rollout.situations import Situation
from gitops_bridge.rollout.state import Who, Wish

_ROLLBACKS = (Situation.ROLLED_BACK, Situation.ASKED_REVIEW, Situation.ASKED_BLOCKED)


def target(ctx: Context, deployment: str, named: str | None) -> Target:
    """The deployment in the environment it is in, or was last, after a fetch. Raises RequestError
    when that is unclear."""
    ctx.repository.fetch()
    targets = [Target(where, deployment) for where in environments(ctx, named)]
    if not is_id(deployment):
        raise _unknown(deployment)
    found = [item for item in targets if _is_there(ctx, item)]
    found = found or [item for item in targets if _was_there(ctx, item)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(item.environment.name for item in found)
        raise RequestError(f"{deployment} is in {names}", hint="say which one: --environment")
    raise _unknown(deployment)


def environments(ctx: Context, named: str | None) -> list[Environment]:
    """The environment of that name, or all. Raises RequestError when there is none."""
    found = [item for item in ctx.config.environments if named in (None, item.name)]
    if not found:
        known = ", ".join(item.name for item in ctx.config.environments)
        raise RequestError(f"there is no environment {named!r}", hint=f"one of {known}")
    return found


def _is_there(ctx: Context, target: Target) -> bool:
    found = stand(ctx, target)
    return bool(found.files) or found.state_id is not None


def _was_there(ctx: Context, target: Target) -> bool:
    head = stand(ctx, target).main.commit
    return bool(ctx.repository.log(head, target.home, limit=1))


def _unknown(deployment: str) -> RequestError:
    return RequestError(
        f"Git knows no deployment {shown(deployment)}", hint="the id as in DataRobot, 24 characters"
    )


def release(ctx: Context, target: Target, by: Signature) -> Result:
    """Let what is held, was rejected or was undone go ahead. Raises RequestError when there is
    nothing of that kind."""
    loop = Loop(ctx, target, fresh=True)
    loop.run()  # so that what has happened meanwhile is known
    result = loop.run(Ask(Cause.RELEASE, by=_who(by)))
    if not result.was(Situation.RELEASED, Situation.LIFTED):
        raise RequestError(
            f"nothing is held: {target.deployment} is as it was last delivered",
            hint=f"gitops-bridge history {target.deployment} tells its rollouts",
        )
    return result


def hold(ctx: Context, target: Target, by: Signature, reason: str) -> Result:
    """Let nothing go ahead until somebody releases it; told on an open pull request, too."""
    result = Loop(ctx, target, fresh=True).run(Ask(Cause.HOLD, by=_who(by), reason=reason))
    if result.state.review is not None:
        pull = ctx.pulls().look(target.branch)
        if pull is not None and pull.state == "open":
            why = f": {code(reason, 500)}" if reason else ""
            ctx.forge().comment(pull, f"Held by {code(by.name, 80)}{why}. Please do not merge.\n")
    return result


def way_back(ctx: Context, target: Target, to: str | None) -> rollbacks.Way:
    """Where a rollback would lead, from which model to which. Raises RequestError when there is
    nothing to go back to."""
    return rollbacks.way(ctx, stand(ctx, target).main, target.home, to)


def rollback(ctx: Context, target: Target, to: str | None, by: Signature) -> Result:
    """Bring back the state of commit `to`, or the model before this one. Raises RequestError when
    main holds that already."""
    wish = Wish(rollback_to=way_back(ctx, target, to).commit, by=_who(by))
    result = Loop(ctx, target, fresh=True).run(Ask(Cause.ASKED, wish))
    if not result.was(*_ROLLBACKS):
        raise RequestError("nothing to do: Git holds this already", hint="gitops-bridge history")
    return result


def rebuild(ctx: Context, target: Target, to: str | None) -> str:
    """Have the image of an earlier state built once more: the path of the Job on `builds`."""
    source = way_back(ctx, target, to).commit
    main = stand(ctx, target).main
    return rollbacks.rebuild(ctx, target.environment, main, target.home, source)


def reconcile(
    ctx: Context, deployment: str | None, environment: str | None
) -> Iterator[tuple[Target, Result | BridgeError]]:
    """Take every rollout that waits, or the one, as far as it goes."""
    ctx.repository.fetch()
    until = ctx.monotonic() + ctx.config.actions.budget
    settings = ctx.config.repository
    main = ctx.repository.tree_reader(settings.branch, fetch=False)
    rollouts = ctx.repository.reader_of_last_seen(settings.rollouts_branch)
    for where in environments(ctx, environment):
        unsettled = ctx.listing.unsettled(main, rollouts, where.name)
        due = unsettled if deployment is None else unsettled & {deployment}
        yield from looking.look(ctx, where, due, until=until)


def _who(by: Signature) -> Who:
    return Who(by.name, by.email)
