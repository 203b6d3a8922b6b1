"""The guest list: until it is lifted, real transports reach only whom it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from notifications.channels.parcels import Outcome, Parcel, Transport

#: On the list, it lifts the limit.
EVERYBODY = "*"


def read_guests(setting: str) -> frozenset[str]:
    """Return the addresses and numbers of `JANELA_GUEST_LIST`, as they are compared: without case."""
    return frozenset(guest.casefold() for guest in setting.split())


class GuestList:
    """A real transport for guests, the outbox for everybody else."""

    def __init__(self, real: Transport, outbox: Transport, guests: Collection[str]) -> None:
        """Take both ways out; `name`, `channel` and `batch_size` are those of the real one."""
        self.name = real.name
        self.channel = real.channel
        self.batch_size = real.batch_size
        #: Where guests' messages go.
        self.real = real
        self._outbox = outbox
        self._guests = frozenset(guests)

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Send each parcel the way that is open to it; see `Transport.send`."""
        invited = [parcel for parcel in parcels if parcel.recipient.casefold() in self._guests]
        others = [parcel for parcel in parcels if parcel.recipient.casefold() not in self._guests]
        if others:
            yield from self._outbox.send(others, now=now)
        if invited:
            yield from self.real.send(invited, now=now)

    def close(self) -> None:
        """Close the connections of this thread."""
        self.real.close()
        self._outbox.close()
