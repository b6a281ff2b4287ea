"""One bare mirror per remote: a disposable cache that clones, fetches and heals itself.

    <cache>/<name>-<hash of the address>/     private to our user
        mirror.git/     the objects, and refs/remotes/origin/* as the remote was last seen
        lock            held (flock) by whoever fetches, pushes or replaces the mirror
        news            one byte for each commit pushed that the graph does not reach yet
        fetched         when the last fetch began, so that those who waited for it share it
        receive-pack    what the server can do, see `receive_pack`
        queue/          see `queue`

Many processes and threads work on it at once.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gitops_bridge import cache
from gitops_bridge.activity import activity
from gitops_bridge.errors import BridgeError, RepositoryError
from gitops_bridge.git import failures, network, refs
from gitops_bridge.git.budget import Budget
from gitops_bridge.git.commits import Update
from gitops_bridge.git.failures import Damaged
from gitops_bridge.git.network import End, Result
from gitops_bridge.git.program import Git
from gitops_bridge.git.receive_pack import ReceivePack
from gitops_bridge.git.remote import Remote, cache_key, where

if TYPE_CHECKING:
    import pygit2

T = TypeVar("T")
_POLL, _LONGEST_POLL = 0.002, 0.02
"""Seconds between two looks at a lock: at first, and when many may be waiting for long."""
_TREE, _CACHE = 1 << 20, 32 << 20
"""Bytes of a tree that libgit2 keeps parsed, and of all it keeps. Its own limit for a tree is 4 kB,
less than the folder of an environment, which every path passes through."""
_TRACKED = "refs/remotes/origin/"
_CLONE = 10
"""A clone may take this many times the remote's timeout."""
_LOOSE, _PACKS, _LOOSE_REFS, _NEWS = 1000, 20, 100, 16
"""So many loose objects, packs, loose refs or commits beyond the graph make upkeep worth its while.
"""


