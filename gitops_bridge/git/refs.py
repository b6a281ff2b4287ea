"""The mirror's refs, read from the files they are.

A look at a ref must not cost the loading of libgit2, for most statuses need nothing else of it. The
layout is git's own (gitrepository-layout(5)): a loose file counts before its line in packed-refs.
`program` sees to it that git makes no other kind of ref store here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{40}")
_PACKED = re.compile(r"^([0-9a-f]{40}) (\S+)$", re.MULTILINE)


def find(repository: Path, name: str) -> str:
    """The commit a ref is at, "" when there is none. Raises KeyError for one that is damaged."""
    try:
        text = _read(f"{repository}/{name}")  # paths as text: an action asks for dozens of refs
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return _packed(repository).get(name, "")
    return _checked(name, text)


def below(repository: Path, prefix: str) -> dict[str, str]:
    """The refs whose names start with `prefix`, sorted, with their commits."""
    found = {name: at for name, at in _packed(repository).items() if name.startswith(prefix)}
    folder = repository / prefix.rpartition("/")[0]
    for path in _files(folder):
        name = path.relative_to(repository).as_posix()
        if name.startswith(prefix) and not name.endswith(".lock"):
            try:
                found[name] = _checked(name, _read(str(path)))
            except FileNotFoundError:  # deleted since it was listed
                found.pop(name, None)
    return dict(sorted(found.items()))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _packed(repository: Path) -> dict[str, str]:
    try:
        text = _read(f"{repository}/packed-refs")
    except FileNotFoundError:
        return {}
    return {name: commit for commit, name in _PACKED.findall(text)}


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _checked(name: str, text: str) -> str:
    commit = text.strip()
    if not _ID.fullmatch(commit):
        raise KeyError(f"{name} holds no commit")
    return commit
