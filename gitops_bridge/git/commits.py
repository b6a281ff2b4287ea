"""Signature, Edit, Update, Commit and Delivered: what is to be committed, and what has been.

CommitWriter turns an Edit and a parent into a commit object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitops_bridge.git.trees import below

if TYPE_CHECKING:
    import pygit2

Sign = Callable[[bytes], str]
"""Takes the bytes of a commit, gives the armoured signature over them."""


@dataclass(frozen=True)
class Signature:
    """Who wrote or committed something."""

    name: str
    email: str


@dataclass(frozen=True)
class Update:
    """Move `branch` from the commit `old` to `new`; "" is a branch that is not there."""

    branch: str
    old: str
    new: str


@dataclass(frozen=True)
class Edit:
    """What is to be committed on one branch, why, and what must not have changed meanwhile.

    `changes`: path -> new content; None removes that file or folder, if it is there. What is
    removed goes first, so one edit can replace a folder whole. An edit without changes makes no
    commit: it only asks for its guards.

    `base`: the commit the edit was planned on; "" when the branch did not exist, which lets the
    edit create it; None when only the content counts.

    `guards`: path -> id of the tree or blob that was there when the edit was planned; None =
    nothing was there; the path "" is the whole tree. They must hold in what the branch is now and
    in every commit that it was at since `base`: a change that was undone is a change too.

    `prerequisites`: branch -> the edit that must arrive there with this one. `ref_updates`: other
    branches that move with it (`old` equal to `new` only asks for where the branch is). All of it
    arrives in one transaction of the server, or nothing does; `delivery` documents the order for
    servers without transactions.
    """

    changes: Mapping[str, bytes | None]
    guards: Mapping[str, str | None]
    message: str
    author: Signature
    base: str | None = None
    ref_updates: tuple[Update, ...] = ()
    prerequisites: Mapping[str, Edit] = field(default_factory=dict)

    def below(self, root: str) -> Edit:
        """The same edit with its paths, which are relative to the folder `root`, from the top of
        the repository."""
        if not root:
            return self
        return replace(
            self,
            changes={below(root, path): content for path, content in self.changes.items()},
            guards={below(root, path): there for path, there in self.guards.items()},
            prerequisites={branch: edit.below(root) for branch, edit in self.prerequisites.items()},
        )


@dataclass(frozen=True)
class Commit:
    """A commit as history shows it; `time` is the committer's, in whole seconds since the epoch."""

    id: str
    parents: tuple[str, ...]
    author: Signature
    time: int
    message: str = field(repr=False)
    committer: Signature | None = None

    @property
    def trailers(self) -> dict[str, str]:
        """The `Key: value` lines of the message's last paragraph."""
        paragraphs = re.split(r"\n\s*\n", self.message.strip())
        lines = paragraphs[-1].splitlines() if len(paragraphs) > 1 else []
        found = [re.fullmatch(r"([A-Za-z0-9-]+): *(.*)", line) for line in lines]
        pairs = [match for match in found if match]
        return {m[1]: m[2] for m in pairs} if len(pairs) == len(found) else {}


@dataclass(frozen=True)
class Delivered:
    """The commits that an edit of `branch` and its prerequisites have become, by branch."""

    branch: str
    commits: Mapping[str, Commit]

    @property
    def commit(self) -> Commit | None:
        """The one on the edit's own branch, None when it only changed something elsewhere."""
        return self.commits.get(self.branch)


def exists(repository: pygit2.Repository, identifier: str) -> bool:
    """Whether the full id names an object here."""
    return bool(re.fullmatch(r"[0-9a-f]{40}", identifier)) and identifier in repository


def commit(repository: pygit2.Repository, identifier: str) -> pygit2.Commit:
    """The commit object of that id. Raises KeyError when there is none."""
    import pygit2

    found = repository.get(identifier)
    if not isinstance(found, pygit2.Commit):
        raise KeyError(identifier)
    return found


def read(repository: pygit2.Repository, identifier: str) -> Commit:
    """The commit of that id. Raises KeyError when there is none."""
    found = commit(repository, identifier)
    return Commit(
        id=str(found.id),
        parents=tuple(str(parent) for parent in found.parent_ids),
        author=Signature(found.author.name, found.author.email),
        time=found.commit_time,
        message=found.message,
        committer=Signature(found.committer.name, found.committer.email),
    )


@dataclass(frozen=True)
class CommitWriter:
    """Who writes commits, by which clock (seconds since the epoch), and what signs them."""

    committer: Signature
    clock: Callable[[], float]
    sign: Sign | None

    def write(
        self, repository: pygit2.Repository, *, tree: pygit2.Oid, parent: str, edit: Edit
    ) -> str:
        """Write a commit object that no ref points to yet; `parent` "" makes a root commit."""
        import pygit2

        now = int(self.clock())
        author, seal = (
            pygit2.Signature(who.name, who.email, now, 0, "utf-8")
            for who in (edit.author, self.committer)
        )
        parents: list[str | pygit2.Oid] = [parent] if parent else []
        message = normal(edit.message)
        if self.sign is None:
            return str(repository.create_commit(None, author, seal, message, tree, parents))
        text = str(repository.create_commit_string(author, seal, message, tree, parents))
        signature = self.sign(text.encode())
        return str(repository.create_commit_with_signature(text, signature, "gpgsig"))


def normal(message: str) -> str:
    """As git keeps it: no blank ends, one line feed."""
    return message.strip() + "\n"
