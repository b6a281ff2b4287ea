"""A team's repository for tests: made, looked at and upset with the plain git program."""

import contextlib
import fcntl
import shutil
import subprocess
import threading
import time
from functools import partial

from gitops_bridge.git import Edit, Remote, Repository, Signature

ME = Signature("Bridge", "bridge@example.com")
PERSON = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]


def git(folder, *arguments, given=None):
    """What plain git prints; a failure fails the test."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bare(root, files=None, name="team.git"):
    """A bare repository whose main holds `files`; None = no branch at all."""
    folder = root / name
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    if files is not None:
        commit(folder, files, "Begin")
    return folder


def commit(folder, files, message, branch="main"):
    """What a person does elsewhere: one commit on `branch` that sets or (None) removes files."""
    tip = git(folder, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
    lines = [f"commit refs/heads/{branch}", "committer Ann <ann@example.com> 1700000000 +0000"]
    lines += [f"data {len(message.encode())}", message]
    if tip:
        lines.append(f"from {tip}")
    for path, content in files.items():
        if content is None:
            lines.append(f"D {path}")
        else:
            lines += [f"M 100644 inline {path}", f"data {len(content)}", content.decode()]
    git(folder, "fast-import", "--quiet", given="\n".join([*lines, ""]))
    return git(folder, "rev-parse", f"refs/heads/{branch}")


def revert(folder, identifier, scratch):
    """A person reverts a commit of main, in a work tree of their own, and pushes."""
    git(folder, "clone", "--quiet", str(folder), str(scratch))
    git(scratch, *PERSON, "revert", "--no-edit", identifier)
    git(scratch, "push", "--quiet", "origin", "HEAD:main")


def hook(folder, name, script):
    path = folder / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def wrap_git(folder, before, after=""):
    """A `git` in `folder` that runs shell lines `before` and `after` the real one."""
    folder.mkdir(exist_ok=True)
    real = shutil.which("git")
    script = folder / "git"
    script.write_text(f'#!/bin/sh\n{before}\n{real} "$@"\ncode=$?\n{after}\nexit $code\n')
    script.chmod(0o755)


def subjects(folder, branch="main"):
    return git(folder, "log", "--format=%s", branch).splitlines()


def show(folder, path, branch="main"):
    return git(folder, "show", f"{branch}:{path}")


@contextlib.contextmanager
def held(cache):
    """Hold the lock of the only mirror in `cache`, so that intents gather; yields their folder."""
    (folder,) = cache.iterdir()
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / "queue"


@contextlib.contextmanager
def at_once(cache, works):
    """Run `works` in threads while the mirror is held; yields the folder where they queue."""
    threads = [threading.Thread(target=work) for work in works]
    with held(cache) as queue:
        for thread in threads:
            thread.start()
        yield queue
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def gathered(cache, works):
    """As `at_once`, when all of `works` wait to be delivered; yields a list that holds, after the
    block, what each of them has given or raised."""
    ends = [None] * len(works)

    def run(number, work):
        try:
            ends[number] = work()
        except Exception as error:
            ends[number] = error

    with at_once(cache, [partial(run, *numbered) for numbered in enumerate(works)]) as queue:
        wait_until(lambda: len(list(queue.glob("*.intent"))) == len(works))
        yield ends


def wait_until(true, limit=30):
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def open_repository(url, cache, log=lambda _: None, sign=None, root="", **remote):
    where = Remote(str(url), **{"timeout": 20.0, **remote})
    return Repository(where, cache, clock=time.time, committer=ME, sign=sign, root=root, log=log)


class _Interrupted(Repository):
    meanwhile = afterwards = None

    def _happens(self):
        happening, self.meanwhile = self.meanwhile, None
        if happening:
            happening()

    def deliver(self, branch, plan, *, create=False):
        def planned(snapshot):
            answer = plan(snapshot)
            if branch == "main" and isinstance(answer, Edit):
                self._happens()
            return answer

        delivered = super().deliver(branch, planned, create=create)
        if branch == "main" and self.afterwards:
            happening, self.afterwards = self.afterwards, None
            happening()
        return delivered

    def submit(self, branch, edit):
        delivers = "main" in edit.prerequisites and bool(edit.prerequisites["main"].changes)
        if "main" in edit.prerequisites or edit.ref_updates:
            self._happens()
        submitted = super().submit(branch, edit)
        if delivers and submitted and self.afterwards:
            happening, self.afterwards = self.afterwards, None
            happening()
        return submitted

    def _swap(self, branch, new, expected):
        self._happens()
        return super()._swap(branch, new, expected)


def interrupted(repository):
    """What is set as its `meanwhile` happens once, after the next plan or decision and before the
    push that it leads to; its `afterwards` once after the next delivery to main."""
    repository.__class__ = _Interrupted
    return repository


class Meanwhile:
    """For what has a `ctx`: its `interrupt` happens once in the next action, before the push to
    main or to a proposal; its `afterwards` after a delivery to main."""

    interrupt = afterwards = None

    def ctx(self):
        ctx = super().ctx()
        repository = interrupted(ctx.repository)
        repository.meanwhile, repository.afterwards = self.interrupt, self.afterwards
        self.interrupt = self.afterwards = None
        return ctx


def put(path, content, message=None):
    """A plan: the file at `path` shall hold `content`, unless it does already."""

    def plan(snapshot):
        there = snapshot.read(path)
        if there == content:
            return "nothing to do"
        text = message or f"Put {path}\n\nContent: {content.decode()}\n"
        return Edit({path: content}, {path: snapshot.id(path)}, text, ME)

    return plan
