"""What `init` wants to write and what a repository already holds, to a Plan: what is created, what
changes, what stays because people edited it, what stands in the way.

Which files are ours is told by `.gitops-bridge/scaffold.yaml`, a list of path and Git blob id of
everything init last wrote. A file whose blob id is the listed one is untouched since then and may
be replaced by a newer one of ours; any other file is people's. Ids of content, rather than a search
for init's commits, because they hold whatever happened to history: squash and rebase merges, a
moved or shallow repository. `cli.init` calls `compare`.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gitops_bridge import documents
from gitops_bridge.errors import ConfigError

MANIFEST = ".gitops-bridge/scaffold.yaml"
OURS = ("base/", "argocd/")
_COMMENT = """\
# What gitops-bridge init wrote, with Git's id of each content, so that `init --upgrade` tells its
# own files from edited ones. Leave it to init.
"""


class Tree(Protocol):
    """What is read of the repository: as git.Snapshot offers it."""

    def id(self, path: str) -> str | None: ...

    def read(self, path: str) -> bytes | None: ...

    def entries(self, path: str) -> Mapping[str, tuple[str, str]]: ...


class Role(Enum):
    """How a file of the scaffold behaves once it exists.

    OURS      replaced by a newer one while nobody edited it; in the way when somebody else wrote it
    EDITED    as OURS, but carries answers: changed in place, people's own edits kept
    TEAMS     written once, never looked at again; in the way when it is there before init
    COURTESY  written when there is none; a team that has its own keeps it
    """

    OURS = "ours"
    EDITED = "edited"
    TEAMS = "teams"
    COURTESY = "courtesy"


@dataclass(frozen=True)
class File:
    content: bytes
    role: Role


@dataclass(frozen=True)
class Change:
    """A file before and after; before is None for a new one, after for one that goes."""

    path: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True)
class Plan:
    """What to commit, and what to tell.

    changes  new files, and those of ours that change or go
    kept     files that people edited or removed or that are theirs, with what ours would be now
    skipped  courtesies that the team has already, with what ours would say
    notes    what lies beside it, in words
    """

    changes: tuple[Change, ...]
    kept: tuple[Change, ...] = ()
    skipped: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What init last wrote here, and by which version; `version` None: init never ran here."""

    version: str | None
    files: Mapping[str, str]


