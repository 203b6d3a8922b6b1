"""What Twilio posts about the messages it took: in order or not, twice, late, never, and some of it forged."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from tests.fakes.twilio import Callback, TwilioStandIn

#: Posts a callback, and returns the status of the answer.
Post = Callable[[Callback], int]

_WAY = ("queued", "sent", "delivered")
#: A carrier that did not answer, which nobody tries again.
UNREACHABLE = 30410


class Reporter:
    """Reports on every message of the stand-in from `with` on, until `finish` says that all is posted."""

    def __init__(self, twilio: TwilioStandIn, post: Post, chance: random.Random) -> None:
        #: The last word on each number, reported or to be asked for.
        self.ends: dict[str, str] = {}
        #: Answers that were not what they should be.
        self.violations: list[str] = []
        self.posted = 0
        self.forged = 0
        self._twilio = twilio
        self._post = post
        self._chance = chance
        self._seen = 0
        self._waiting: list[tuple[float, int, Callback, int]] = []
        self._count = itertools.count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def finish(self) -> bool:
        """Return whether everything there is to say was said."""
        return self._seen == len(self._twilio.messages) and not self._waiting

    def _run(self) -> None:
        while not self._stopping.is_set():
            while self._seen < len(self._twilio.messages):
                self._plan(self._twilio.messages[self._seen])
                self._seen += 1
            if self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, callback, expected = self._waiting[0]
                answered = self._post(callback)
                self.posted += 1
                if answered != expected:
                    self.violations.append(f"{callback.form['MessageStatus']}: {answered}, not {expected}")
                heapq.heappop(self._waiting)
            else:
                time.sleep(0.01)

    def _plan(self, message: dict[str, Any]) -> None:
        chance, twilio = self._chance, self._twilio
        end = "undelivered" if chance.random() < 0.1 else "delivered"
        code = UNREACHABLE if end == "undelivered" else None
        self.ends[message["form"]["To"]] = end
        message["resource"].update(status=end, error_code=code)
        if chance.random() < 0.2:
            # Somebody who does not know our token says the contrary of what will come.
            contrary = "failed" if end == "delivered" else "delivered"
            self._say(twilio.callback(message, contrary, token="not-the-token"), 403)
            self.forged += 1
        if chance.random() < 0.1:
            return  # it never reports, and has to be asked
        statuses = [*_WAY[:-1], end]
        statuses += [status for status in statuses if chance.random() < 0.3]
        if chance.random() < 0.3:
            chance.shuffle(statuses)
        for status in statuses:
            self._say(twilio.callback(message, status, code if status == end else None), 204)

    def _say(self, callback: Callback, expected: int) -> None:
        at = time.monotonic() + self._chance.choice((0, 0, 0.05, 0.5))
        heapq.heappush(self._waiting, (at, next(self._count), callback, expected))
