"""A time limit for what has none: resolving a name, a server that says one letter after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

_Found = TypeVar("_Found")


def within(
    seconds: float, work: Callable[[], _Found], *, too_late: Callable[[_Found], object] = lambda found: None
) -> _Found:
    """Return what `work` returns, or raise what it raises.

    It runs in a thread of its own, which is left behind when time is up and goes on by itself: for what can
    neither be interrupted nor be told when to end.

    Args:
        seconds: How long to wait for it.
        work: What to do.
        too_late: What to do with a result that nobody waited for any more.

    Raises:
        TimeoutError: When time is up.
    """
    done: Future[_Found] = Future()

    def run() -> None:
        try:
            found = work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(found)

    # A daemon: the process may end without it.
    Thread(target=run, name="within", daemon=True).start()
    if wait([done], max(seconds, 0)).done:
        return done.result()
    done.add_done_callback(lambda ended: None if ended.exception() else too_late(ended.result()))
    raise TimeoutError("time is up")
