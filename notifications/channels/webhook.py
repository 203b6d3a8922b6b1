"""Webhooks after the Standard Webhooks specification: the only file that imports its library.

Source:
    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus

from standardwebhooks import Webhook

from notifications.channels.parcels import Outcome, Parcel
from notifications.channels.time_limits import within
from notifications.endpoint_guard import Network, Resolver, Target, read_target, resolve, system_resolver
from notifications.errors import UnusableAddress
from notifications.retries import AFTER, FailureClass, State

_log = logging.getLogger(__name__)

#: How long it may take to find a receiver's addresses, to connect to one of them, and for all that follows.
RESOLVE_SECONDS = 20.0
CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
#: A slip of a receiver (“come back in a year”) must not cost it the notice.
LONGEST_RETRY_AFTER = timedelta(hours=1)

#: Addresses and instant -> the secrets in force of each, the newest first.
Secrets = Callable[[Collection[str], datetime], Mapping[str, tuple[str, ...]]]


class WebhookTransport:
    """Posts each parcel to its own receiver, those of a batch at once so that a slow one holds up none.

    A failure is never `RETRY_SAFE`, which would leave the whole channel alone: the receivers have
    nothing to do with each other. Repeating is harmless: they know a repetition by its `webhook-id`.
    """

    name = "http"
    channel = "webhook"
    batch_size = 10

    def __init__(
        self,
        secrets: Secrets,
        *,
        allowed: Sequence[Network] = (),
        context: ssl.SSLContext | None = None,
        resolver: Resolver = system_resolver,
        resolve_seconds: float = RESOLVE_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        """Take whom to ask for secrets and the networks of one's own; the rest is the machine's unless given."""
        self._secrets = secrets
        self._allowed = allowed
        self._context = context or ssl.create_default_context()
        self._resolver = resolver
        self._resolve_seconds, self._total_seconds = resolve_seconds, total_seconds

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Post each parcel; see `Transport.send`."""
        try:
            known = self._secrets([parcel.recipient for parcel in parcels], now)
        except Exception as error:
            # The database's trouble, and nothing was sent.
            _log.exception("The secrets of webhooks could not be read")
            unread = _failed(FailureClass.TRANSIENT, f"Its secret could not be read: {type(error).__name__}.")
            yield from ((parcel.delivery_id, unread) for parcel in parcels)
            return
        with ThreadPoolExecutor(len(parcels) or 1, thread_name_prefix="webhook") as pool:
            running = {
                pool.submit(self._post, parcel, known.get(parcel.recipient, ()), now): parcel
                for parcel in parcels
            }
            for done in as_completed(running):
                yield running[done].delivery_id, done.result()

    def close(self) -> None:
        """Do nothing: connections are not kept."""

    def _post(self, parcel: Parcel, secrets: Sequence[str], now: datetime) -> Outcome:
        if not secrets:
            return _failed(FailureClass.CONTENT, "This webhook is not registered any more.")
        try:
            target = read_target(parcel.recipient, self._allowed)
            # The system's resolver has no time limit that could be set here.
            addresses = within(self._resolve_seconds, partial(resolve, target, self._allowed, self._resolver))
            status, retry_after = self._exchange(
                target, addresses, _headers(parcel, secrets, now), parcel.message
            )
            return outcome_of(status, message_id(parcel), _waiting_time(retry_after, now))
        except UnusableAddress as error:
            # Its name may lead somewhere else tomorrow, and is checked again at every try.
            return _failed(FailureClass.TRANSIENT, str(error))
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _failed(FailureClass.TRANSIENT, _said(error))
        except Exception as error:
            # Whatever a receiver made us stumble over, its neighbours in the batch have nothing to do with it.
            _log.exception("A webhook failed in an unforeseen way: delivery %s", parcel.delivery_id)
            return _failed(FailureClass.TRANSIENT, f"Its answer cannot be used: {type(error).__name__}.")

    def _exchange(
        self, target: Target, addresses: Sequence[str], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str]:
        """Return the status of the answer, and its Retry-After."""
        # A plain HTTPConnection never follows a redirect, knows no proxy, and takes a socket that is open.
        connection = http.client.HTTPConnection(target.host, target.port)
        with closing(self._open(target, addresses)) as opened:
            # Time-outs count from one byte to the next; a receiver that drips would hold a thread for ever.
            broken_off = threading.Event()
            watchdog = threading.Timer(self._total_seconds, _break_off, [opened, broken_off])
            watchdog.daemon = True
            watchdog.start()
            try:
                if isinstance(opened, ssl.SSLSocket):
                    opened.do_handshake()
                connection.sock = opened
                connection.request("POST", target.path, body, {"Host": target.host_header, **headers})
                with connection.getresponse() as response:
                    status, retry_after = response.status, response.getheader("Retry-After", "")
            finally:
                watchdog.cancel()
            if broken_off.is_set():
                # What was there by then would be read as a whole answer.
                raise TimeoutError
            return status, retry_after

    def _open(self, target: Target, addresses: Sequence[str]) -> socket.socket:
        """Return a connection to one of the checked addresses; nothing is said on it yet, not even hello."""
        problem: OSError = OSError(f"{target.host} has no address")
        # One of each family: a machine without IPv6 still reaches a host that has both.
        for address in {":" in address: address for address in reversed(addresses)}.values():
            try:
                plain = socket.create_connection((address, target.port), CONNECT_SECONDS)
            except OSError as error:
                problem = error
                continue
            plain.settimeout(self._total_seconds)
            if target.scheme == "http":
                return plain
            # The certificate is checked against the name, whatever address it led to.
            return self._context.wrap_socket(
                plain, server_hostname=target.host, do_handshake_on_connect=False
            )
        raise problem


