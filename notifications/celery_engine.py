"""The Celery engine: any number of workers send, one elected scheduler finds what is due and wakes them.

A task says no more than “drain shard n of this channel”; what there is to send, and what became of
it, is in the ledger alone. A task that is lost is offered again while its rows are due; one that
comes twice finds its shard taken, or nothing to do. This is the only file that imports celery.
"""

from __future__ import annotations

import logging
import multiprocessing
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer import Consumer
from kombu import Connection, Queue
from sqlalchemy import select

from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import channels, claims, clocks
from notifications.channels.parcels import Transport
from notifications.engine import Engine
from notifications.errors import BrokerAway
from notifications.models import LeaseRow
from notifications.shards import SHARE, TIME_LIMIT, Shards, lease_name, shards_of
from notifications.turns import BATCHES_PER_CLAIM

_log = logging.getLogger(__name__)

#: When rows have been due for so long and no worker has touched them, the scheduler sends them itself.
PATIENCE = timedelta(seconds=30)
#: How long a broker that did not answer is left alone.
REST = timedelta(seconds=5)
_TIMEOUT_SECONDS = 4
_TASK = "janela.drain"


def celery_app(settings: Settings, channel_names: Iterable[str]) -> Celery:
    """Return the Celery application: one queue for each channel, no results, no times of its own."""
    app = Celery("janela", broker=settings["BROKER_URL"], set_as_current=False)
    app.conf.update(
        task_queues=[_queue(settings, channel) for channel in channel_names],
        task_create_missing_queues=False,
        # Celery's own names are one for all who use the broker.
        task_default_queue=settings["BROKER_QUEUE"],
        task_default_exchange=settings["BROKER_QUEUE"],
        task_default_queue_type="quorum",
        task_ignore_result=True,
        # A task counts as done when its work is, and one whose process was killed goes back to the queue.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # Without the broker a worker ends its share all the same: to break it off would leave mails in doubt.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_time_limit=int(TIME_LIMIT.total_seconds()),
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_consumer="notifications.celery_engine:WithoutDelays",
        accept_content=["json"],
        broker_connection_timeout=_TIMEOUT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Redis alone: how long a worker may keep a task before another gets it as well.
        broker_transport_options={"visibility_timeout": 2 * int(TIME_LIMIT.total_seconds())},
    )
    return app


def _queue(settings: Settings, channel: str) -> Queue:
    name = f"{settings['BROKER_QUEUE']}.{channel}"
    return Queue(name, routing_key=name, queue_arguments={"x-queue-type": "quorum"})


