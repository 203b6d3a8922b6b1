"""Chat rooms (Teams, Slack, Matrix, …) through Apprise: the only file that imports it, and it is an extra.

A room's own address carries the right to write to it: it stays in `endpoints.secret`, is never logged, and the
ledger calls the room by a name. Apprise says only whether a service took the message: there are no receipts, and
a message whose answer was lost appears twice.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from notifications.channels.parcels import Outcome, Parcel
from notifications.channels.time_limits import within
from notifications.channels.webhook import Secrets
from notifications.errors import InvalidEndpoint
from notifications.retries import AFTER, FailureClass, State

_log = logging.getLogger(__name__)

#: Services that are chat rooms. Apprise knows a hundred and more, some of which post wherever an address says,
#: write to this machine's log, or send mail and SMS past the ledger.
SERVICES = (
    "discord",
    "gchat",
    "matrix",
    "matrixs",
    "mmost",
    "mmosts",
    "nctalk",
    "nctalks",
    "rocket",
    "rockets",
    "slack",
    "webex",
    "workflows",
    "wxteams",
    "zulip",
)
#: How long a service may take to take a message: some of its clients say several things for one, and wait in between
#: for as long as the server wants.
WRITE_SECONDS = 20.0
MISSING = "Chat rooms need the extra `chat`: pip install 'janela[chat]'."


def is_installed() -> bool:
    """Return whether the extra is there."""
    try:
        return importlib.util.find_spec("apprise") is not None
    except ValueError:
        return False


def service_of(address: str) -> str:
    """Return which service a room's address is of, as in `slack`.

    Raises:
        InvalidEndpoint: When the extra is missing, or the address cannot be used; never quotes the address.
    """
    if not is_installed():
        raise InvalidEndpoint(MISSING)
    service = address.partition("://")[0].lower()
    if service not in SERVICES:
        raise InvalidEndpoint(
            "A chat room's address begins with one of %(services)s, followed by ://.",
            services=", ".join(SERVICES),
        )
    if _room(address) is None:
        raise InvalidEndpoint(
            "That is no address of %(service)s; Apprise's documentation shows its form.", service=service
        )
    return service


class ChatTransport:
    """Writes each parcel to its room."""

    name = "apprise"
    channel = "chat"
    #: Apprise keeps to each service's own pace, a second or more between messages.
    batch_size = 5

    def __init__(self, secrets: Secrets, *, write_seconds: float = WRITE_SECONDS) -> None:
        """Take whom to ask for the rooms' own addresses; Apprise is read with the first message."""
        self._secrets = secrets
        self._write_seconds = write_seconds

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Write each parcel; see `Transport.send`."""
        try:
            known = self._secrets([parcel.recipient for parcel in parcels], now)
        except Exception as error:
            # The database's trouble, and nothing was sent.
            _log.exception("The addresses of chat rooms could not be read")
            unread = _failed(
                FailureClass.TRANSIENT, f"Its address could not be read: {type(error).__name__}."
            )
            yield from ((parcel.delivery_id, unread) for parcel in parcels)
            return
        for parcel in parcels:
            yield parcel.delivery_id, self._write(parcel, known.get(parcel.recipient, ()))

    def close(self) -> None:
        """Do nothing: connections are not kept."""

    def _write(self, parcel: Parcel, addresses: Sequence[str]) -> Outcome:
        if not addresses:
            return _failed(FailureClass.CONTENT, "This room is not registered any more.")
        if not is_installed():
            return _failed(FailureClass.CONFIG, MISSING)
        room = _room(addresses[0])
        if room is None:
            return _failed(FailureClass.CONTENT, "Its address cannot be used any more; register it anew.")
        try:
            write = partial(room.notify, body=parcel.message.decode(), title=parcel.subject)
            taken = within(self._write_seconds, write)
        except Exception as error:
            # Its text may hold the room's address.
            return _failed(
                FailureClass.TRANSIENT, f"The service could not be reached ({type(error).__name__})."
            )
        if taken:
            return Outcome(State.ACCEPTED, words="The service took it.")
        return _failed(FailureClass.TRANSIENT, "The service refused it, or did not answer.")


def _room(address: str) -> Any:
    """Return Apprise's object for an address; None when it cannot be used."""
    import apprise  # takes 0.3 s, and most installations have no chat room

    # What it logs may hold the address.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(app_id="Janela", plugin_paths=[])
    return apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)


def _failed(failure: FailureClass, words: str) -> Outcome:
    return Outcome(AFTER[failure], words=words, failure=failure)
