"""What the process is waiting for, as log records: one when a wait begins, one when it ends.

`gitops-bridge -v` prints them; a terminal shows the current one when it takes long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger("gitops_bridge.activity")


@contextmanager
def activity(text: str) -> Iterator[None]:
    """Log, at level DEBUG, that `text` begins and how long it took. `text` must hold no secret.

    A record that begins a wait has the attribute `begins` set to True, the one that ends it False.
    """
    if not LOGGER.isEnabledFor(logging.DEBUG):
        yield
        return
    started = time.monotonic()
    LOGGER.debug("%s …", text, extra={"begins": True})
    try:
        yield
    finally:
        taken = time.monotonic() - started
        LOGGER.debug("%s: %.2f s", text, taken, extra={"begins": False})
