"""A pseudo terminal, to see what a person sees and to find out what waits for an answer."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS, ROWS = 80, 24


@dataclass(frozen=True)
class Shown:
    """What a command wrote on the terminal, and its exit code; None: it was still waiting."""

    out: str
    code: int | None


def on_a_terminal(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    typed: str = "",
    timeout: float = 60.0,
) -> Shown:
    """Run `command` in `folder` on a terminal of 80 columns. `typed` is pasted at its start, and
    then nobody types anything."""
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(command[0], [str(part) for part in command], {**given, **(environment or {})})  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        _paste(terminal, typed)
        out, ended = _read(terminal, time.monotonic() + timeout)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(terminal)
    text = out.decode(errors="replace").replace("\r\n", "\n")
    return Shown(text, os.waitstatus_to_exitcode(status) if ended else None)


def _paste(terminal: int, text: str) -> None:
    """A writer of its own, because a terminal takes a page at a time and no more."""
    if text:
        data = text.replace("\n", "\r").encode()
        threading.Thread(target=_write_all, args=(terminal, data), daemon=True).start()


def _write_all(terminal: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(terminal, data[:512]) :]
        except OSError:  # nobody reads any more
            return
        time.sleep(0.01)


def _read(terminal: int, end: float) -> tuple[bytes, bool]:
    """Everything until the command has ended, or until it is time; whether it has ended."""
    out = b""
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # how Linux says that nobody has the terminal open any more
                return out, True
            if not data:
                return out, True
            out += data
    return out, False
