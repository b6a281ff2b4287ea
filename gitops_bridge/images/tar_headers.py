"""A tar's headers, kept from filling the memory: the standard library reads long names, pax headers
and the maps of sparse files whole, however long they are, and in a gzip they cost next to nothing.

`archives` opens every tar with `Member`.
"""

from __future__ import annotations

import tarfile
from typing import Any

from gitops_bridge.errors import ImageError

_EXTENDED = frozenset({
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
})  # fmt: skip
_LONGEST = 1 << 20


class Member(tarfile.TarInfo):
    """A member, for `tarfile.open(tarinfo=…)`; reading its header raises ImageError where that is
    longer than 1 MiB, or has the map of a sparse file, whose length nothing states."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _EXTENDED and self.size > _LONGEST:
            raise ImageError(f"holds a header of {self.size} bytes, more than {_LONGEST}")
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._proc_gnusparse_10()
        return super()._proc_member(archive)  # type: ignore[misc]

    def _proc_gnusparse_10(self, *_: Any) -> Any:
        raise ImageError("holds a sparse file", hint="pack it without --sparse")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10