class WithoutDelays(Consumer):  # type: ignore[misc]
    """Celery's consumer without the 28 queues that it declares for tasks with a delay: ours have none."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """Its parts."""

        default_steps = tuple(step for step in Consumer.Blueprint.default_steps if "delayed" not in step)


class Broker:
    """Puts wake-ups into the queues; for all threads of a process. Nothing is lost when it cannot."""

    def __init__(self, runtime: Runtime, channel_names: Iterable[str]) -> None:
        """Connect to nothing yet."""
        self._clock = runtime.clock
        self._settings = runtime.settings
        self._channels = tuple(channel_names)
        self._app = celery_app(runtime.settings, self._channels)
        self._connection: Connection | None = None
        self._rests_until: datetime | None = None
        self._is_away = False
        self._lock = Lock()

    def wake(self, channel: str, shards: Sequence[int], *, most_waiting: int | None = None) -> bool:
        """Ask workers to drain these shards of a channel; return whether the broker took it.

        It offers no more than makes `most_waiting` wake-ups in the queue with those that wait there.
        """
        with self._lock:
            now = self._clock()
            if self._rests_until and self._rests_until > now:
                return False
            try:
                self._offer(channel, shards, most_waiting)
            except Exception as error:
                # Whatever a broker's client raises: the rows are still due, the next look offers them again.
                self._hang_up()
                self._rests_until = now + REST
                if not self._is_away:
                    _log.warning(
                        "The broker cannot be reached (%s); deliveries wait in the ledger, and the scheduler "
                        "sends them if this lasts",
                        _sentence(error),
                    )
                self._is_away = True
                return False
            if self._is_away:
                _log.warning("The broker answers again")
            self._is_away, self._rests_until = False, None
            return True

    def has_nothing(self) -> bool:
        """Return whether no wake-up waits for a worker on any channel; False also when the broker cannot say."""
        with self._lock:
            try:
                return not any(self._waiting(channel) for channel in self._channels)
            except Exception:
                # As in `wake`; a worker that cannot ask goes to the end of the queue.
                self._hang_up()
                return False

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = _connection(self._app)
        return self._connection

    def _waiting(self, channel: str) -> int:
        # Declaring what is there says how much waits in it.
        queue = _queue(self._settings, channel).bind(self._connected().default_channel)
        return int(queue.queue_declare().message_count)

    def _offer(self, channel: str, shards: Sequence[int], most_waiting: int | None) -> None:
        waiting, queue = self._waiting(channel), _queue(self._settings, channel)
        # Where no worker is, wake-ups must not pile up.
        room = len(shards) if most_waiting is None else max(most_waiting - waiting, 0)
        with self._app.amqp.Producer(self._connected().default_channel) as producer:
            for shard in shards[:room]:
                self._app.send_task(
                    _TASK,
                    (channel, shard),
                    queue=queue,
                    producer=producer,
                    retry=False,
                    confirm_timeout=_TIMEOUT_SECONDS,
                )

    def close(self) -> None:
        """Close the connection; waking opens it anew."""
        with self._lock:
            self._hang_up()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.release()
        except Exception:
            # Nothing is left to be done with a connection that cannot even be closed.
            _log.debug("The broker was gone already", exc_info=True)


def _connection(app: Celery) -> Connection:
    """Return an open connection that confirms what it took, and that never waits long for an answer."""
    connection: Connection = app.connection_for_write(
        connect_timeout=_TIMEOUT_SECONDS,
        transport_options={
            "confirm_publish": True,
            "read_timeout": _TIMEOUT_SECONDS,
            "write_timeout": _TIMEOUT_SECONDS,
            # The same in the words of Redis.
            "socket_timeout": _TIMEOUT_SECONDS,
            "socket_connect_timeout": _TIMEOUT_SECONDS,
            "max_retries": 0,
        },
    )
    connection.connect()
    return connection


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__


def check(runtime: Runtime) -> str:
    """Return what answers at `JANELA_BROKER_URL`, and how many workers listen where the broker says so.

    Raises:
        BrokerAway: When nothing does.
    """
    names = list(channels.transports(runtime))
    app = celery_app(runtime.settings, names)
    try:
        with _connection(app) as connection:
            if connection.transport.driver_type != "amqp":
                return f"{connection.transport.driver_type} answers"
            server = connection.connection.server_properties
            try:
                queue = _queue(runtime.settings, names[0])
                declared = connection.default_channel.queue_declare(queue.name, passive=True)
                workers = f"{declared.consumer_count} workers listen"
            except connection.channel_errors:
                workers = "no worker has listened yet"
            return f"{server.get('product')} {server.get('version')} answers; {workers}"
    except Exception as error:
        # Whatever a broker's client raises, of which there is one for each kind of broker.
        raise BrokerAway(
            "Nothing answers at JANELA_BROKER_URL (%(why)s). Start the broker, or correct the address; "
            "until then the scheduler sends by itself.",
            why=_sentence(error),
        ) from error


class CeleryEngine(Engine):
    """The scheduler's engine: it starts, plans, fans out and keeps up, and has workers do the sending."""

    def __init__(
        self,
        runtime: Runtime,
        transports: Mapping[str, Transport] | None = None,
        *,
        patience: timedelta = PATIENCE,
    ) -> None:
        """Take the transports of the settings unless some are given; `patience` is with absent workers."""
        super().__init__(runtime, transports)
        self._broker = Broker(runtime, self._transports)
        self._patience = patience
        #: Per channel: since when rows have been due that no worker is at work on.
        self._alone_since: dict[str, datetime] = {}

    def send(self, channel: str, *, until: datetime | None = None) -> int:
        """Wake as many workers as is worth it; send here when none came for a while. Return the tries made here."""
        if not self._leads():
            self._alone_since.pop(channel, None)
            return 0
        most, now = shards_of(self._runtime, channel), self._runtime.clock()
        at_once = BATCHES_PER_CLAIM * self._transports[channel].batch_size * self._threads(channel) // most
        with self._runtime.database.read() as session:
            due = claims.waiting(session, channel, now=now, limit=at_once * most)
            names = [lease_name(channel, shard) for shard in range(most)]
            held = select(LeaseRow.name).where(LeaseRow.name.in_(names), LeaseRow.until > now)
            taken = set(session.scalars(held))
        worth = min(most, -(-due // at_once)) - len(taken)
        free = [shard for shard in range(most) if lease_name(channel, shard) not in taken]
        if worth > 0:
            self._broker.wake(channel, free[:worth], most_waiting=worth)
        if taken or not due:
            self._alone_since.pop(channel, None)
            return 0
        if now - self._alone_since.setdefault(channel, now) < self._patience:
            return 0
        # A share at a time, so that workers who come meanwhile are woken.
        return super().send(channel, until=now + SHARE)

    def stop(self) -> None:
        """End the ticks, and what is sent here; see `Engine.stop`."""
        super().stop()
        self._broker.close()


def run_worker(runtime: Runtime, *, concurrency: int) -> int:
    """Send what the scheduler asks for until stopped, in so many processes; return the exit code.

    A broker that is away is waited for.
    """
    app = celery_app(runtime.settings, channels.transports(runtime))
    stopping = multiprocessing.Event()
    shards: list[Shards] = []

    def begin(**_: Any) -> None:
        # A connection must not be shared with the process that this one was forked from.
        runtime.database.engine.dispose(close=False)
        broker = Broker(runtime, channels.transports(runtime))
        shards[:] = [Shards(runtime, broker, stopping.is_set)]

    def drain_shard(channel: str, shard: int) -> None:
        clocks.look(runtime)
        shards[0].drain(channel, shard)

    def end(**_: Any) -> None:
        stopping.set()

    signals.worker_process_init.connect(begin, weak=False)
    signals.worker_shutting_down.connect(end, weak=False)
    app.task(drain_shard, name=_TASK)
    runtime.database.dispose()
    # Celery asks whether to break tasks off when the broker goes; the settings above say no.
    warnings.simplefilter("ignore", CPendingDeprecationWarning)
    worker = app.Worker(
        concurrency=concurrency, loglevel="WARNING", quiet=True, without_gossip=True, without_mingle=True
    )
    worker.start()
    return int(worker.exitcode or 0)
