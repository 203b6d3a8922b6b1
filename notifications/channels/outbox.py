"""The way out of a fresh installation: every message becomes a file, and nothing leaves by accident."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maintenance.settings import Settings
from notifications import mail
from notifications.channels.parcels import FIRST_TEST, Outcome, Parcel
from notifications.errors import UnusableAddress
from notifications.retries import FailureClass, State

_NAME = re.compile(
    r"(?P<id>\d{10})\.(?P<reference>[A-Z0-9][A-Z0-9._-]*)\.(?P<kind>[a-z-]+)\.(?P<suffix>eml|json|webhook\.json|chat\.json)"
)
_CHANNEL_OF = {"eml": "email", "json": "sms", "webhook.json": "webhook", "chat.json": "chat"}
_SUFFIX_OF = {channel: suffix for suffix, channel in _CHANNEL_OF.items()}


def folder(settings: Settings) -> Path:
    """Return where the outbox of this installation lies."""
    return settings.instance / "outbox"


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """A message in the outbox, as far as the name of its file tells; newer ones sort higher."""

    delivery_id: int
    reference: str
    #: `timetable.NoticeKind`.
    kind: str
    #: email, sms, webhook or chat.
    channel: str
    path: Path

    @property
    def is_test(self) -> bool:
        """Return whether somebody sent it to themselves; the ledger knows nothing of it then."""
        return self.delivery_id >= FIRST_TEST


@dataclass(frozen=True, slots=True)
class Sms:
    """What the file of an SMS holds, and of a message to a webhook or a chat room."""

    to: str
    name: str
    text: str
    at: str
    expires_at: str


class OutboxTransport:
    """Writes each message of one channel as a file; a second delivery of the same id replaces the first.

    Files appear whole: written under another name, then renamed. They are not forced to the disk; what a power
    cut takes is a message that nobody was waiting for.
    """

    name = "outbox"
    batch_size = 100

    def __init__(self, channel: str, folder: Path) -> None:
        """Take the channel it stands in for; the folder is made with the first message."""
        self.channel = channel
        self._folder = folder

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Write each parcel; see `Transport.send`."""
        for parcel in parcels:
            try:
                content = self._content(parcel)
            except UnusableAddress as error:
                failure = FailureClass.RECIPIENT_PERMANENT
                yield parcel.delivery_id, Outcome(State.FAILED_PERMANENT, words=str(error), failure=failure)
                continue
            try:
                self._write(parcel, content)
            except OSError as error:
                words = f"cannot write to the outbox: {error}"
                yield (
                    parcel.delivery_id,
                    Outcome(State.RETRY_WAIT, words=words, failure=FailureClass.RETRY_SAFE),
                )
                continue
            # `transport` also where the guest list sent it here instead of to a relay.
            yield parcel.delivery_id, Outcome(State.ACCEPTED, words="kept in the outbox", transport=self.name)

    def close(self) -> None:
        """Do nothing: a file is closed once it is written."""

    def _content(self, parcel: Parcel) -> bytes:
        if self.channel == "email":
            tokens = mail.tokens_of(parcel.name, mail.wire_address(parcel.recipient), parcel.delivery_id)
            return mail.fill(parcel.message, tokens)
        fields = {
            "to": parcel.recipient,
            "name": parcel.name,
            "text": parcel.message.decode(),
            "at": parcel.queued_at.isoformat(),
            "expires_at": parcel.expires_at.isoformat(),
        }
        return json.dumps(fields, ensure_ascii=False, indent=1).encode()

    def _write(self, parcel: Parcel, content: bytes) -> None:
        name = f"{parcel.delivery_id:010d}.{parcel.reference}.{parcel.kind}.{_SUFFIX_OF[self.channel]}"
        unfinished = self._folder / f".{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            unfinished.write_bytes(content)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(content)
        unfinished.replace(self._folder / name)


def find_items(folder: Path, *, channel: str = "", reference: str = "") -> list[Item]:
    """Return what the outbox holds, newest first; nothing is opened for it.

    Args:
        folder: What `folder(settings)` returned.
        channel: Only that one; "" for all.
        reference: Only of this intervention; "" for all.
    """
    if not folder.is_dir():
        return []
    items = (_item(entry.path, entry.name) for entry in os.scandir(folder))
    found = [
        item
        for item in items
        if item is not None and channel in ("", item.channel) and reference in ("", item.reference)
    ]
    return sorted(found, reverse=True)


def find_item(folder: Path, delivery_id: int) -> Item | None:
    """Return the message of one delivery, if it is in the outbox."""
    for path in folder.glob(f"{delivery_id:010d}.*"):
        if item := _item(str(path), path.name):
            return item
    return None


def read_sms(item: Item) -> Sms:
    """Return what the file of an SMS holds."""
    return Sms(**json.loads(item.path.read_bytes()))


def _item(path: str, name: str) -> Item | None:
    """Return what a file's name tells; None for files that are not messages, or not finished."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        return None
    return Item(int(parts["id"]), parts["reference"], parts["kind"], _CHANNEL_OF[parts["suffix"]], Path(path))
