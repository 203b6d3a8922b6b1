"""How messages leave: one file for each transport, and which of them this installation uses."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from maintenance.runtime import Runtime
from maintenance.settings import Settings, secret_key
from notifications import endpoints, mail, paces
from notifications.channels.chat import ChatTransport
from notifications.channels.guests import EVERYBODY, GuestList, read_guests
from notifications.channels.outbox import OutboxTransport, folder
from notifications.channels.pace import Pace
from notifications.channels.parcels import Inquirer, Outcome, Parcel, Transport
from notifications.channels.smtp import Envelope, SmtpTransport, read_relay
from notifications.channels.webhook import Secrets, WebhookTransport
from notifications.endpoint_guard import read_networks

__all__ = [
    "Inquirer",
    "Outcome",
    "Parcel",
    "Transport",
    "connections",
    "inquirer_of",
    "threads",
    "transports",
]


def transports(runtime: Runtime, *, processes: int = 1) -> Mapping[str, Transport]:
    """Return the transport of each channel as the settings say; the outbox where they name none.

    Args:
        runtime: The installation.
        processes: How many share the connections to the relay.

    Raises:
        JanelaError: When a setting cannot be used; the sentence names it.
    """
    settings = runtime.settings
    guests = read_guests(settings["GUEST_LIST"])
    found: dict[str, Transport] = {}
    networks = read_networks(settings["WEBHOOK_ALLOW"])
    ways: dict[str, Transport | None] = {
        "email": _smtp(runtime, processes),
        "sms": _twilio(runtime),
        # They need no setting of their own: the guest list alone keeps them in.
        "webhook": WebhookTransport(_secrets(runtime, "webhook"), allowed=networks) if guests else None,
        "chat": ChatTransport(_secrets(runtime, "chat")) if guests else None,
    }
    for channel, real in ways.items():
        outbox = OutboxTransport(channel, folder(settings))
        if real is None:
            found[channel] = outbox
        else:
            found[channel] = real if EVERYBODY in guests else GuestList(real, outbox, guests)
    return found


def inquirer_of(transport: Transport) -> Inquirer | None:
    """Return whom to ask about messages that left this way; None where nobody can be asked."""
    real = transport.real if isinstance(transport, GuestList) else transport
    return real if isinstance(real, Inquirer) else None


def _secrets(runtime: Runtime, channel: str) -> Secrets:
    """Return how a transport asks for the secrets of addresses: at each batch, so that a rotation counts at once."""

    def ask(addresses: Collection[str], now: datetime) -> Mapping[str, tuple[str, ...]]:
        with runtime.database.read() as session:
            return endpoints.secrets_of(session, channel, addresses, now)

    return ask


def connections(settings: Settings) -> int:
    """Return how many connections to the relay are worth having: no more than mails a second that it takes.

    What waits for its turn counts as *sending*: many connections at a low rate would leave much in doubt.
    """
    most = max(settings.number("SMTP_CONNECTIONS"), 1)
    rate = read_relay(settings["SMTP_URL"]).rate if settings["SMTP_URL"] else 0
    return min(most, math.ceil(rate)) if rate else most


def threads(connections: int, processes: int = 1) -> int:
    """Return how many threads of a process share its connections: one sends while another's turn is written.

    To talk on many connections in one thread is cheaper than to hand the interpreter from thread to thread.
    Where processes share the channel, one of them sends while another's turn is written.
    """
    return min(connections, 2) if processes == 1 else 1


def _smtp(runtime: Runtime, processes: int) -> Transport | None:
    settings = runtime.settings
    # Read even without a relay: a sender that cannot be read shows at the start, not with the first notice.
    sender = mail.sender(settings["MAIL_FROM"]).addr_spec
    if not settings["SMTP_URL"]:
        return None
    own_name = urlsplit(settings.public_url).hostname or "localhost"
    bounces = settings["MAIL_BOUNCES"]
    envelope = Envelope(mail.wire_address(bounces), secret_key(settings)) if bounces else Envelope(sender)
    relay = read_relay(settings["SMTP_URL"], own_name=own_name)
    account = f"smtp {relay.user}@{relay.host}:{relay.port}"
    own = max(connections(settings) // processes, 1)
    pace = Pace(relay.rate, paces.shared(runtime.database, account))
    return SmtpTransport(
        relay, envelope, pace, connections=own // threads(own, processes), key=secret_key(settings)
    )


def _twilio(runtime: Runtime) -> Transport | None:
    if not runtime.settings["TWILIO_ACCOUNT_SID"]:
        return None
    # Its SDK takes 26 MB and 0.1 s, which an installation without SMS need not spend.
    from notifications.channels.sms import TwilioTransport, read_account

    account = read_account(runtime.settings)
    name = f"twilio {account.account_sid} {account.sender or account.messaging_service}"
    return TwilioTransport(account, Pace(account.parts_per_second, paces.shared(runtime.database, name)))
