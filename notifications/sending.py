"""Claim, commit, send, record: brings due deliveries to their transports so that a crash loses none.

Each delivery passes three commits: leased, sending, recorded. A process killed before the second
leaves rows that surely have not left; killed after it, at most `Transport.batch_size` that may have.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.database import Database, in_brief
from maintenance.runtime import Runtime
from notifications import ledger, second_tries
from notifications.breaker import DOUBTS_IN_A_ROW, REFUSALS_IN_A_ROW
from notifications.channels.parcels import Outcome, Parcel, Transport
from notifications.ledger import Claim
from notifications.models import DeliveryEventRow, MessageRow
from notifications.queries import find_delivery
from notifications.retries import FailureClass, State
from notifications.turns import desk_of

_log = logging.getLogger(__name__)

#: Answers that do not say whether a message left, or that nobody can read.
_DOUBTFUL = {FailureClass.AMBIGUOUS, FailureClass.UNKNOWN}
#: How many message bodies a process keeps: a fan-out has some hundred variants of some 20 KB.
_BODIES_KEPT = 512


def send_due(
    runtime: Runtime, transports: Mapping[str, Transport], *, stop: Callable[[], bool] = lambda: False
) -> int:
    """Send all that is due, channel by channel, in this thread; return how many tries were made."""
    return sum(drain(runtime, transport, stop=stop) for transport in transports.values())


def drain(runtime: Runtime, transport: Transport, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Send what is due on one transport's channel until nothing is left; return how many tries were made.

    Any number of threads and processes may do this at once.
    """
    return _Sender(runtime, transport).send_all(stop)