def blob_id(content: bytes) -> str:
    """Git's name for a file of that content."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def manifest(tree: Tree) -> Manifest:
    """Raises ConfigError when the file is there but was damaged."""
    text = tree.read(MANIFEST)
    if text is None:
        return Manifest(None, {})
    try:
        data = documents.load_verbatim(text)
    except documents.InvalidYaml as error:
        raise _damaged(str(error)) from None
    files = data.get("files") if isinstance(data, dict) else None
    version = data.get("version") if isinstance(data, dict) else None
    if not isinstance(files, dict) or not isinstance(version, str):
        raise _damaged("version and files are expected")
    if not all(isinstance(item, str) for pair in files.items() for item in pair):
        raise _damaged("a path and an id are expected in each line of files")
    return Manifest(version, files)


def _damaged(why: str) -> ConfigError:
    return ConfigError(f"{MANIFEST}: {why}", hint="bring it back from Git's history")


def compare(
    wanted: Mapping[str, File],
    tree: Tree,
    version: str,
    *,
    upgrade: bool,
    in_the_way: Sequence[str] = (),
) -> Plan:
    """The Plan that brings `wanted` to `tree`, written by `version`.

    Without `upgrade` a file of ours that differs stays as it is: only answers are brought in.
    Raises ConfigError listing everything that stands in the way, beside what is known to be.
    """
    written = manifest(tree)
    sorter = _Sorter(tree, written, upgrade)
    for path, file in sorted(wanted.items()):
        sorter.sort(path, file)
    if conflicts := [*in_the_way, *sorter.conflicts]:
        raise ConfigError(
            "these are in the way and were not written by init: " + ", ".join(conflicts),
            hint="--root SUBFOLDER puts all of it below a folder of its own; or move them or merge "
            "them into the new layout (--directory DIR writes the files to compare with), let what "
            "reads a folder leave it out, and run init again",
        )
    if upgrade:
        sorter.drop(path for path in written.files if path not in wanted)
    changes = sorter.changes
    ids = {**written.files, **sorter.written}
    ids = {path: identifier for path, identifier in ids.items() if path not in sorter.dropped}
    if changes or ids != written.files:
        said = version if upgrade or written.version is None else written.version
        before = tree.read(MANIFEST)
        after = _manifest_text(said, ids)
        changes = [*changes, Change(MANIFEST, before, after)]
    return Plan(tuple(changes), tuple(sorter.kept), tuple(sorter.skipped))


def _manifest_text(version: str, ids: Mapping[str, str]) -> bytes:
    data = {"version": version, "files": dict(sorted(ids.items()))}
    return (_COMMENT + documents.dump(data)).encode()


class _Sorter:
    """Decides about one file after the other."""

    def __init__(self, tree: Tree, written: Manifest, upgrade: bool) -> None:
        self._tree = tree
        self._before = written
        self._upgrade = upgrade
        self.changes: list[Change] = []
        self.kept: list[Change] = []
        self.skipped: list[Change] = []
        self.conflicts: list[str] = []
        self.written: dict[str, str] = {}
        self.dropped: set[str] = set()

    def drop(self, paths: Iterable[str]) -> None:
        """Files of ours that this version has no more go, unless people edited them."""
        for path in sorted(paths):
            if not path.startswith(OURS):
                continue
            self.dropped.add(path)
            if self._tree.id(path) == self._before.files[path]:
                self.changes.append(Change(path, self._tree.read(path), None))

    def sort(self, path: str, file: File) -> None:
        here, wanted = self._tree.id(path), blob_id(file.content)
        last = self._before.files.get(path)
        if here == wanted:
            if last is None or file.role is not Role.EDITED:
                self.written[path] = wanted
        elif here is None and last is None:
            self._create(path, file, wanted)
        elif here is None:
            self._keep(path, file, wanted, last)
        elif last is None:
            self._meet_foreign(path, file)
        elif file.role is Role.EDITED or (file.role is Role.OURS and here == last):
            self._update(path, file, here, wanted)
        else:
            self._keep(path, file, wanted, last)

    def _create(self, path: str, file: File, wanted: str) -> None:
        blocker = next((part for part in _parents(path) if self._tree.read(part) is not None), None)
        if blocker is not None:
            text = f"{blocker} (a file where a folder is needed)"
            self.conflicts += [] if text in self.conflicts else [text]
        elif other := self._spelt_otherwise(path):
            if file.role is Role.COURTESY:
                self.skipped.append(Change(other, self._tree.read(other), file.content))
            else:
                self.conflicts.append(f"{other} (another spelling of {path})")
        else:
            self.changes.append(Change(path, None, file.content))
            self.written[path] = wanted

    def _spelt_otherwise(self, path: str) -> str | None:
        """What is there and would be taken for `path`, or for a folder on the way to it, by
        kustomize, a forge or a file system that does not tell upper from lower case."""
        for part in (path, *_parents(path)):
            folder, name = posixpath.split(part)
            for entry in self._tree.entries(folder):
                if entry != name and _spelling(entry) == _spelling(name):
                    return posixpath.join(folder, entry)
        return None

    def _meet_foreign(self, path: str, file: File) -> None:
        theirs = self._tree.read(path)
        if file.role is Role.COURTESY and theirs is not None:
            self.skipped.append(Change(path, theirs, file.content))
        elif path not in self.conflicts:
            self.conflicts.append(path if theirs is not None else f"{path} (a folder)")

    def _update(self, path: str, file: File, here: str, wanted: str) -> None:
        """An edited file that changes in place stays people's: its listed id is not moved on."""
        if file.role is Role.OURS and not self._upgrade:
            return
        self.changes.append(Change(path, self._tree.read(path), file.content))
        if here == self._before.files.get(path):
            self.written[path] = wanted

    def _keep(self, path: str, file: File, wanted: str, last: str | None) -> None:
        """Worth telling where there is something new for it, by version or by answers, and on an
        upgrade where one of ours is gone: what it held is missing from what is rendered."""
        here = self._tree.read(path)
        ours = self._upgrade and file.role is Role.OURS
        if (wanted != last and (ours or file.role is Role.TEAMS)) or (ours and here is None):
            self.kept.append(Change(path, here, file.content))


def _spelling(name: str) -> str:
    lower = name.lower()
    if lower == "kustomization":
        return "kustomization.yaml"
    stem, extension = posixpath.splitext(lower)
    if stem == "readme" and extension in {"", ".md", ".rst", ".txt", ".adoc"}:
        return stem
    return f"{stem}.yaml" if extension == ".yml" else lower


def _parents(path: str) -> Iterator[str]:
    parent = posixpath.dirname(path)
    while parent:
        yield parent
        parent = posixpath.dirname(parent)
