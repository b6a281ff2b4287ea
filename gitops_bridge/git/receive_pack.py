"""Updates of branches become one request to a server's receive-pack, for the push that goes well.

`git push` over HTTP is five processes and two requests. This is one POST: the old values as
compare-and-swap, a thin pack, and the server's report. Whatever is not "all accepted", a redirect
or a lost connection included, is left to `git push`: it says what is wrong, and does no harm where
this has arrived after all, since its leases do not hold then.
https://git-scm.com/docs/pack-protocol and https://git-scm.com/docs/gitformat-pack describe it.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitops_bridge.git.commits import Update
from gitops_bridge.git.network import remote_ref

if TYPE_CHECKING:
    from http.client import HTTPConnection

    import pygit2

    from gitops_bridge.git.budget import Budget
    from gitops_bridge.git.remote import Remote

_NOTHING = "0" * 40
_AGENT = "git/gitops-bridge"  # some servers take nobody else for a git client
_AGE, _PAUSE = 3600.0, 600.0
"""Seconds for which a server's capabilities are remembered, and for which it is left alone after
`git push` could do what this could not."""
_COMMITS, _SIZE, _ANSWER = 2000, 4 << 20, 1 << 20
"""A push of more commits or bytes is one for git; a longer answer is none."""
_ENTRY = re.compile(rb"(\d+) ([^\0]+)\0(.{20})", re.DOTALL)  # of a raw tree: mode, name, id
_FOLDER, _SUBMODULE = b"40000", b"160000"
_DELTA_FROM = 512  # bytes of a tree from which on a delta is shorter


class ReceivePack:
    """Of one remote; `file` remembers what the server can do."""

    def __init__(self, remote: Remote, budget: Budget, file: Path) -> None:
        self._remote = remote
        self._budget = budget
        self._file = file

    def push(self, repository: pygit2.Repository, updates: Sequence[Update]) -> bool | None:
        """Whether the server has accepted all updates, in one transaction; None when it was not
        asked, because it cannot be in this way."""
        if self._remote.transport not in {"http", "https"} or self._remote.proxy:
            return None
        from http.client import HTTPException

        try:
            can = self._capabilities()
            if "report-status" not in can or (len(updates) > 1 and "atomic" not in can):
                return None
            wanted = [name for name in ("report-status", "side-band-64k", "atomic") if name in can]
            body = _commands(updates, [*wanted, f"agent={_AGENT}"])
            if any(update.new for update in updates):
                body += _pack(repository, updates)
            if len(body) > _SIZE:
                return None
            answer = self._ask("POST", "git-receive-pack", "git-receive-pack-request", body)
            return _accepted(answer, updates, bands="side-band-64k" in wanted)
        except (OSError, ValueError, KeyError, StopIteration, HTTPException):
            return False

    def leave_alone(self) -> None:
        """`git push` has done what this could not: use that for a while."""
        with suppress(OSError):
            self._remember([], _PAUSE)

    def _capabilities(self) -> list[str]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(self._file.read_text())
            if time.time() < known["until"]:
                return list(known["capabilities"])
        path = "info/refs?service=git-receive-pack"
        answer = self._ask("GET", path, "git-receive-pack-advertisement")
        told = next(line.partition(b"\0")[2] for line in _lines(answer) if b"\0" in line)
        return self._remember(told.decode().split(), _AGE)

    def _remember(self, capabilities: list[str], age: float) -> list[str]:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"capabilities": capabilities, "until": time.time() + age}))
        new.rename(self._file)
        return capabilities

    def _ask(self, method: str, path: str, kind: str, body: bytes | None = None) -> bytes:
        """The answer's body. Raises OSError or HTTPException for anything but a good answer."""
        until = time.monotonic() + self._budget.of_step(self._remote.timeout)
        connection = self._connection(until - time.monotonic())
        place = f"{urlsplit(self._remote.address).path.rstrip('/')}/{path}"
        headers = {"User-Agent": _AGENT, "Accept": "*/*", **self._remote.authorization()}
        if body is not None:
            headers["Content-Type"] = f"application/x-{kind}"
        try:
            connection.request(method, place, body, headers)
            answer = connection.getresponse()
            found = b""
            while chunk := answer.read1(65536):
                found += chunk
                if time.monotonic() > until or len(found) > _ANSWER * (16 if body is None else 1):
                    raise OSError("too slow or too long")
            expected = f"application/x-{kind.replace('-request', '-result')}"
            if answer.status != 200 or answer.headers.get_content_type() != expected:
                raise OSError(f"unexpected answer {answer.status}")
            return found
        finally:
            connection.close()

    def _connection(self, seconds: float) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        parts = urlsplit(self._remote.address)
        if parts.scheme.lower() == "http":
            return HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
        import ssl

        trust = ssl.create_default_context(cafile=self._remote.ca_file)
        return HTTPSConnection(parts.hostname or "", parts.port, timeout=seconds, context=trust)


