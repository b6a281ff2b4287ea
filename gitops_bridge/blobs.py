"""The content of files as Git keeps it: bytes, and a mode where a file is no ordinary one.

A tree of files travels as `path -> bytes` through the whole package. An executable file, a symbolic
link and a submodule are bytes too, of the class Special, so that whoever hands files on keeps what
they are without asking.
"""

from __future__ import annotations

ORDINARY, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000


class Special(bytes):
    """A file with a mode of its own. The content of a link is the path it names, of a submodule the
    id of its commit in hex."""

    mode: int

    def __new__(cls, content: bytes, mode: int) -> Special:
        made = super().__new__(cls, content)
        made.mode = mode
        return made


def of(content: bytes, mode: int) -> bytes:
    """`content` with its mode, plain bytes for an ordinary file."""
    return content if mode not in {EXECUTABLE, LINK, SUBMODULE} else Special(content, mode)


def mode_of(content: bytes) -> int:
    """One of the modes above."""
    return content.mode if isinstance(content, Special) else ORDINARY


def link_target(content: bytes | None) -> str | None:
    """The path that a symbolic link names, None for any other file."""
    if content is None or mode_of(content) != LINK:
        return None
    return text(content)


def text(raw: bytes) -> str:
    """A path as Python's file functions take it; what is not UTF-8 in it is kept (PEP 383)."""
    return raw.decode("utf-8", "surrogateescape")


def raw(path: str) -> bytes:
    """The bytes of a path, as Git and the file system keep it."""
    return path.encode("utf-8", "surrogateescape")
