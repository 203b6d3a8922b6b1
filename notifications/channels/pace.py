"""Not faster than the other side wants: a limit of so many per second for all threads of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Lets `per_second` through in the long run, spread evenly; 0 means as fast as asked.

    Several processes each keep their own, so the limit of a server is divided among them.
    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Take the limit; `clock` (in seconds) and `sleep` are the machine's unless given."""
        self._seconds_each = 1 / per_second if per_second > 0 else 0.0
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, count: int = 1) -> None:
        """Return when `count` more may go; their time is taken at once, so that no two threads use it."""
        if not self._seconds_each:
            return
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at)
            self._free_at = start + count * self._seconds_each
        if start > now:
            self._sleep(start - now)
