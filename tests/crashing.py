"""A process that dies where it is told to.

It takes one look at everything that is due. Its transports append each message that the far side
took to LOG, on the disk before they answer, as a mail server would. At POINT it kills itself with
SIGKILL, which no code of ours can catch:

    never        it does not
    planning     the notices of an event are written, the transaction is not committed
    fan-out      the deliveries of a notice are written, the transaction is not committed
    slice        the first slice of a notice is fanned out and committed, of which more are to come
    claimed      deliveries are claimed and committed, none is marked as sending
    sending      a batch is marked as sending and committed, nothing of it has left
    taken:N      the far side took message number N of this process, which is not recorded
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Lock
from typing import Any, NoReturn

from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import claims, fanout, jobs, planning, slices
from notifications.channels.parcels import Outcome, Parcel
from notifications.retries import State
from notifications.sending import drain

#: Threads that send mail at once.
THREADS = 3


def die(*_: object, **__: object) -> NoReturn:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class FarSide:
    """A transport to a far side that never forgets what it took."""

    def __init__(self, channel: str, batch_size: int, log: str, point: str) -> None:
        self.name = "far"
        self.channel = channel
        self.batch_size = batch_size
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._point = point
        self._taken = 0
        self._lock = Lock()

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        if self._point == "sending":
            die()
        for parcel in parcels:
            assert parcel.expires_at > now
            with self._lock:
                os.write(self._log, b"%d\n" % parcel.delivery_id)
                os.fsync(self._log)
                self._taken += 1
                if self._point == f"taken:{self._taken}":
                    die()
            yield parcel.delivery_id, Outcome(State.ACCEPTED)

    def close(self) -> None:
        os.close(self._log)


def dying_after(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return the step, with the death of the process at its end."""

    def dying(*arguments: Any, **named: Any) -> Any:
        step(*arguments, **named)
        die()

    return dying


def main(url: str, log: str, now: str, point: str) -> None:
    """Look once at everything due, and die at `point`."""
    clock = datetime.fromisoformat(now)
    runtime = Runtime(Settings({"DATABASE_URL": url}), Database(url), lambda: clock)
    if point == "planning":
        planning.mark_done = dying_after(planning.mark_done)
    elif point == "fan-out":
        slices.insert_deliveries = dying_after(slices.insert_deliveries)
    elif point == "slice":
        fanout.SIZES = (10, 10)
        fanout.fan_out_slice = dying_after(fanout.fan_out_slice)
    elif point == "claimed":
        claims.mark_sending = die
    mail, sms = FarSide("email", 10, log, point), FarSide("sms", 1, log, point)
    jobs.tick(runtime, {})
    with ThreadPoolExecutor(THREADS) as pool:
        threads = [pool.submit(drain, runtime, mail) for _ in range(THREADS)]
        for thread in threads:
            thread.result()
    drain(runtime, sms)
    runtime.database.dispose()
