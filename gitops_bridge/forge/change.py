"""A new text for a pull request that may have ended since it was last seen.

Used by every provider's `update`: no request is spent on looking first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge.model import Proposal, PullRequest

_REFUSALS = frozenset({400, 405, 409, 412, 422})


def ended(
    end: Callable[[], object], look: Callable[[int], PullRequest | None], pull: PullRequest
) -> None:
    """Close a pull request; that it has ended meanwhile, merged or closed, is as good."""
    try:
        end()
    except ForgeError as error:
        found = look(pull.number) if error.status in _REFUSALS else None
        if found is None or found.state == "open":
            raise


def changed(
    write: Callable[[Proposal], PullRequest],
    look: Callable[[int], PullRequest | None],
    pull: PullRequest,
    proposal: Proposal,
) -> PullRequest:
    """The pull request with the proposal's text, or as it has ended with the text it had.

    Some providers refuse to change one that has ended, others do it: there `pull` is put back, for
    what people merged or rejected must not read as something newer.
    """
    try:
        written = write(proposal)
    except ForgeError as error:
        ended = look(pull.number) if error.status in _REFUSALS else None
        if ended is None or ended.state == "open":
            raise
        return ended
    if written.state != "open":
        write(replace(proposal, title=pull.title, body=pull.body, labels=()))
        return look(pull.number) or written
    return written