def message_id(parcel: Parcel) -> str:
    """Return what tells a message from others: the same at every try."""
    return f"msg_{parcel.notice_public_id}_{parcel.sequence}_{parcel.delivery_id}"


def outcome_of(status: int, provider_id: str, retry_after: timedelta | None = None) -> Outcome:
    """Return what an answer means."""
    words = f"HTTP {status}"
    with suppress(ValueError):
        words += f" {HTTPStatus(status).phrase}"
    if 200 <= status < 300:
        return Outcome(State.ACCEPTED, provider_id=provider_id, words=words)
    if status == HTTPStatus.GONE:
        return _failed(FailureClass.RECIPIENT_PERMANENT, words)
    if 300 <= status < 400:
        words += ": redirects are not followed; register the new address"
    # 4xx too: a receiver that was put up wrongly is mended within the hours in which the notice is of use.
    return _failed(FailureClass.TRANSIENT, words, retry_after)


def _headers(parcel: Parcel, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    id_, text, at = message_id(parcel), parcel.message.decode(), now.astimezone(UTC)
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Janela-Webhooks/1",
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(id_, at, text) for secret in secrets),
        "Connection": "close",
    }


def _waiting_time(text: str, now: datetime) -> timedelta | None:
    """Return how long a receiver asks to be left alone, in seconds or until a date."""
    if text.isdecimal():
        # More digits than any wait has: thousands of them are no number for Python.
        wait = timedelta(seconds=int(text)) if len(text) < 9 else LONGEST_RETRY_AFTER
    else:
        try:
            wait = parsedate_to_datetime(text[:100]) - now
        except (ValueError, TypeError, OverflowError):
            return None
    return max(timedelta(0), min(wait, LONGEST_RETRY_AFTER))


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "It did not answer in time."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"Its certificate is not trusted: {error.verify_message}."
    if isinstance(error, socket.gaierror):
        return "Its host has no address."
    return f"No answer: {type(error).__name__}: {error}"[:300]


def _break_off(opened: socket.socket, broken_off: threading.Event) -> None:
    broken_off.set()
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _failed(failure: FailureClass, words: str, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(AFTER[failure], words=words, failure=failure, retry_after=retry_after)
