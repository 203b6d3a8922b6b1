"""A transport to a listener, and what came of a batch that it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from notifications.channels.parcels import LONGEST_SEND, Outcome
from notifications.channels.smtp import Envelope, SmtpTransport, read_relay
from notifications.retries import FailureClass, State
from tests.builders_mail import ANNOUNCED_AT, a_parcel

TAKEN = (State.ACCEPTED, None)


@pytest.fixture(params=["plain", "pipelined"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    """Say whether the listener offers PIPELINING: each test that asks runs with it and without."""
    return request.param == "pipelined"


@contextmanager
def open_transport(
    url: str, connections: int = 1, *, verp_key: str = "", longest_send: float = LONGEST_SEND
) -> Iterator[SmtpTransport]:
    """Give a transport to that relay, closed afterwards."""
    transport = SmtpTransport(
        read_relay(url),
        Envelope("janela@example.org", verp_key),
        connections=connections,
        longest_send=longest_send,
    )
    yield transport
    transport.close()


def send(transport: SmtpTransport, *delivery_ids: int) -> dict[int, Outcome]:
    """Return how a batch of these deliveries ended."""
    parcels = [a_parcel(delivery_id) for delivery_id in delivery_ids]
    outcomes = list(transport.send(parcels, now=ANNOUNCED_AT))
    if transport.batch_size <= 10:
        assert [delivery_id for delivery_id, _ in outcomes] == list(delivery_ids), "in order"
    assert sorted(delivery_id for delivery_id, _ in outcomes) == list(delivery_ids), "one outcome each"
    return dict(outcomes)


def ends(outcomes: dict[int, Outcome]) -> dict[int, tuple[State, FailureClass | None]]:
    """Return state and failure of each outcome."""
    return {delivery_id: (outcome.state, outcome.failure) for delivery_id, outcome in outcomes.items()}
