"""An open pull request whose newer change has no image yet: a draft until it has one.

`reviews` suspends it before its branch moves and resumes it once the image is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops_bridge.controller.context import Context
from gitops_bridge.errors import ForgeError

if TYPE_CHECKING:
    from gitops_bridge.forge import PullRequest

_CLOSED = (
    "A newer request for this deployment has come, and its image is not built yet. Another pull "
    "request is opened once it is.\n"
)


def suspend(ctx: Context, branch: str) -> None:
    """See that nobody merges what the branch is going to hold. Where the provider has no drafts
    the pull request is closed, for another one later. Raises ForgeError with `retry` when the
    provider cannot be asked."""
    pull = ctx.pulls().look(branch)
    if pull is None or pull.state != "open" or pull.draft:
        return
    try:
        pull = ctx.pulls().set_draft(pull, True)
    except ForgeError as error:
        if error.retry:
            raise
    if not pull.draft:
        ctx.forge().close(pull, _CLOSED)
        ctx.pulls().forget(branch)


def is_suspended(ctx: Context, pull: PullRequest) -> bool:
    """Whether it is a draft because we made it one: its title says so."""
    if pull.state != "open" or not pull.draft or ctx.config.pull_request.draft:
        return False
    from gitops_bridge.desired.pull_request import PENDING  # late: few pull requests are drafts

    return pull.title.startswith(PENDING)


def resumed(ctx: Context, pull: PullRequest) -> tuple[PullRequest, tuple[str, ...]]:
    """The pull request as it is then, and what a person has to do where we may not."""
    try:
        return ctx.pulls().set_draft(pull, False), ()
    except ForgeError as error:
        if error.retry:
            raise
        return pull, (f"it has to be marked ready by hand: {error}",)