class Mirror:
    """`root` is the folder below which all paths are that are asked for, "" the whole repository;
    many roots may share one mirror."""

    def __init__(
        self, remote: Remote, cache: Path, log: Callable[[str], None], root: str = ""
    ) -> None:
        self.remote = remote
        self.root = root
        self.folder = cache / cache_key(remote)
        self.path = self.folder / "mirror.git"
        self.budget = Budget()
        self.git = Git(remote, self.folder, self.budget)
        self._receive_pack = ReceivePack(remote, self.budget, self.folder / "receive-pack")
        self._log = log
        self._own = threading.local()
        """What each thread has for itself: its handle, and the lock while it holds it."""

    # -- reading

    def open(self) -> pygit2.Repository:
        """This thread's handle, the same until the mirror is replaced; the mirror is cloned when
        there is none. What a handle has read of packs and trees makes its next answers cheap."""
        import pygit2
        from pygit2.enums import ConfigLevel, ObjectType, RepositoryOpenFlag

        from gitops_bridge.git import loose

        self._require()
        head = (self.path / "HEAD").stat()  # written by `git init` and never after
        made = (head.st_ino, head.st_mtime_ns)
        kept: tuple[object, pygit2.Repository] | None = getattr(self._own, "handle", None)
        if kept is None or kept[0] != made:
            for level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM):
                pygit2.settings.search_path[level] = os.devnull  # a person's settings stay out
            pygit2.settings.cache_object_limit(ObjectType.TREE, _TREE)
            pygit2.settings.cache_max_size(_CACHE)
            fresh = pygit2.Repository(str(self.path), RepositoryOpenFlag.NO_SEARCH)
            loose.guard(fresh)
            kept = self._own.handle = (made, fresh)
        return kept[1]

    def _require(self) -> None:
        self._keep_private()
        if not self.path.is_dir():
            with self.lock():
                if not self.path.is_dir():
                    self._clone()

    def reading(
        self,
        work: Callable[[pygit2.Repository], T],
        repository: pygit2.Repository | None = None,
    ) -> T:
        """Run `work` on the mirror, or first on a handle that somebody has kept; as `asking`."""
        kept = [repository] if repository else []
        return self.asking(lambda: work(kept.pop() if kept else self.open()))

    def asking(self, work: Callable[[], T]) -> T:
        """Run `work`, which looks at the mirror, without the lock. When it finds damage, run it
        again on the mirror as it is by then, and once more after a new clone."""
        try:
            with self._noticing():
                self._require()
                return work()
        except Damaged:
            return self.healing(work)

    def healing(self, work: Callable[[], T]) -> T:
        """Run `work` under the lock; when it finds damage, clone again and run it once more."""
        with self.lock():
            try:
                with self._noticing():
                    return work()
            except Damaged as damage:
                self._log(f"cloning again: {damage.message}")
            self._clone()
            with self._noticing():
                return work()

    def head(self, branch: str) -> str:
        """Where `branch` was last seen, "" when it was not there."""
        return self.asking(lambda: refs.find(self.path, _local(branch)))

    def heads(self, prefix: str) -> dict[str, str]:
        """The branches that start with `prefix`, as last seen, with their commits."""
        found = self.asking(lambda: refs.below(self.path, _local(prefix)))
        return {name.removeprefix(_TRACKED): commit for name, commit in found.items()}

    def saw(self, repository: pygit2.Repository, branch: str, commit: str) -> None:
        """Remember that the remote's `branch` is at `commit`, or gone. Under the lock."""
        if commit:
            repository.references.create(_local(branch), commit, force=True)
        elif _local(branch) in repository.references:
            repository.references.delete(_local(branch))

    # -- the remote

    def fetch(self, max_age: float = 0.0) -> None:
        """See the remote as it is now, or as a fetch has seen it that began at most `max_age`
        seconds before this call."""
        asked = time.monotonic_ns() - int(max_age * 1e9)
        if max_age and self._fetched_after(asked):
            return
        with self.lock():
            if not self._fetched_after(asked):
                self.healing(self.refresh)

    def refresh(self) -> None:
        """Fetch in any case. Under the lock."""
        if not self.path.is_dir():
            return self._clone()
        began = time.monotonic_ns()
        before = refs.below(self.path, _TRACKED)
        network.fetch(self.git, self.path)
        if refs.below(self.path, _TRACKED) != before:
            self.extend_graph()
        return self._stamp(began)

    def push(
        self, repository: pygit2.Repository, updates: Sequence[Update], *, atomic: bool = False
    ) -> dict[str, Result]:
        """What became of each branch, as `network.push` has it. Under the lock."""
        with activity("git push"):
            accepted = self._receive_pack.push(repository, updates)
        if accepted:
            return {update.branch: Result(End.ACCEPTED) for update in updates}
        results = network.push(self.git, self.path, updates, atomic=atomic)
        if accepted is False and all(it.end is End.ACCEPTED for it in results.values()):
            self._receive_pack.leave_alone()
        return results

    def _clone(self) -> None:
        """Replace the mirror, keeping the old one should the remote be out of reach."""
        began = time.monotonic_ns()
        new, old = self.folder / "new.git", self.folder / f"old-{began}.git"
        with self._noticing():
            self._keep_private()
            for leftover in [new, *self.folder.glob("old-*.git")]:
                shutil.rmtree(leftover, ignore_errors=True)
            self.git.prepare()
        self._require_git()
        made = self.git.run("init", "--quiet", "--bare", "--template=", repository=new)
        if made.code != 0:
            raise failures.explain(made.err, where(self.remote))
        network.fetch(self.git, new, limit=_CLONE * self.remote.timeout)
        self._pack_refs(new)
        self.extend_graph(new)
        with self._noticing():
            if self.path.exists():
                self.path.rename(old)
            new.rename(self.path)
            self._stamp(began)
            shutil.rmtree(old, ignore_errors=True)

    def _require_git(self) -> None:
        said = self.git.run("version", repository=self.path).out.decode(errors="replace")
        numbers = re.search(r"(\d+)\.(\d+)", said)
        if numbers is None or (int(numbers[1]), int(numbers[2])) < (2, 33):
            raise RepositoryError(f"{said.strip()} is too old", hint="install git 2.33 or newer")

    def _stamp(self, began: int) -> None:
        (self.folder / "fetched").write_text(str(began))

    def _fetched_after(self, moment: int) -> bool:
        try:
            began = int((self.folder / "fetched").read_text())
        except (OSError, ValueError):
            return False
        return moment <= began <= time.monotonic_ns() and self.path.is_dir()

    # -- the lock

    @contextmanager
    def lock(self, *, unless: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Hold the mirror for this thread, which may already do so. While somebody else holds it,
        waiting ends as soon as `unless()`, and yields False."""
        if getattr(self._own, "lock", None) is not None:
            yield True
            return
        held = self._acquire(unless)
        self._own.lock = held
        try:
            yield held is not None
        finally:
            self._own.lock = None
            if held is not None:
                flock(held, LOCK_UN)  # also when a child forked meanwhile shares the descriptor
                os.close(held)

    def _acquire(self, unless: Callable[[], bool]) -> int | None:
        began = time.monotonic()
        deadline = began + self.budget.of_step(2 * _CLONE * self.remote.timeout)
        with self._noticing():
            self._keep_private()
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        pause = _POLL
        while True:
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
                return descriptor
            except BlockingIOError:
                if unless():
                    os.close(descriptor)
                    return None
                if time.monotonic() >= deadline:
                    break
                time.sleep(pause)
                pause = min(1.2 * pause, _LONGEST_POLL)
        os.close(descriptor)
        raise RepositoryError(
            f"another process has held the mirror in {self.folder} for "
            f"{time.monotonic() - began:.0f} s",
            hint="see whether it hangs; then try again",
            retry=True,
        )

    def _keep_private(self) -> None:
        """Raises ConfigError where the mirror may be somebody else's."""
        with self._noticing():
            cache.private(self.folder)

    # -- upkeep

    def news(self, commits: int) -> None:
        """Remember that a push brought so many commits that the graph does not reach yet."""
        with suppress(OSError), (self.folder / "news").open("ab") as file:
            file.write(b"." * commits)

    def extend_graph(self, repository: Path | None = None) -> None:
        """Let the changed-path graph reach to every commit seen: some milliseconds for what one
        fetch brought. Each commit beyond its end costs every look at history half of one.
        Under the lock; best effort, for git answers without a graph too."""
        with suppress(OSError):
            (self.folder / "news").unlink(missing_ok=True)
        self.git.run(
            "commit-graph", "write", "--reachable", "--changed-paths", "--split",
            repository=repository or self.path, timeout=_CLONE * self.remote.timeout,
        )  # fmt: skip

    def maintain(self) -> None:
        """Do what is due, unless somebody is using the mirror: let the graph reach to what was
        pushed, pack loose objects and refs. Geometric packs keep each run as short as its news."""
        if not self.path.is_dir():
            return
        due = [work for is_due, work in self._upkeep() if is_due()]
        if not due:
            return
        with self.lock(unless=lambda: True) as mine:
            for work in due if mine else ():
                self.healing(work)

    def _upkeep(self) -> Iterator[tuple[Callable[[], bool], Callable[[], None]]]:
        yield lambda: _size(self.folder / "news") >= _NEWS, self.extend_graph
        yield lambda: _is_scattered(self.path / "objects"), self._repack
        yield lambda: _has_files(self.path / "refs", _LOOSE_REFS), self._pack_refs

    def _repack(self) -> None:
        self._must("repack", "--quiet", "--geometric=2", "-d")

    def _pack_refs(self, repository: Path | None = None) -> None:
        self._must("pack-refs", "--all", "--prune", repository=repository)

    def _must(self, *arguments: str, repository: Path | None = None) -> None:
        answer = self.git.run(
            *arguments,
            repository=repository or self.path,
            timeout=_CLONE * self.remote.timeout,
        )
        if answer.code != 0:
            raise failures.explain(answer.err, where(self.remote))

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        """Turn what pygit2 and the file system say about the mirror into our errors."""
        try:
            yield
        except BridgeError:
            raise
        except Exception as error:
            import pygit2  # late: most processes that only look need none of it

            if not isinstance(error, (pygit2.GitError, KeyError, OSError)):
                raise
            self._own.handle = None  # it may remember what was damaged
            raise failures.local(error, where(self.remote)) from error


def _is_scattered(objects: Path) -> bool:
    sample = objects / "17"  # git's own estimate: one of 256 folders stands for all
    loose = 256 * len(list(sample.iterdir())) if sample.is_dir() else 0
    packs = len(list((objects / "pack").glob("*.pack")))
    return loose > _LOOSE or packs > _PACKS


def _has_files(folder: Path, many: int) -> bool:
    """Whether so many files lie below the folder; no more of them are looked at."""
    files = (name for _, _, names in os.walk(folder) for name in names)
    return sum(1 for _ in islice(files, many)) == many


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _local(branch: str) -> str:
    """Where the mirror keeps a branch of the remote as last seen."""
    return _TRACKED + branch