def drain_together(
    pool: ThreadPoolExecutor,
    threads: int,
    runtime: Runtime,
    transport: Transport,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Drain with so many threads of a pool; return how many tries they made, when the last has ended."""
    done = [pool.submit(drain, runtime, transport, stop=stop) for _ in range(threads)]
    wait(done)
    return sum(one.result() for one in done)


class _Bodies:
    """The messages' bytes, read once per process while they are in use; shared by its threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = Lock()

    def of(self, database: Database, message_ids: set[int]) -> dict[int, bytes]:
        """Return the bytes of each message."""
        with self._lock:
            found = {
                id_: self._kept[database.url, id_] for id_ in message_ids if (database.url, id_) in self._kept
            }
        if missing := message_ids - found.keys():
            with database.read() as session:
                rows = session.execute(
                    select(MessageRow.id, MessageRow.body).where(MessageRow.id.in_(missing))
                )
                found |= {row.id: row.body for row in rows}
        with self._lock:
            for id_ in message_ids:
                self._kept[database.url, id_] = found[id_]
                self._kept.move_to_end((database.url, id_))
            while len(self._kept) > _BODIES_KEPT:
                self._kept.popitem(last=False)
        return found


_bodies = _Bodies()


class _Trouble(NamedTuple):
    """Why a sender tries nothing more for now."""

    #: The provider's.
    words: str
    #: Whether it refused us rather than readers.
    is_config: bool = False


class _Sender:
    """One thread's way of sending."""

    def __init__(self, runtime: Runtime, transport: Transport) -> None:
        self._runtime = runtime
        self._transport = transport
        self._desk = desk_of(runtime.database, transport)
        #: Batches in a row of which nobody knows whether anything left.
        self._doubts = 0

    def send_all(self, stop: Callable[[], bool]) -> int:
        """Send one batch after the other until nothing is due or `stop` says so; return how many tries were made."""
        tried = 0
        results: list[tuple[Claim, Outcome]] = []
        with self._desk.seat(self._runtime):
            while not (trouble := self._trouble(results)) and not stop():
                # One commit for both: the last batch's outcomes, and that the next one goes out.
                batch, at = self._desk.take(results, self._runtime)
                results = []
                if batch is None:
                    return tried
                results = self._send(batch, at)
                tried += len(results)
            self._desk.take(results, self._runtime, ends=True)
            if trouble:
                self._desk.note_trouble(trouble.words, self._runtime, is_config=trouble.is_config)
        return tried

    def _send(self, claims: Sequence[Claim], now: datetime) -> list[tuple[Claim, Outcome]]:
        if not claims:
            return []
        try:
            bodies = _bodies.of(self._runtime.database, {found.message.id for found in claims})
            parcels = [_parcel(found, bodies[found.message.id]) for found in claims]
        except Exception as error:
            # Whatever it was, nothing was sent, so nothing is in doubt.
            _log.exception("The texts of %s deliveries could not be read", len(claims))
            unsent = Outcome(State.RETRY_WAIT, words=in_brief(error), failure=FailureClass.RETRY_SAFE)
            return [(found, unsent) for found in claims]
        outcomes: dict[int, Outcome] = {}
        words = "The transport gave no answer for it."
        try:
            for delivery_id, outcome in self._transport.send(parcels, now=now):
                outcomes[delivery_id] = outcome
        except Exception as error:
            # What has no outcome yet may have left: the transport alone knows how far it came.
            _log.exception("The transport %s failed in mid-batch", self._transport.name)
            words = in_brief(error)
        doubt = Outcome(State.AMBIGUOUS, words=words, failure=FailureClass.AMBIGUOUS)
        return [(found, outcomes.get(found.id, doubt)) for found in claims]

    def _trouble(self, results: Sequence[tuple[Claim, Outcome]]) -> _Trouble | None:
        """Return why the rest of a claim is not tried now.

        It is our own fault, everybody is refused, nothing is processed, or nothing but doubts comes of it.
        """
        if not results:
            return None
        failures = {outcome.failure for _, outcome in results}
        for _, outcome in results:
            if outcome.failure is FailureClass.CONFIG:
                is_config = failures <= {FailureClass.CONFIG, FailureClass.REFUSED}
                return _Trouble(outcome.words or "The provider refuses us.", is_config=is_config)
        words = results[0][1].words
        if FailureClass.RETRY_SAFE in failures and failures <= {FailureClass.RETRY_SAFE, *_DOUBTFUL}:
            return _Trouble(words or "The provider takes nothing.")
        self._doubts = self._doubts + 1 if failures <= _DOUBTFUL else 0
        if self._doubts >= DOUBTS_IN_A_ROW:
            return _Trouble(words or "Nobody knows whether anything leaves.")
        if refusal := self._refuses_everybody(results):
            return _Trouble(refusal, is_config=True)
        return None

    def _refuses_everybody(self, results: Sequence[tuple[Claim, Outcome]]) -> str:
        """Return the words of the last of so many refusals in a row that it cannot be the readers; else ""."""
        words = ""
        for found, outcome in results:
            if outcome.failure is None:
                self._desk.refusals = 0
            elif outcome.failure is FailureClass.REFUSED and found.failure != FailureClass.REFUSED:
                self._desk.refusals, words = self._desk.refusals + 1, outcome.words
        if self._desk.refusals < REFUSALS_IN_A_ROW:
            return ""
        self._desk.refusals = 0
        return words or "The provider refuses every reader."


def _parcel(found: Claim, body: bytes) -> Parcel:
    return Parcel(
        delivery_id=found.id,
        recipient=found.address,
        name=found.name,
        message=body,
        subject=found.message.subject,
        notice_public_id=found.message.notice_public_id,
        sequence=found.message.sequence,
        reference=found.message.reference,
        kind=found.message.kind,
        queued_at=found.queued_at,
        expires_at=found.expires_at,
    )


def record_receipt(
    session: Session,
    delivery_id: int,
    *,
    provider_id: str,
    state: State,
    rank: int,
    words: str,
    failure: FailureClass | None,
    at: datetime,
    detail: Mapping[str, Any] | None = None,
    more_tries: int = 0,
) -> bool:
    """Take a provider's report on a delivery; return whether it brought the delivery forward.

    Reports come late, twice and out of order: each is kept as an event, and only one of a higher
    rank than all before changes the row. It also settles a doubt: a message that the provider
    reports on has left. One that did not arrive for a reason that passes is tried again
    (`second_tries`); what comes later about the message of before is kept and changes nothing.

    Args:
        session: An open write session.
        delivery_id: Ours, as the callback address or the return path carries it.
        provider_id: The provider's own id.
        state: What the report means for the delivery.
        rank: How far along that is (accepted 0 … delivered or failed 4, read 5).
        words: For people.
        failure: Its class, when the report is bad.
        at: When it came in.
        detail: What else is worth keeping.
        more_tries: How many tries may follow the first for such a failure; soft bounces have their own number.
    """
    row = find_delivery(session, delivery_id, lock=True)
    if row is None:
        return False
    past = second_tries.past_of(session, delivery_id)
    session.add(
        DeliveryEventRow(
            delivery_id=delivery_id,
            at=at,
            kind="receipt",
            state=state,
            detail={**(detail or {}), "words": words, "provider_id": provider_id, "rank": rank}
            | ({"failure": failure.value} if failure else {}),
        )
    )
    if rank <= row.receipt_rank or second_tries.is_of_before(row, past, provider_id, state):
        return False
    due_at = second_tries.due_again(
        session, row, past, state=state, failure=failure, more_tries=more_tries, at=at
    )
    row.provider_id = provider_id or row.provider_id
    row.outcome, row.failure = words, failure.value if failure else ""
    row.lease_owner, row.lease_until = None, None
    if due_at is None:
        row.state, row.receipt_rank, row.finished_at = state, rank, at
    else:
        # Of the next message nothing is reported yet.
        row.state, row.receipt_rank, row.finished_at, row.due_at = State.RETRY_WAIT, -1, None, due_at
    session.flush()
    if state in _SUPPRESSING:
        ledger.suppress(session, delivery_id, reason=_SUPPRESSING[state], now=at)
    return True


#: Reports after which an address gets nothing more on its channel, and the reason that is noted.
_SUPPRESSING = {State.OPTED_OUT: "opt_out", State.BOUNCED_HARD: "hard_bounce"}
