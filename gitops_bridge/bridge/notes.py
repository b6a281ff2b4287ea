"""What must outlive a proposal's branch: one ref each, beside the branches and seen by nobody.

    refs/gitops-bridge/<kind>/<environment>/<deployment>

`reviews` writes them, `known` and `reports` read them. Like a proposal, a note is moved by
compare-and-swap on what the mirror last saw.
"""

from __future__ import annotations

from enum import Enum

from gitops_bridge.git import Repository


class Note(str, Enum):
    """PROPOSED    the commit under review that we wrote last; gone once its review has ended
    REJECTED    that commit with one more on top that says who closed the pull request, and why
    DELIVERED   the commit of main that brought a proposal there without saying so in trailers
    WARNED      the commit somebody else pushed to the branch, once we have told them"""

    PROPOSED = "proposed"
    REJECTED = "rejected"
    DELIVERED = "delivered"
    WARNED = "warned"


def name(note: Note, environment: str, deployment: str) -> str:
    return f"refs/gitops-bridge/{note.value}/{environment}/{deployment}"


def find(repository: Repository, note: Note, environment: str, deployment: str) -> str | None:
    """The commit of a note as the mirror has last seen it."""
    ref = name(note, environment, deployment)
    return repository.branches(ref, fetch=False).get(ref)


def all_of(repository: Repository, note: Note, environment: str) -> dict[str, str]:
    """The notes of one kind in an environment: deployment -> commit."""
    prefix = name(note, environment, "")
    found = repository.branches(prefix, fetch=False)
    return {ref.removeprefix(prefix): commit for ref, commit in found.items()}


def put(repository: Repository, note: Note, environment: str, deployment: str, commit: str) -> None:
    """Let the note say `commit`. Raises StaleBase when it is no longer what the mirror saw."""
    before = find(repository, note, environment, deployment)
    if before != commit:
        ref = name(note, environment, deployment)
        repository.replace_branch(ref, repository.commit_of(commit), before)


def drop(repository: Repository, note: Note, environment: str, deployment: str) -> None:
    """Remove the note, if there is one. Raises StaleBase when it is not what the mirror saw."""
    before = find(repository, note, environment, deployment)
    if before:
        repository.delete_branch(name(note, environment, deployment), before)
