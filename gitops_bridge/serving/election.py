"""One of several processes leads: its Lease is renewed beside the looks, which may take longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from gitops_bridge.errors import BridgeError


class Election:
    """Asks `hold` to take or renew the lease every `pause` seconds, in a thread of its own.

    `held` tells whether this process may act now; `release` gives the lease up at the end; `won` is
    called when it has become ours. A question that fails is asked again: `held` ends by itself.
    """

    def __init__(
        self,
        *,
        hold: Callable[[], bool],
        held: Callable[[], bool],
        release: Callable[[], None],
        pause: float,
        won: Callable[[], None] = lambda: None,
        failed: Callable[[BridgeError], None] = lambda error: None,
    ) -> None:
        self._hold, self._held, self._release = hold, held, release
        self._pause = pause
        self._won, self._failed = won, failed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def leads(self) -> bool:
        return self._held()

    def __enter__(self) -> Election:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Gives the lease up, so that the next process need not wait until it has expired."""
        self._stopped.set()
        self._thread.join()
        try:
            self._release()
        except BridgeError as problem:
            self._failed(problem)

    def _renew(self) -> None:
        leading = False
        while not self._stopped.is_set():
            before = leading
            try:
                leading = self._hold()
            except BridgeError as error:
                leading = self._held()
                self._failed(error)
            if leading and not before:
                self._won()
            self._stopped.wait(self._pause)
