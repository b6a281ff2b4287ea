"""Who touched a path: `git rev-list` finds the commits, pygit2 reads them.

The program and not libgit2, because only it reads the changed-path graph that the mirror keeps: the
difference between milliseconds and a walk through every commit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from gitops_bridge.git import commits, failures
from gitops_bridge.git.commits import Commit
from gitops_bridge.git.mirror import Mirror
from gitops_bridge.git.remote import where
from gitops_bridge.git.trees import below, inside, split

if TYPE_CHECKING:
    import pygit2


@contextmanager
def asked(
    mirror: Mirror, commit: str, path: str, limit: int | None, *, full: bool = False
) -> Iterator[Callable[[], list[Commit]]]:
    """The commits up to `commit` that changed `path`, as `git log -- path` has them; git looks for
    them while the block does something else."""
    split(path)
    arguments = ["--literal-pathspecs", "rev-list", commit]
    if limit is not None:
        arguments.insert(2, f"--max-count={limit}")
    if full:
        arguments.insert(2, "--full-history")
    if place := below(mirror.root, path):
        arguments += ["--", place]
    with mirror.git.started(*arguments, repository=mirror.path) as first:
        answers = [first]

        def work(repository: pygit2.Repository) -> list[Commit]:
            again = partial(mirror.git.run, *arguments, repository=mirror.path)
            answer = (answers.pop() if answers else again)()
            if answer.code != 0:
                raise failures.explain(answer.err, where(mirror.remote))
            return [commits.read(repository, name) for name in answer.out.decode().split()]

        yield lambda: mirror.reading(work)


def index(mirror: Mirror, commit: str, path: str) -> dict[str, list[str]]:
    """For each file and folder below `path`, the commits up to `commit` that changed it, newest
    first: for all of them what `asked` tells of one, with `full`.

    A merge is one of them where it differs from any of its parents.
    """
    split(path)
    arguments = [
        "--literal-pathspecs", "log", "--full-history", "--diff-merges=separate", "--no-renames",
        "--format=%x01%H", "--name-only", "-z", commit,
    ]  # fmt: skip
    if place := below(mirror.root, path):
        arguments += ["--", place]

    def work() -> dict[str, list[str]]:
        answer = mirror.git.run(*arguments, repository=mirror.path)
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        found: dict[str, list[str]] = {}
        for part in answer.out.decode(errors="replace").split("\x01")[1:]:
            name, _, files = part.partition("\0")
            paths = inside(mirror.root, {file.strip("\n") for file in files.split("\0")} - {""})
            for touched in {folder for file in paths for folder in _with_parents(file)}:
                told = found.setdefault(touched, [])
                if told[-1:] != [name]:
                    told.append(name)
        return found

    return mirror.asking(work)


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def patches(mirror: Mirror, commit: str, path: str) -> Iterator[tuple[str, str, str]]:
    """Each commit up to `commit` that changed files below `path`: its id, a file, and how that
    differs from the first parent's, as a unified diff."""
    split(path)
    arguments = [
        "--literal-pathspecs", "log", "--full-history", "--diff-merges=first-parent",
        "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--format=%x00%H",
        "--patch", commit,
    ]  # fmt: skip

    def work() -> bytes:
        place = below(mirror.root, path)
        answer = mirror.git.run(*arguments, "--", place, repository=mirror.path)
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        return answer.out

    for part in mirror.asking(work).decode(errors="replace").split("\0")[1:]:
        name, *diffs = re.split(r"^diff --git .*\n", part, flags=re.MULTILINE)
        for diff in diffs:
            named = re.search(r"^(?:\+\+\+ b/|--- a/)(.*)$", diff, re.MULTILINE)
            for file in inside(mirror.root, {named[1]} if named else ()):
                yield name.strip(), file, diff[diff.index("--- ") :]


def touched(mirror: Mirror, commit: str, path: str) -> set[str]:
    """Every path below `path` in the history of `commit`."""
    split(path)
    arguments = ["--literal-pathspecs", "log", "-m", "--format=", "--name-only", "-z", commit]

    def work() -> set[str]:
        place = below(mirror.root, path)
        answer = mirror.git.run(*arguments, "--", place, repository=mirror.path)
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        names = {name for name in answer.out.decode(errors="replace").split("\0") if name}
        return set(inside(mirror.root, names))

    return mirror.asking(work)


def recent(mirror: Mirror, commit: str, commits: int) -> list[tuple[str, int]]:
    """The paths the last commits touched, newest first, with the time of the newest touch."""
    arguments = ["log", f"--max-count={commits}", "--format=%x01%ct", "--name-only", commit]

    def work() -> list[tuple[str, int]]:
        answer = mirror.git.run(*arguments, repository=mirror.path)
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        found: dict[str, int] = {}
        for part in answer.out.decode(errors="replace").split("\x01")[1:]:
            time, *paths = part.split("\n")
            for path in filter(None, paths):
                found.setdefault(path, int(time))
        return [(path, found[name]) for name in found for path in inside(mirror.root, {name})]

    return mirror.asking(work)


def newest_touches(mirror: Mirror, commit: str, path: str) -> dict[str, Commit]:
    """The newest commit that touched each folder in `path`: folder -> commit. One walk for all."""
    split(path)
    place = below(mirror.root, path)
    arguments = ["--literal-pathspecs", "log", "-m", "--first-parent", "--format=%x01%H"]

    def work(repository: pygit2.Repository) -> dict[str, Commit]:
        answer = mirror.git.run(
            *arguments, "--name-only", commit, "--", place, repository=mirror.path
        )
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        found: dict[str, str] = {}
        for part in answer.out.decode(errors="replace").split("\x01")[1:]:
            name, *paths = part.split("\n")
            for touched in filter(None, paths):
                found.setdefault(touched.removeprefix(f"{place}/").split("/")[0], name)
        return {folder: commits.read(repository, name) for folder, name in found.items()}

    return mirror.reading(work)


def merges(mirror: Mirror, since: str, commit: str) -> list[Commit]:
    """The merges after `since` on the way to `commit`, oldest first."""

    def work(repository: pygit2.Repository) -> list[Commit]:
        span = f"{since}..{commit}"
        arguments = ["rev-list", "--merges", "--ancestry-path", "--reverse", span]
        answer = mirror.git.run(*arguments, repository=mirror.path)
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        return [commits.read(repository, name) for name in answer.out.decode().split()]

    return mirror.reading(work)


def differences(mirror: Mirror, before: str, after: str) -> list[str]:
    """The paths in which two commits differ, those outside the root with a leading slash."""

    def work(repository: pygit2.Repository) -> list[str]:
        old, new = (commits.commit(repository, name).tree for name in (before, after))
        deltas = old.diff_to_tree(new).deltas
        paths = {path for it in deltas for path in (it.old_file.path, it.new_file.path)}
        return sorted(
            found for path in paths for found in inside(mirror.root, {path}) or [f"/{path}"]
        )

    return mirror.reading(work)


def changed(mirror: Mirror, commit: str) -> list[str]:
    """The paths below the root in which `commit` differs from its first parent."""

    def work(repository: pygit2.Repository) -> list[str]:
        found = commits.commit(repository, commit)
        if found.parent_ids:
            diff = found.parents[0].tree.diff_to_tree(found.tree)
        else:
            diff = found.tree.diff_to_tree(swap=True)
        names = {
            name for delta in diff.deltas for name in (delta.old_file.path, delta.new_file.path)
        }
        return inside(mirror.root, names)

    return mirror.reading(work)