def _commands(updates: Sequence[Update], capabilities: list[str]) -> bytes:
    lines = [
        f"{update.old or _NOTHING} {update.new or _NOTHING} {remote_ref(update.branch)}".encode()
        for update in updates
    ]
    lines[0] += b"\0" + " ".join(capabilities).encode()
    return b"".join(b"%04x%s" % (len(line) + 4, line) for line in lines) + b"0000"


def _pack(repository: pygit2.Repository, updates: Sequence[Update]) -> bytes:
    """The objects the server does not have, trees as deltas to what it has."""
    objects = dict(_objects(repository, updates))
    parts = [struct.pack(">4sII", b"PACK", 2, len(objects))]
    for name, base in objects.items():
        kind, data = repository.read(name)
        if base and len(data) > _DELTA_FROM:
            delta = _delta(repository.read(base)[1], data)
            parts.append(_header(7, len(delta)) + bytes.fromhex(base) + zlib.compress(delta, 1))
        else:
            parts.append(_header(int(kind), len(data)) + zlib.compress(data, 1))
    packed = b"".join(parts)
    return packed + hashlib.sha1(packed, usedforsecurity=False).digest()


def _objects(
    repository: pygit2.Repository, updates: Sequence[Update]
) -> Iterator[tuple[str, str | None]]:
    """The ids of new objects, each with the tree that it is a later version of."""
    walker = repository.walk(None)
    for update in updates:
        if update.new and update.new != update.old:
            walker.push(update.new)
        if update.old and update.old in repository:
            walker.hide(update.old)
    for number, commit in enumerate(walker):
        if number >= _COMMITS:
            raise ValueError("too many commits")
        yield str(commit.id), None
        before = str(commit.parents[0].tree_id) if commit.parent_ids else None
        yield from _changed(repository, str(commit.tree_id), before)


def _changed(
    repository: pygit2.Repository, tree: str, before: str | None
) -> Iterator[tuple[str, str | None]]:
    if tree == before:
        return
    yield tree, before
    old = set(_ENTRY.findall(repository.read(before)[1])) if before else set()
    was = {name: oid.hex() for mode, name, oid in old if mode == _FOLDER}
    for mode, name, oid in set(_ENTRY.findall(repository.read(tree)[1])) - old:
        if mode == _FOLDER:
            yield from _changed(repository, oid.hex(), was.get(name))
        elif mode != _SUBMODULE:
            yield oid.hex(), None


def _header(kind: int, size: int) -> bytes:
    first, rest = kind << 4 | size & 15, size >> 4
    return bytes([first | 0x80]) + _length(rest) if rest else bytes([first])


def _delta(base: bytes, data: bytes) -> bytes:
    """Copy what both begin and end with, and insert what lies between."""
    start = _common(base, data)
    end = _common(base[start:][::-1], data[start:][::-1])
    middle = data[start : len(data) - end]
    inserts = b"".join(
        bytes([len(part)]) + part
        for part in (middle[at : at + 127] for at in range(0, len(middle), 127))
    )
    copies = _copies(0, start), inserts, _copies(len(base) - end, end)
    return _length(len(base)) + _length(len(data)) + b"".join(copies)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _copies(offset: int, size: int) -> bytes:
    found = b""
    while size:
        part = min(size, 0xFFFF)
        found += b"\xbf" + struct.pack("<IH", offset, part)
        offset, size = offset + part, size - part
    return found


def _length(size: int) -> bytes:
    found = bytearray()
    while size > 0x7F:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*found, size])


def _lines(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = int(data[at : at + 4], 16)
        yield data[at + 4 : at + size] if size else b""
        at += max(size, 4)


def _accepted(answer: bytes, updates: Sequence[Update], *, bands: bool) -> bool:
    if bands:
        answer = b"".join(line[1:] for line in _lines(answer) if line[:1] == b"\1")
    report = [line.decode(errors="replace").rstrip("\n") for line in _lines(answer) if line]
    wanted = {f"ok {remote_ref(it.branch)}" for it in updates}
    return report[:1] == ["unpack ok"] and wanted <= set(report[1:])
