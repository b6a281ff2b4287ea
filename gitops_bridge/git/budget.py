"""How much time the caller has left, for every git process, lock and pause on its way."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_GRACE = 1.0
"""Seconds that one more step may take after the end: an answer may need a look at the mirror."""


class Budget:
    """Each thread has its own; without a limit there is no end."""

    def __init__(self) -> None:
        self._own = threading.local()

    def left(self) -> float:
        """Seconds, never less than 0."""
        left: Callable[[], float] | None = getattr(self._own, "left", None)
        return math.inf if left is None else max(0.0, left())

    def of_step(self, most: float) -> float:
        """Seconds for one step, such as a run of git, that may take at most so many."""
        return min(most, max(self.left(), _GRACE))

    @contextmanager
    def limited(self, left: Callable[[], float]) -> Iterator[None]:
        """Within the block `left` says how many seconds there are, or an outer block does when it
        has fewer."""
        outer: Callable[[], float] | None = getattr(self._own, "left", None)
        self._own.left = left if outer is None else lambda: min(left(), outer())
        try:
            yield
        finally:
            self._own.left = outer
