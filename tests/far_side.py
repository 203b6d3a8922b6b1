"""What the far side took against what the ledger says: nothing lost, nothing repeated without a word."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.database import Database
from notifications.models import DeliveryEventRow, DeliveryRow
from notifications.retries import State

#: A delivery in one of these has left.
_LEFT = (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED)
#: A delivery in one of these may have left, and the ledger says so.
_IN_DOUBT = (State.AMBIGUOUS, State.NEEDS_REVIEW)


@dataclass(frozen=True)
class Compared:
    """How ledger and far side differ, in deliveries."""

    deliveries: int
    #: Said to have left, and never arrived; or due and never sent.
    lost: tuple[str, ...]
    #: Arrived although the ledger says that it never went, or more often than the ledger says.
    unexplained: tuple[str, ...]
    #: How many arrived more than once, each time counted.
    duplicates: int
    #: How often the ledger says that it sent again after a doubt.
    resent: int
    #: How many are left to a person.
    for_review: int
    #: How many of those never arrived: a person has to send them, or nobody will.
    never_arrived: int


def delivery_of(raw: bytes) -> int:
    """Return which delivery a mail is."""
    found = re.search(rb"^X-Janela-Delivery: (\d+)\r$", raw, re.MULTILINE)
    assert found
    return int(found[1])


def compare(database: Database, taken: Counter[int]) -> Compared:
    """Return what there is to say of every delivery in the ledger.

    Args:
        database: The ledger.
        taken: How often the far side took each delivery.
    """
    with database.read() as session:
        rows = session.execute(select(DeliveryRow.id, DeliveryRow.state, DeliveryRow.ambiguities)).all()
        told = _histories(session)
        again = Counter(
            {id_: [kind for _, kind, *_ in events].count("resent") for id_, events in told.items()}
        )
        return Compared(
            deliveries=len(rows),
            lost=tuple(
                f"delivery {id_} is {state}" for id_, state, _ in rows if state in _LEFT and not taken[id_]
            ),
            unexplained=tuple(_unexplained(rows, taken, again, told)),
            duplicates=taken.total() - len(taken),
            resent=again.total(),
            for_review=sum(state == State.NEEDS_REVIEW for _, state, _ in rows),
            never_arrived=sum(state == State.NEEDS_REVIEW and not taken[id_] for id_, state, _ in rows),
        )


def _histories(session: Session) -> dict[int, list[tuple[str, ...]]]:
    """Return what the ledger says of each delivery: instant, kind, state, detail."""
    found: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for id_, at, kind, state, detail in session.execute(
        select(
            DeliveryEventRow.delivery_id,
            DeliveryEventRow.at,
            DeliveryEventRow.kind,
            DeliveryEventRow.state,
            DeliveryEventRow.detail,
        ).order_by(DeliveryEventRow.id)
    ):
        found[id_].append((f"{at:%T.%f}", kind, str(state), str(detail)))
    return found


def _unexplained(
    rows: list[tuple[int, State, int]],
    taken: Counter[int],
    again: Counter[int],
    told: dict[int, list[tuple[str, ...]]],
) -> Iterator[str]:
    for id_, state, ambiguities in rows:
        if taken[id_] > 1 + again[id_]:
            yield f"delivery {id_} arrived {taken[id_]} times, and was sent again {again[id_]} times: {told[id_]}"
        if taken[id_] and state not in (*_LEFT, *_IN_DOUBT) and not ambiguities:
            yield f"delivery {id_} arrived, and is {state}: {told[id_]}"
    for id_ in taken.keys() - {row[0] for row in rows}:
        yield f"delivery {id_} arrived, and the ledger does not know it"
