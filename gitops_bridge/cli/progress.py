"""Activity records to one line on a terminal that says what is being waited for, and how long.

The line appears once the verb has run for two seconds, and it is erased as soon as the wait ends,
so that it never mixes with what a verb prints or asks.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from typing import TextIO

from gitops_bridge.activity import LOGGER
from gitops_bridge.errors import printable

_PATIENCE = 2.0  # seconds
_TICK = 0.2  # seconds
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ERASE = "\r\x1b[K"


class Printable(logging.Formatter):
    """Leaves no escape sequence that a server, or a traceback that quotes one, could bring."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def show_on(stream: TextIO) -> None:
    """From now on show on `stream`, a terminal, what this process waits for."""
    LOGGER.addHandler(_Line(stream))
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.propagate = False  # the handlers of the log itself do not want these records


class _Line(logging.Handler):
    """Draws from a thread of its own, which starts with the first wait. A handler's lock keeps
    the thread and the records apart."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._waits: list[tuple[str, float]] = []
        self._started = time.monotonic()
        self._thread: threading.Thread | None = None
        self._drawn = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.begins:  # type: ignore[attr-defined] # set by `activity`
            self._waits.append((record.getMessage().removesuffix(" …"), time.monotonic()))
            if self._thread is None:
                self._thread = threading.Thread(target=self._draw_on, daemon=True)
                self._thread.start()
            return
        if self._waits:
            self._waits.pop()
        self._erase()

    def _draw_on(self) -> None:
        frame = 0
        while True:
            time.sleep(_TICK)
            if time.monotonic() - self._started < _PATIENCE:
                continue
            with self.lock:  # type: ignore[union-attr] # made by Handler.__init__
                if self._waits:
                    self._draw(FRAMES[frame % len(FRAMES)])
            frame += 1

    def _draw(self, frame: str) -> None:
        text, since = self._waits[-1]
        line = f"{frame} {text} ({time.monotonic() - since:.0f} s)"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"{_ERASE}{line[:width]}")
        self._stream.flush()
        self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._drawn = False
