"""Not faster than the other side wants: a limit of so many per second for everybody who sends there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from notifications.paces import LONGEST_WAIT


class Pace:
    """Lets `per_second` through in the long run, spread evenly; 0 means as fast as asked."""

    def __init__(
        self,
        per_second: float,
        share: Callable[[float], float | None] = lambda seconds: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Take the limit.

        Args:
            per_second: How many; 0 sets no limit, and then nothing else is ever asked.
            share: Takes so many seconds of what all processes have together, and answers how long to wait for
                them; None where it cannot tell. Without it each process keeps to the limit for itself.
            clock: In seconds; the machine's unless given.
            sleep: The machine's unless given.
        """
        self._seconds_each = 1 / per_second if per_second > 0 else 0.0
        self._share = share
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, count: int = 1) -> None:
        """Return when `count` more may go, after `LONGEST_WAIT` at most.

        Their time is taken at once, so that nobody else uses it.
        """
        if not self._seconds_each or not count:
            return
        seconds = count * self._seconds_each
        pause = self._share(seconds)
        if pause is None:
            pause = self._own_share(seconds)
        if pause > 0:
            self._sleep(pause)

    def _own_share(self, seconds: float) -> float:
        with self._lock:
            now = self._clock()
            start = max(now, min(self._free_at, now + LONGEST_WAIT))
            self._free_at = start + seconds
        return start - now
