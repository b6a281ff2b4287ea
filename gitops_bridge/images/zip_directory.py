"""A zip's directory, looked at before the standard library reads it all into memory.

`archives` calls `check`. The directory is written last, so a file that was cut off has none.
Records: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.12 to 4.3.16.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 0xFFFF


def check(path: Path, most_entries: int, most_bytes: int) -> None:
    """Raise zipfile.BadZipFile unless the directory is whole, within the limits, and every entry
    it names lies in the file."""
    with path.open("rb") as file:
        entries, size = _end(file)
    if entries > most_entries or size > most_bytes:
        raise zipfile.BadZipFile(f"its directory states {entries} entries in {size} bytes")
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if len(infos) != entries:
            raise zipfile.BadZipFile(f"its directory states {entries} entries, has {len(infos)}")
        for info in infos:
            end = info.header_offset + info.compress_size
            if info.header_offset < 0 or end > archive.start_dir:
                raise zipfile.BadZipFile(f"{info.orig_filename!r:.200} lies outside of the file")


def _end(file: BinaryIO) -> tuple[int, int]:
    """(entries, bytes of the directory) from the record at the end of the file."""
    length = file.seek(0, 2)
    file.seek(max(0, length - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("the directory at its end is missing")
    record = _END.unpack_from(tail, at)
    entries, size = record[4], record[5]
    locator = at - _LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        file.seek(min(_LOCATOR.unpack_from(tail, locator)[2], length))
        block = file.read(_END_64.size)
        if len(block) == _END_64.size and block[:4] == b"PK\x06\x06":
            entries, size = _END_64.unpack(block)[7:9]
    return entries, size
