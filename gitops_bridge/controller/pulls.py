"""The pull request of a proposal's branch, by as few requests as it takes.

What a provider said last is remembered in a file in the cache folder, so that the next process asks
for one pull request by number, and only whether it has changed. The file may go at any time: then
the pull request is looked for by its branch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from gitops_bridge import __version__
from gitops_bridge.cache import Cache
from gitops_bridge.errors import ForgeError
from gitops_bridge.forge import Forge, Proposal, PullRequest


@dataclass(frozen=True)
class _Memory:
    """A pull request as it was last seen; `commit` is the proposal its text was written for, and
    `auto` the one that was handed to auto-merge."""

    pull: PullRequest
    commit: str | None = None
    auto: str | None = None


class Pulls:
    """`forge` gives the client when it is first needed; memories lie in `cache`."""

    def __init__(self, forge: Callable[[], Forge], cache: Cache) -> None:
        self._forge = forge
        self._cache = cache
        self._listed: Mapping[str, PullRequest] = {}

    @contextmanager
    def listing(self, prefix: str) -> Iterator[None]:
        """In the block `look` answers from lists, as far as those reach, for the branches that
        start with `prefix`."""
        newest: dict[str, PullRequest] = {}
        for pull in self._forge().recent(prefix):
            known = newest.get(pull.branch)
            if known is None or _rank(pull) > _rank(known):
                newest[pull.branch] = pull
        self._listed = newest
        try:
            yield
        finally:
            self._listed = {}

    def look(self, branch: str) -> PullRequest | None:
        """The open pull request of the branch, else the one that ended last."""
        memory = self._memory(branch)
        listed = self._listed.get(branch)
        if listed is not None:
            return self._remembered(branch, listed, memory)
        if memory is None or memory.pull.state != "open":
            found = self._forge().find(branch)
            return self._remembered(branch, found, memory) if found else None
        try:
            found = self._forge().look(memory.pull.number, memory.pull.etag) or memory.pull
        except ForgeError as error:
            if error.status != 404:
                raise
            found = None
        if found is None or found.branch != branch:  # the repository was made anew, its numbers too
            memory, found = None, self._forge().find(branch)
        return self._remembered(branch, found, memory) if found else None

    def unseen(self, branch: str, commit: str) -> PullRequest | None:
        """The pull request that was open when last seen and has to be written for `commit` anyway:
        the answer to that will tell what became of it."""
        memory = self._memory(branch)
        if memory is None or memory.pull.state != "open" or branch in self._listed:
            return None
        return None if self.is_written_for(memory.pull, commit) else memory.pull

    def is_written_for(self, pull: PullRequest, commit: str) -> bool:
        """Whether the text of the pull request is about the proposal at `commit`."""
        memory = self._memory(pull.branch)
        known = memory is not None and memory.pull.number == pull.number
        return commit in pull.body or (known and memory is not None and memory.commit == commit)

    def is_found_again(self, pull: PullRequest) -> bool:
        """Whether nobody here remembers to have written it: its creation may have been cut off."""
        memory = self._memory(pull.branch)
        return memory is None or memory.commit is None

    def complete(self, pull: PullRequest, proposal: Proposal, commit: str) -> PullRequest:
        """Give one that was found again, its text written for `commit`, what it may lack."""
        completed = self._forge().complete(pull, proposal)
        self._keep(proposal.branch, _Memory(completed, commit))
        return completed

    def write(
        self, pull: PullRequest | None, proposal: Proposal, commit: str, *, unseen: bool = False
    ) -> PullRequest:
        """Open the pull request, or give the one that is open this text. An `unseen` one is looked
        at first where the provider could not change it otherwise without undoing people's changes.

        One that turns out to have ended at `commit` is returned as it ended; where it ended at an
        older commit, the newer one gets a pull request of its own.
        """
        written = pull
        if pull and unseen and not _changes(pull, proposal) <= self._forge().unseen:
            written = pull = self._forge().look(pull.number, pull.etag) or pull
        if pull and pull.state == "open":
            if self.is_found_again(pull):
                pull = self._forge().complete(pull, proposal)
            written = self._forge().update(pull, proposal)
        if written is None or (written.state != "open" and not written.is_at(commit)):
            written = self._forge().create(proposal)
        if written.state != "open" and not written.is_at(commit):
            raise ForgeError(
                f"{written.url} was ended by somebody while it was written",
                hint="the next look opens another one by itself", retry=True,
            )  # fmt: skip
        self._keep(proposal.branch, _Memory(written, commit))
        return written

    def set_draft(self, pull: PullRequest, draft: bool) -> PullRequest:
        """Make it a draft, or ready again; as it is then."""
        changed = self._forge().set_draft(pull, draft)
        memory = self._memory(pull.branch) or _Memory(pull)
        self._keep(pull.branch, replace(memory, pull=changed))
        return changed

    def is_handed_over(self, pull: PullRequest, commit: str) -> bool:
        """Whether the provider was asked to merge `commit` by itself."""
        memory = self._memory(pull.branch)
        return memory is not None and memory.auto == commit

    def merge_by_itself(self, pull: PullRequest, commit: str) -> None:
        """Ask the provider once to merge `commit` when its own requirements are met."""
        memory = self._memory(pull.branch) or _Memory(pull)
        if memory.auto != commit:
            self._forge().enable_auto_merge(pull, commit)
            self._keep(pull.branch, replace(memory, auto=commit))

    def merge_by_hand(self, pull: PullRequest) -> None:
        """Take back from the provider what `merge_by_itself` asked for."""
        self._forge().disable_auto_merge(pull)
        memory = self._memory(pull.branch) or _Memory(pull)
        self._keep(pull.branch, replace(memory, auto=None))

    def forget(self, branch: str) -> None:
        self._cache.forget(_note(branch))

    def _remembered(self, branch: str, pull: PullRequest, memory: _Memory | None) -> PullRequest:
        known = memory if memory and memory.pull.number == pull.number else _Memory(pull)
        if known.pull != pull or memory is None:
            self._keep(branch, replace(known, pull=pull))
        return pull

    def _memory(self, branch: str) -> _Memory | None:
        text = self._cache.read(_note(branch), f"{__version__} {branch}")
        if text is None:
            return None
        data: dict[str, Any] = json.loads(text)
        pull = {**data["pull"], "warnings": ()}
        pull["labels"] = tuple(pull["labels"])
        try:
            return _Memory(PullRequest(**pull), data["commit"], data["auto"])
        except TypeError:  # written by another state of this version's code
            return None

    def _keep(self, branch: str, memory: _Memory) -> None:
        """Best effort: without a memory the next look takes one request more."""
        self._cache.write(
            _note(branch), json.dumps(asdict(memory), default=str), f"{__version__} {branch}"
        )


def _note(branch: str) -> str:
    return f"{hashlib.sha256(branch.encode()).hexdigest()[:32]}.json"


def _changes(pull: PullRequest, proposal: Proposal) -> set[str]:
    return {"body"} if proposal.title == pull.title else {"title", "body"}


def _rank(pull: PullRequest) -> tuple[bool, int]:
    """An open one counts before one that has ended, a newer one before an older."""
    return pull.state == "open", pull.number
