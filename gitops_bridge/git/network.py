"""Fetch and push: what goes over the network, and what the other side made of it.

A push is a compare-and-swap of each branch: the
lease names the commit it must still be at. (`--force-with-lease` without a `+` never overwrites
anything else, and unlike a plain push it also respects a branch that was wound back.)
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import failures
from gitops_bridge.git.budget import Budget
from gitops_bridge.git.commits import Update
from gitops_bridge.git.program import Git
from gitops_bridge.git.remote import where

FETCHED = "+refs/heads/*:refs/remotes/origin/*"
_STATUS = re.compile(r"(?P<flag>.)\t[^\t]*:(?:refs/heads/)?(?P<branch>[^\t]+)\t(?P<summary>.*)")


class End(Enum):
    """What became of one branch in a push."""

    ACCEPTED = "the server has it"
    MOVED = "the branch was not where it was expected"
    DECLINED = "the server refuses, and would again"
    UNKNOWN = "the connection ended before the server had answered"
    ABORTED = "nothing was wrong with it, but with another one of the same push"
    ATOMIC_UNSUPPORTED = "the server has no transactions of several branches; nothing was sent"


@dataclass(frozen=True)
class Result:
    end: End
    problem: RepositoryError | None = None


class Patience:
    """Waits longer and longer, by chance a little more or less; gives up after `tries` waits or
    `seconds` in all, and when the next try would begin after the caller's time."""

    def __init__(self, budget: Budget, *, tries: int, seconds: float, first: float) -> None:
        self._budget = budget
        self._left = tries
        self._until = time.monotonic() + seconds
        self._pause = first
        self._longest = 50 * first

    def wait(self, problem: RepositoryError) -> None:
        """Sleep before the next try. Raises `problem` when there is to be none."""
        pause = self._pause * (0.5 + os.urandom(1)[0] / 256)
        is_over = time.monotonic() > self._until or pause >= self._budget.left()
        if self._left <= 0 or is_over:
            raise problem
        self._left -= 1
        time.sleep(pause)
        self._pause = min(2 * self._pause, self._longest)


def remote_ref(branch: str) -> str:
    return f"refs/heads/{branch}"


def fetch(git: Git, repository: Path, *, limit: float | None = None) -> None:
    """Bring every branch of the remote, dropping those that are gone; `limit` in seconds.

    Raises RepositoryError, after some tries when they might help.
    """
    patience = Patience(git.budget, tries=3, seconds=git.remote.timeout / 2, first=0.2)
    while True:
        answer = git.run(
            "fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head",
            git.remote.address, FETCHED, repository=repository, timeout=limit,
        )  # fmt: skip
        if answer.code == 0:
            return
        problem = failures.explain(answer.err, where(git.remote))
        if not problem.retry:
            raise problem
        patience.wait(problem)


def default_branch(git: Git, repository: Path) -> str | None:
    """The branch that the remote names as its own; None where it names none.

    Raises RepositoryError when it cannot be asked.
    """
    answer = git.run("ls-remote", "--symref", git.remote.address, "HEAD", repository=repository)
    if answer.code != 0:
        raise failures.explain(answer.err, where(git.remote))
    found = re.match(r"ref: refs/heads/(\S+)\tHEAD", answer.out.decode(errors="replace"))
    return found[1] if found else None


def push(
    git: Git, repository: Path, updates: Sequence[Update], *,
    atomic: bool = False, rehearsal: bool = False,
) -> dict[str, Result]:  # fmt: skip
    """Push all `updates` at once; each branch comes back with its own end.

    `atomic`: all of them or none, as one transaction of the server. Azure DevOps and CodeCommit,
    among others, have none (https://github.com/your-tools/tbump/issues/161,
    https://github.com/ef-labs/stash-hook-mirror/issues/57): all come back as
    ATOMIC_UNSUPPORTED. A `rehearsal` ends before anything is sent: the server has let us in to
    write, its hooks and rules for branches were not asked.
    Raises RepositoryError when the failure is about the remote and no other try would help.
    """
    answer = git.run(
        "-c", "pack.threads=1",  # a handful of objects: starting threads takes longer than packing
        "push", "--porcelain", "--no-verify",
        *(["--atomic"] if atomic else []), *(["--dry-run"] if rehearsal else []),
        *(f"--force-with-lease={remote_ref(update.branch)}:{update.old}" for update in updates),
        git.remote.address,
        *(f"{update.new}:{remote_ref(update.branch)}" for update in updates),
        repository=repository,
    )  # fmt: skip
    if atomic and "does not support --atomic" in answer.err:
        return {update.branch: Result(End.ATOMIC_UNSUPPORTED) for update in updates}
    found = map(_STATUS.fullmatch, answer.out.decode(errors="replace").splitlines())
    reported = {match["branch"]: (match["flag"], match["summary"]) for match in found if match}
    results = {
        update.branch: _result(git, update.branch, reported.get(update.branch), answer.err)
        for update in updates
    }
    for result in results.values():
        if result.end is End.UNKNOWN and result.problem and not result.problem.retry:
            raise result.problem
    return results


def _result(git: Git, branch: str, reported: tuple[str, str] | None, said: str) -> Result:
    flag, summary = reported or ("!", "[remote failure]")
    if flag != "!":
        return Result(End.ACCEPTED)
    if summary.startswith("[remote failure]"):
        return Result(End.UNKNOWN, failures.explain(said, where(git.remote), pushing=True))
    if "unpacker error" in summary:  # it could not store what it received
        problem = failures.explain(said, where(git.remote), pushing=True)
        return Result(End.UNKNOWN, problem)
    if "atomic push fail" in summary:  # git's own words end with "ed", its server's with "ure"
        return Result(End.ABORTED)
    words = re.findall(r"^remote: *(.*\S)", said, re.MULTILINE)
    reason = git.redact(" / ".join([summary, *words])[:500])
    problem = failures.rejected(branch, reason, where(git.remote))
    return Result(End.DECLINED if failures.declined(summary) else End.MOVED, problem)
