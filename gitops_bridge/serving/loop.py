"""Looks repeated for as long as the process lives: at an interval, sooner when something happened.

A look is a callable that brings every rollout one step further and returns what it did. What asks
for a look (a webhook, a watch) only makes the next one come sooner; that is lost on nobody, because
one that is asked for during a look follows it. A look that fails is followed by the next.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Span = Literal["action_to_commit", "commit_to_synced", "synced_to_ready"]


@dataclass(frozen=True)
class LookResult:
    """What one look did for one deployment.

    `decision` is one of a few words, such as delivered, proposed, waiting, held or failed. `spans`
    are the seconds of stages that ended with this look, `pushes` the attempts to push.
    """

    environment: str
    deployment: str
    decision: str
    said: str = ""
    problem: str | None = None
    held: bool = False
    waiting: bool = False
    reverted_by: str | None = None
    spans: Mapping[Span, float] = field(default_factory=dict)
    pushes: int = 0


@dataclass(frozen=True)
class Look:
    """One look: how long it took in seconds and what came of it; `error` when it broke off."""

    results: tuple[LookResult, ...]
    seconds: float
    error: Exception | None = None


@dataclass(frozen=True)
class LookPace:
    """Seconds: `interval` from one look to the next, give or take a tenth; `shortest` between two
    that are asked for; `standby` between two questions whether this process leads; `longest` that a
    look may take before the process counts as stuck."""

    interval: float = 60.0
    shortest: float = 2.0
    standby: float = 5.0
    longest: float = 900.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest <= self.interval or self.standby <= 0:
            raise ValueError("0 < shortest <= interval and 0 < standby are expected")


class StandingLoop:
    """`leads` tells whether this process may look; `noted` gets each Look, in the same thread.
    `clock` gives monotonic seconds, `chance` a number from 0 up to 1."""

    def __init__(
        self,
        look: Callable[[], Sequence[LookResult]],
        *,
        pace: LookPace,
        clock: Callable[[], float],
        chance: Callable[[], float],
        leads: Callable[[], bool] = lambda: True,
        noted: Callable[[Look], None] = lambda look: None,
    ) -> None:
        self._look = look
        self._pace = pace
        self._clock = clock
        self._chance = chance
        self._leads = leads
        self._noted = noted
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._began: float | None = None
        self._ready = False

    def run(self) -> None:
        """Returns after `stop`, when the look under way is over."""
        while not self._stopped.is_set():
            if self._leads():
                self._take()
                self._rest()
            else:
                self._ready = True
                self._stopped.wait(self._pace.standby)

    def ask(self) -> None:
        """The next look shall come soon. Any thread may ask, as often as it likes."""
        self._asked.set()

    def stop(self) -> None:
        """The look under way is the last one."""
        self._stopped.set()
        self._asked.set()

    @property
    def is_stuck(self) -> bool:
        began = self._began
        return began is not None and self._clock() - began > self._pace.longest

    @property
    def is_ready(self) -> bool:
        """Whether a look has succeeded, or another process leads."""
        return self._ready and not self._stopped.is_set()

    def _take(self) -> None:
        self._asked.clear()
        began = self._began = self._clock()
        results: Sequence[LookResult] = ()
        error: Exception | None = None
        try:
            results = self._look()
            self._ready = True
        except Exception as failure:  # a fault of ours in one look must not end the others
            error = failure
        self._began = None
        self._noted(Look(tuple(results), self._clock() - began, error))

    def _rest(self) -> None:
        jittered = self._pace.interval * (0.9 + 0.2 * self._chance())
        self._stopped.wait(self._pace.shortest)
        self._asked.wait(max(0.0, jittered - self._pace.shortest))


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop`; a second one ends the process as it would have at once.

    For the main thread. `stop` runs in a thread of its own: the signal may have come in the middle
    of a wait, whose lock a handler could never get.
    """
    usual = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def handle(*_: object) -> None:
        restore()
        threading.Thread(target=stop, daemon=True).start()

    for number in usual:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
