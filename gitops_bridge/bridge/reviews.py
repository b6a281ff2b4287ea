"""Proposals under review: their pull requests, and what became of them.

`submit` is called with every fresh look at a change that may be delivered and shall be reviewed. It
brings branch, note and pull request to what they should be, whatever is there of them, so what was
cut off anywhere is taken up by the next look. `retire` ends a review whose change main holds, or
that something newer has superseded. `stages` and `waiting` call both.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitops_bridge.bridge import gate, notes, proposals
from gitops_bridge.bridge.known import folder, vouched_for
from gitops_bridge.bridge.notes import Note
from gitops_bridge.bridge.policy import Ready
from gitops_bridge.bridge.proposals import Proposal
from gitops_bridge.bridge.rejections import Rejection, covers, find_rejection
from gitops_bridge.bridge.workshop import Workshop
from gitops_bridge.config import Environment
from gitops_bridge.desired import messages
from gitops_bridge.desired.markdown import code
from gitops_bridge.errors import ForgeError, StaleBase
from gitops_bridge.git import Commit, Edit

if TYPE_CHECKING:
    from gitops_bridge.forge import PullRequest


@dataclass(frozen=True)
class Review:
    """Where a review stands.

    proposal   what waits; None once it was rejected
    pull       its pull request; None while it could not be opened
    rejection  who closed the pull request, and why
    merged     whether the provider says that main has it
    said       what a person should know beside
    """

    proposal: Proposal | None
    pull: PullRequest | None = None
    rejection: Rejection | None = None
    merged: bool = False
    said: tuple[str, ...] = ()

    @property
    def url(self) -> str | None:
        return self.rejection.url if self.rejection else self.pull.url if self.pull else None


def submit(shop: Workshop, environment: Environment, deployment: str, ready: Ready) -> Review:
    """Have the change reviewed. Raises StaleBase when somebody else is at it, ForgeError when the
    provider refuses for good."""
    found = proposals.find(shop, environment.name, deployment)
    rejection = find_rejection(shop, environment.name, deployment)
    if rejection and covers(shop, rejection, ready):
        _end(shop, environment.name, deployment, found)
        return Review(None, rejection=rejection)
    if found and is_foreign(shop, found):
        return left_alone(shop, found)
    is_new = found is None
    try:
        if found is None or not _still_holds(shop, found, ready):
            if found and (ended := _ended_unseen(shop, found, ready)):
                return ended
            edit = ready.planned.edit
            _vouch(shop, environment.name, deployment)
            found = proposals.propose(
                shop, ready.snapshot, edit, environment.name, deployment, replaces=found
            )
        notes.put(shop.repository, Note.PROPOSED, environment.name, deployment, found.commit)
        if rejection:
            notes.drop(shop.repository, Note.REJECTED, environment.name, deployment)
        return _shown(shop, environment, found, ready, is_new)
    except ForgeError as error:
        if not error.retry:
            raise
        return Review(found, said=(f"the pull request waits for the provider: {error}",))


def is_open(shop: Workshop, environment: str, deployment: str) -> bool:
    """Whether a proposal of the deployment is under review."""
    return notes.find(shop.repository, Note.PROPOSED, environment, deployment) is not None


def retire(
    shop: Workshop, environment: Environment, deployment: str, found: Proposal | None, why: str
) -> None:
    """End the review: `why` is said on the pull request when it is still open. Raises StaleBase
    when the branch has moved, ForgeError when the provider cannot be asked."""
    if not is_open(shop, environment.name, deployment):
        if found:
            proposals.withdraw(shop, found)
        return
    pulls = shop.pulls()
    pull = pulls.look(proposals.branch(environment.name, deployment))
    if pull and pull.state == "open":
        shop.forge().close(pull, why)
    _end(shop, environment.name, deployment, found)


def _end(shop: Workshop, environment: str, deployment: str, found: Proposal | None) -> None:
    """Remove what a review has needed. The branch may be gone already."""
    _vouch(shop, environment, deployment)
    if found:
        proposals.withdraw(shop, found)
    for note in (Note.PROPOSED, Note.WARNED):
        notes.drop(shop.repository, note, environment, deployment)
    shop.pulls().forget(proposals.branch(environment, deployment))


def _vouch(shop: Workshop, environment: str, deployment: str) -> None:
    """Before its proposal is forgotten: note the commit that brought it to main, when that commit
    does not say itself whose it is."""
    if not is_open(shop, environment, deployment):
        return
    head = shop.repository.snapshot(shop.config.repository.branch, fetch=False).commit
    for commit in vouched_for(shop.repository, head, folder(environment, deployment)):
        if messages.ACTION not in shop.repository.commit_of(commit).trailers:
            notes.put(shop.repository, Note.DELIVERED, environment, deployment, commit)


def _still_holds(shop: Workshop, found: Proposal, ready: Ready) -> bool:
    """Whether the branch is this very change, on a main whose folder is as it was for it."""
    home = folder(found.environment, found.deployment)
    return (
        found.failed is None
        and shop.repository.at(found.base).id(home) == ready.snapshot.id(home)
        and shop.repository.at(found.commit).files(home) == dict(ready.planned.files)
    )


# -- the pull request


def _shown(
    shop: Workshop, environment: Environment, found: Proposal, ready: Ready, is_new: bool
) -> Review:
    """A branch that is `is_new` has no pull request yet, or the provider says so when asked for
    one: none is looked for."""
    pulls = shop.pulls()
    unseen = pulls.unseen(found.branch, found.commit)
    pull = unseen if unseen or is_new else pulls.look(found.branch)
    if pull and pull.state != "open" and pull.is_at(found.commit):
        return _ended(shop, found, pull)
    if found.adrift:  # somebody removed the branch and the provider kept the pull request
        shop.repository.replace_branch(
            found.branch, shop.repository.commit_of(found.commit), expected=None
        )
    said: list[str] = []
    is_open = pull is not None and pull.state == "open"
    is_written = pull is not None and is_open and pulls.is_written_for(pull, found.commit)
    if pull is None or not is_written or pulls.is_found_again(pull):
        from gitops_bridge.bridge import texts  # late: most looks write none

        wanted, warning = texts.proposal(
            shop, shop.forge(), environment, found.deployment, found.branch, ready, found.commit
        )
        if pull and is_written:
            pull = pulls.complete(pull, wanted, found.commit)
        else:
            pull = pulls.write(pull, wanted, found.commit, unseen=unseen is not None)
        if pull.state != "open":
            return _ended(shop, found, pull)
        said += [*pull.warnings, *([warning] if warning else [])]
    built = ready.look.image is None or gate.is_open(shop, ready.look.image)
    if built and shop.config.pull_request.auto_merge:
        try:
            pulls.merge_by_itself(pull, found.commit)
        except ForgeError as error:
            what = "auto-merge is not set yet" if error.retry else "it has to be merged by hand"
            said.append(f"{what}: {error}")
    return Review(found, pull, said=tuple(said))


def _ended_unseen(shop: Workshop, found: Proposal, ready: Ready) -> Review | None:
    """The end of a review whose request would only be put on a newer main: what people closed
    before that is not proposed again."""
    if not covers(shop, Rejection(found, "", None, ""), ready):
        return None
    pull = shop.pulls().look(found.branch)
    ended = pull and pull.state != "open" and pull.is_at(found.commit)
    return _ended(shop, found, pull) if pull and ended else None


def _ended(shop: Workshop, found: Proposal, pull: PullRequest) -> Review:
    if pull.state == "merged":
        return Review(found, pull, merged=True)
    return Review(None, pull, rejection=_reject(shop, found, pull))


def _reject(shop: Workshop, found: Proposal, pull: PullRequest) -> Rejection:
    """Remember who closed the pull request and why, then clear the branch away."""
    closing = shop.forge().closing(pull)
    name = found.record.name if found.record else found.deployment
    message = messages.rejected(
        name, found.environment, closing.by or pull.actor, closing.comment, pull.url
    )
    edit = Edit({}, {}, shop.message(message, shop.author), shop.author)
    note = shop.repository.commit(shop.repository.at(found.commit), edit)
    notes.put(shop.repository, Note.REJECTED, found.environment, found.deployment, note.id)
    _end(shop, found.environment, found.deployment, found)
    rejection = find_rejection(shop, found.environment, found.deployment)
    if rejection is None:
        raise StaleBase(f"{found.branch} has moved", retry=True)
    return rejection


# -- somebody else on our branch


def is_foreign(shop: Workshop, found: Proposal) -> bool:
    """Whether the branch is at a commit we have not written: neither the one we noted nor one that
    bears our name and our trailers, as one does whose note was cut off. Where nothing is reviewed
    a branch that waits for its image is ours alone, and the next action replaces it."""
    noted = notes.find(shop.repository, Note.PROPOSED, found.environment, found.deployment)
    if noted is None and not shop.config.delivery.proposes:
        return False
    return found.commit != noted and not _ours(shop, shop.repository.commit_of(found.commit))


def _ours(shop: Workshop, commit: Commit) -> bool:
    ours = {messages.ACTION, messages.ROLLED_BACK_TO, messages.BUILD_FAILED}
    return commit.committer == shop.committer and bool(ours & commit.trailers.keys())


def left_alone(shop: Workshop, found: Proposal) -> Review:
    """The review of a branch that somebody else pushed to: told once, and else untouched."""
    pull = shop.pulls().look(found.branch)
    if pull and pull.state != "open" and pull.is_at(found.commit):
        return _ended(shop, found, pull)
    commit = shop.repository.commit_of(found.commit)
    said = (
        f"{messages.clean(commit.author.name, 80)} pushed {commit.id[:12]} to {found.branch}: it "
        "is left as it is until the pull request is merged or closed, or the branch deleted"
    )
    told = notes.find(shop.repository, Note.WARNED, found.environment, found.deployment)
    if pull and pull.state == "open" and told != commit.id:
        if shop.config.pull_request.auto_merge:  # nobody has agreed to merge this commit
            shop.pulls().merge_by_hand(pull)
        notes.put(shop.repository, Note.WARNED, found.environment, found.deployment, commit.id)
        try:
            shop.forge().comment(pull, _warning(commit))
        except ForgeError:
            with suppress(StaleBase):  # so that the next look says it
                notes.drop(shop.repository, Note.WARNED, found.environment, found.deployment)
            raise
    return Review(found, pull, said=(said,))


def _warning(commit: Commit) -> str:
    return (
        f"{code(commit.author.name, 80)} pushed {code(commit.id[:12])} to this branch. From now on "
        "gitops-bridge leaves it as it is: a newer request from DataRobot waits until this pull "
        "request is merged or closed. Delete the branch to hand it back.\n"
    )
