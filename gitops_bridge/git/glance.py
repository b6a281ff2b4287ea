"""What a status needs of one commit, by the git program: many files in two questions.

`repository.glance` makes a Glance, `bridge.listing` and `bridge.reports` read from it. A process
that does nothing else starts in half the time when it need not load libgit2; who plans a commit
takes a Snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gitops_bridge.git import failures
from gitops_bridge.git.mirror import Mirror
from gitops_bridge.git.remote import where
from gitops_bridge.git.trees import split


class Glance:
    """The tree of `commit`; paths are relative to its root."""

    def __init__(self, mirror: Mirror, commit: str) -> None:
        self.commit = commit
        self._mirror = mirror

    def ids(self, paths: Sequence[str]) -> dict[str, str]:
        """The ids of the files and folders that are there at some of `paths`."""
        found = self._listed(paths, "-t")
        return {path: found[path] for path in paths if path in found}

    def below(self, folder: str) -> dict[str, str]:
        """Every file below `folder`, by its path in the repository, with its id."""
        return self._listed([f"{folder}/"], "-r")

    def contents(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The files of those ids, which a listing has named."""
        asked = "".join(f"{name}\n" for name in ids).encode()
        if not asked:
            return {}
        return self._mirror.asking(
            lambda: dict(_objects(self._answer("cat-file", "--batch", given=asked)))
        )

    def _listed(self, paths: Sequence[str], *options: str) -> dict[str, str]:
        for path in paths:
            split(path.rstrip("/"))
        question = ("ls-tree", "-z", *options, self.commit, "--", *paths)
        out = self._mirror.asking(lambda: self._answer(*question))
        heads = (line.split("\t", 1) for line in out.decode(errors="replace").split("\0") if line)
        return {path: head.split(" ")[2] for head, path in heads}

    def _answer(self, *question: str, given: bytes = b"") -> bytes:
        mirror = self._mirror
        answer = mirror.git.run(*question, repository=mirror.path, given=given)
        if answer.code != 0:
            raise failures.explain(answer.err, where(mirror.remote))
        return answer.out


def _objects(out: bytes) -> Iterator[tuple[str, bytes]]:
    """What `git cat-file --batch` prints: `<id> <type> <size>`, the content, a line feed. Raises
    KeyError for an object that is missing, as it is in a damaged mirror only."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        name, kind, *size = out[at:end].split(b" ")
        if kind == b"missing":
            raise KeyError(name.decode())
        at = end + 2 + int(size[0])
        yield name.decode(), out[end + 1 : at - 1]
