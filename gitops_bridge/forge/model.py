"""Pull requests as values, and the Forge protocol that each provider's module satisfies.

A Proposal is handed in, a PullRequest comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gitops_bridge.errors import ForgeError

State = Literal["open", "merged", "closed"]


@dataclass(frozen=True)
class Proposal:
    """A pull request as it shall be. Texts are ready-made: escaping is the caller's.

    `reviewers` and `assignees` are the provider's own names for people (docs/forges.md); a reviewer
    `organisation/team` is a team. What a provider has not (see `Forge.features`) is left out.
    `head_sha` is the commit that was pushed to the branch for it; "" where that is not known.
    """

    branch: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    draft: bool = False
    head_sha: str = ""


@dataclass(frozen=True)
class PullRequest:
    """A pull request as the provider shows it.

    `closed` is closed without merging, whatever the way of merging would have been. `head_sha` may
    be abbreviated (Bitbucket Cloud) or not known yet (""): compare by `is_at`. `merge_commit` is
    the commit that brought it onto the base: merge, squash or last rebased one. `body` may be
    shortened in lists (Azure DevOps). `actor` merged or closed it, where the answer at hand tells.
    `warnings`: what the provider did not take, and why. `native`: what the provider's module wants
    back with a change.
    """

    number: int
    url: str
    state: State
    branch: str
    base: str
    head_sha: str
    title: str
    body: str
    draft: bool = False
    labels: tuple[str, ...] = ()
    merge_commit: str | None = None
    actor: str | None = None
    etag: str | None = None
    warnings: tuple[str, ...] = ()
    native: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def is_at(self, commit: str) -> bool:
        return bool(self.head_sha) and commit.startswith(self.head_sha)


@dataclass(frozen=True)
class Closing:
    """Who closed a pull request, and that person's last comment on it."""

    by: str | None
    comment: str | None


@dataclass(frozen=True)
class CommitStatus:
    """What became of a commit, as one line beside it at the provider.

    `context` names what is reported on: a later status of the same context takes the place of an
    earlier one. `description` is cut to what the provider takes. `link` leads to the details.
    """

    state: Literal["pending", "success", "failure"]
    description: str
    context: str
    link: str | None = None


@dataclass(frozen=True)
class Right:
    """One thing the token may do; `granted` is None where only trying would tell.

    `needed` is False for what no rollout waits for.
    """

    what: str
    granted: bool | None
    hint: str | None = None
    needed: bool = True


@dataclass(frozen=True)
class Limits:
    """The longest title and body the provider takes, in characters."""

    title: int
    body: int

    def text(self, proposal: Proposal, body: str = "description", mark: str = "") -> dict[str, str]:
        """Title, with a draft's `mark` before it, and body of a request, by the name of `body`."""
        return {
            "title": cut(mark + proposal.title, self.title),
            body: cut(proposal.body, self.body),
        }


class Forge(Protocol):
    """The pull requests of one repository at one provider.

    Every method raises ForgeError: message and `hint` name the cure, `retry` tells whether the same
    call may succeed later, `status` is the HTTP answer's.
    """

    provider: str
    limits: Limits
    features: frozenset[str]
    """Of draft, labels, reviewers, assignees, auto-merge."""
    unseen: frozenset[str]
    """Of title and body: what `update` may change without a look before it and undo nothing that
    people did meanwhile. Labels are added everywhere without one."""

    def find(self, branch: str) -> PullRequest | None:
        """The pull request of head `branch`: the open one, else the newest merged or closed."""

    def create(self, proposal: Proposal) -> PullRequest:
        """Open it; one that is already open for the branch is adopted and updated instead.

        People or labels that the provider refuses become `warnings`, not errors.
        """

    def update(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        """Give an open one the proposal's title, body and labels; people's own labels stay.

        `pull` may be out of date, but for what is not `unseen`. One that has ended meanwhile is
        returned as it ended, and keeps the text of `pull`. Where labels are requests of their own
        they come before the text: once that is there, nothing is missing.
        """

    def complete(self, pull: PullRequest, proposal: Proposal) -> PullRequest:
        """Give an open one that was found again the people and labels that its creation may not
        have come to. Where a creation takes them all nothing is asked."""

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        """Make an open one a draft, which nobody can merge, or ready again. One that the provider
        leaves as it is comes back so, or ForgeError is raised."""

    def look(self, number: int, etag: str | None = None) -> PullRequest | None:
        """Its present state, by one request; None when it is unchanged since `etag`."""

    def recent(self, prefix: str) -> list[PullRequest]:
        """Those whose head branch starts with `prefix`: all open ones and, as far as one page of
        the provider reaches, the merged and closed ones changed last. List requests only."""

    def comment(self, pull: PullRequest, text: str) -> None: ...

    def closing(self, pull: PullRequest) -> Closing:
        """Who closed it without merging, and why, as well as the server tells."""

    def close(self, pull: PullRequest, comment: str | None = None) -> None:
        """Close without merging, after saying why. One that has ended already stays as it ended."""

    def enable_auto_merge(self, pull: PullRequest, head_sha: str) -> None:
        """Let the provider merge `head_sha`, and only that where it can be pinned, as soon as its
        own requirements are met (at once when they are)."""

    def disable_auto_merge(self, pull: PullRequest) -> None:
        """Take back what `enable_auto_merge` asked for; where nothing is, nothing happens."""

    def report(self, commit: str, status: CommitStatus) -> None:
        """Show `status` beside the commit with that full hash. One that is shown already is not
        sent again, so that it may be reported as often as it is looked at."""

    def rights(self) -> tuple[Right, ...]:
        """What the token may do, found out without changing anything."""


def moved(pull: PullRequest, head_sha: str) -> ForgeError:
    """The refusal to hand another commit to auto-merge than the one the bridge has proposed."""
    return ForgeError(
        f"{pull.url}: auto-merge: the branch is not at {head_sha}",
        hint="the branch moved: look again", retry=True,
    )  # fmt: skip


def lacking(pull: PullRequest, proposal: Proposal) -> list[str]:
    """The proposal's labels that `pull` has not."""
    return [label for label in proposal.labels if label not in pull.labels]


def newest(pulls: Iterable[PullRequest], branch: str) -> PullRequest | None:
    """The open one of `branch`, else the one with the highest number."""
    ours = [pull for pull in pulls if pull.branch == branch]
    return max(ours, key=lambda pull: (pull.state == "open", pull.number), default=None)


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, the last being an ellipsis where something is gone."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
