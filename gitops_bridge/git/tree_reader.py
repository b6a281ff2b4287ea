"""What a status needs of one commit, by the git program: many files in one question.

A process that only answers a status is spared the loading of libgit2 (tests/test_imports.py);
whoever plans a commit takes a Snapshot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gitops_bridge.git import failures
from gitops_bridge.git.mirror import Mirror
from gitops_bridge.git.remote import where
from gitops_bridge.git.trees import below, split


class TreeReader:
    """The tree of `commit`."""

    def __init__(self, mirror: Mirror, commit: str) -> None:
        self.commit = commit
        self._mirror = mirror

    def folders(self, path: str) -> dict[str, str]:
        """The folders in the folder `path`, a path from the mirror's root: name -> id."""
        split(path)
        folder = below(self._mirror.root, path)
        out = self._mirror.asking(lambda: self._listed(self.commit, f"{folder}/", "-d"))
        return {name.rpartition("/")[2]: identifier for name, identifier in out.items()}

    def folders_below(self, path: str) -> dict[str, str]:
        """Every folder below the folder `path`, by its path from there: path -> id."""
        split(path)
        folder = below(self._mirror.root, path)
        out = self._mirror.asking(lambda: self._listed(self.commit, f"{folder}/", "-d", "-r"))
        return {name.removeprefix(f"{folder}/"): identifier for name, identifier in out.items()}

    def files(self, path: str) -> dict[str, str]:
        """The files in the folder `path`: name -> id."""
        split(path)
        folder = below(self._mirror.root, path)
        out = self._mirror.asking(lambda: self._listed(self.commit, f"{folder}/"))
        return {name.rpartition("/")[2]: identifier for name, identifier in out.items()}

    def contents(self, blobs: Collection[str]) -> dict[str, bytes]:
        """The contents of files given by id."""
        if not blobs:
            return {}
        asked = "".join(f"{blob}\n" for blob in blobs).encode()
        out = self._mirror.asking(lambda: self._answer("cat-file", "--batch", given=asked))
        found = zip(blobs, _objects(out), strict=True)
        return {blob: content for blob, content in found if content is not None}

    def read(self, folders: Collection[str], path: str) -> dict[str, bytes]:
        """The file at `path` inside each of `folders`, given by id; nothing for those without."""
        split(path)
        return self._mirror.asking(lambda: self._read(folders, path)) if folders else {}

    def _read(self, folders: Collection[str], path: str) -> dict[str, bytes]:
        asked = "".join(f"{folder}:{path}\n" for folder in folders).encode()
        answers = _objects(self._answer("cat-file", "--batch", given=asked))
        found = {}
        for folder, content in zip(folders, answers, strict=True):
            if content is not None:
                found[folder] = content
            elif self._listed(folder, path, "-r"):  # fails when it is the folder that is lost
                raise KeyError(f"{folder}:{path}")
        return found

    def _listed(self, tree: str, path: str, *options: str) -> dict[str, str]:
        out = self._answer("ls-tree", "-z", *options, tree, "--", path)
        heads = (line.split("\t", 1) for line in out.decode(errors="replace").split("\0") if line)
        return {name: head.split(" ")[2] for head, name in heads}

    def _answer(self, *question: str, given: bytes = b"") -> bytes:
        mirror = self._mirror
        answer = mirror.git.run(*question, repository=mirror.path, given=given)
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        return answer.out


def _objects(out: bytes) -> Iterator[bytes | None]:
    """What `git cat-file --batch` prints, one object after the other, None for one that is missing:
    `<id> <type> <size>`, the content, a line feed."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        line = out[at:end]
        if line.endswith(b" missing"):
            at = end + 1
            yield None
        else:
            at = end + 2 + int(line.rpartition(b" ")[2])
            yield out[end + 1 : at - 1]
