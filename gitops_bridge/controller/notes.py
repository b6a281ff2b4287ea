"""What must outlive a proposal's branch: one ref each, beside the branches and seen by nobody.

    refs/gitops-bridge/<kind>/<environment>/<deployment>

A server that takes nothing but branches and tags gets `gitops-bridge/_<kind>/…` instead. `reviews`
and `heard` write notes, `known` and `reports` read them. Like a proposal, a note is moved by
compare-and-swap on what the mirror last saw.
"""

from __future__ import annotations

from enum import Enum

from gitops_bridge.errors import PushRejected
from gitops_bridge.git import Repository, Update

HIDDEN, PLAIN = "refs/gitops-bridge/", "gitops-bridge/_"
"""Where notes lie: refs, else branches. No environment's name starts with `_`."""


class Note(str, Enum):
    """PROPOSED    the commit under review that we wrote last; gone once its review has ended
    REJECTED    that commit with one more on top that says who closed the pull request, and why
    DELIVERED   the commit of main that brought a proposal there without saying so in trailers
    WARNED      the commit on the branch that people were told of on the pull request
    QUEUED      what was asked since the branch is not ours to write: the proposal that is next
    ANSWERED    the last action that found main holding what it asked for (see `heard`)"""

    PROPOSED = "proposed"
    REJECTED = "rejected"
    DELIVERED = "delivered"
    WARNED = "warned"
    QUEUED = "queued"
    ANSWERED = "answered"


def name(note: Note, environment: str, deployment: str, home: str = HIDDEN) -> str:
    return f"{home}{note.value}/{environment}/{deployment}"


def find(repository: Repository, note: Note, environment: str, deployment: str) -> str | None:
    """The commit of a note as the mirror has last seen it."""
    found = _standing(repository, note, environment, deployment)
    return found[1] if found else None


def all_of(repository: Repository, note: Note, environment: str) -> dict[str, str]:
    """The notes of one kind in an environment: deployment -> commit."""
    listed: dict[str, str] = {}
    for home in (HIDDEN, PLAIN):
        prefix = name(note, environment, "", home)
        found = repository.branches(prefix, fetch=False)
        listed |= {ref.removeprefix(prefix): commit for ref, commit in found.items()}
    return listed


def put(repository: Repository, note: Note, environment: str, deployment: str, commit: str) -> None:
    """Let the note say `commit`. Raises StaleBase when it is no longer what the mirror saw,
    PushRejected where the server takes it in neither place."""
    ref, before = _place(repository, note, environment, deployment)
    if before == commit:
        return
    wanted = repository.commit_of(commit)
    try:
        repository.replace_branch(ref, wanted, before)
    except PushRejected:
        if ref.startswith(PLAIN):
            raise
        plain = name(note, environment, deployment, PLAIN)
        repository.replace_branch(plain, wanted, None)


def drop(repository: Repository, note: Note, environment: str, deployment: str) -> None:
    """Remove the note, if there is one. Raises StaleBase when it is not what the mirror saw."""
    for update in removals(repository, note, environment, deployment):
        repository.delete_branch(update.branch, update.old)


def removals(
    repository: Repository, note: Note, environment: str, deployment: str
) -> tuple[Update, ...]:
    """What `drop` does, as part of a delivery."""
    refs = [name(note, environment, deployment, home) for home in (PLAIN, HIDDEN)]
    return tuple(Update(ref, at, "") for ref in refs if (at := repository.branch(ref)))


def _standing(
    repository: Repository, note: Note, environment: str, deployment: str
) -> tuple[str, str] | None:
    """The ref of a note and its commit."""
    for home in (PLAIN, HIDDEN):
        ref = name(note, environment, deployment, home)
        commit = repository.branch(ref)
        if commit:
            return ref, commit
    return None


def _place(
    repository: Repository, note: Note, environment: str, deployment: str
) -> tuple[str, str | None]:
    """As `_standing`; for a note that is not there yet, the place where its like are kept."""
    found = _standing(repository, note, environment, deployment)
    if found:
        return found
    branches = repository.branches(f"{PLAIN}{note.value}/", fetch=False)
    return name(note, environment, deployment, PLAIN if branches else HIDDEN), None
