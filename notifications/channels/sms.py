"""SMS through Twilio: the only file that imports its SDK."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, RequestException, SSLError
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError

from maintenance.settings import Settings, secret_key
from notifications import sms_text
from notifications.channels.pace import Pace
from notifications.channels.parcels import Outcome, Parcel, Report
from notifications.channels.signatures import signature
from notifications.channels.sms_codes import CODES, failure_of_reply, meaning, words
from notifications.channels.time_limits import within
from notifications.errors import InvalidTransport
from notifications.retries import AFTER, FailureClass

#: Twilio's own is none at all: a silent server would hold a thread for ever.
TIMEOUT_SECONDS = 10
#: How many times as long everything together may take: finding addresses, trying one after the other, an answer that
#: comes letter by letter.
TOTAL_TIMEOUTS = 4
#: Longest and shortest time that Twilio may keep a message in its queue (`ValidityPeriod`).
LONGEST_VALIDITY, SHORTEST_VALIDITY = timedelta(seconds=36000), timedelta(seconds=5)
#: A slip of Twilio's, or of whoever answers in its place, must not put a message off for good.
LONGEST_RETRY_AFTER = timedelta(hours=24)
#: How many messages of a number are looked through for one in doubt.
_NEWEST = 20
#: Purpose of the signature in callback addresses.
CALLBACK = "twilio"


@dataclass(frozen=True, slots=True)
class Account:
    """What the settings say about Twilio."""

    account_sid: str
    api_key: str
    api_secret: str
    sender: str = ""
    messaging_service: str = ""
    #: Scheme and host of a stand-in; "" for api.twilio.com.
    api_url: str = ""
    #: Base of callback addresses; "" when nobody outside can reach us, so that none is given.
    callback_url: str = ""
    #: Signs callback addresses.
    key: str = ""
    #: Whether Twilio keeps neither text nor number; the account needs Message Redaction for it.
    discard: bool = False
    timeout_seconds: float = TIMEOUT_SECONDS
    #: How many parts a second the sender carries; 0 sets no limit.
    parts_per_second: float = 0


def read_account(settings: Settings) -> Account:
    """Return what the settings say.

    Raises:
        InvalidTransport: When something that sending needs is missing.
    """
    for names in (
        ("TWILIO_API_KEY",),
        ("TWILIO_API_SECRET",),
        ("TWILIO_AUTH_TOKEN",),
        ("TWILIO_FROM", "TWILIO_MESSAGING_SERVICE"),
    ):
        if not any(settings[name] for name in names):
            raise InvalidTransport(
                "JANELA_TWILIO_ACCOUNT_SID is set, so JANELA_%(name)s is needed too.",
                name=" or JANELA_".join(names),
            )
    reachable = settings["TWILIO_API_URL"] or not _is_loopback(settings.public_url)
    return Account(
        account_sid=settings["TWILIO_ACCOUNT_SID"],
        api_key=settings["TWILIO_API_KEY"],
        api_secret=settings["TWILIO_API_SECRET"],
        sender=settings["TWILIO_FROM"],
        messaging_service=settings["TWILIO_MESSAGING_SERVICE"],
        api_url=settings["TWILIO_API_URL"].rstrip("/"),
        # Twilio refuses every message whose callback address it cannot reach (21609).
        callback_url=settings.public_url if reachable else "",
        key=secret_key(settings),
        discard=settings["TWILIO_RETENTION"] == "discard",
        parts_per_second=settings.number("TWILIO_RATE"),
    )


def callback_path(key: str, delivery_id: int) -> str:
    """Return where Twilio reports on one delivery; it names our id, so that no answer can come too early."""
    return f"/hooks/twilio/{delivery_id}?s={signature(key, CALLBACK, delivery_id)}"


def is_from_twilio(tokens: str, url: str, form: Mapping[str, str], given: str) -> bool:
    """Return whether one of our auth tokens (two while it is being rotated) signed a callback.

    Args:
        tokens: `JANELA_TWILIO_AUTH_TOKEN`, separated by spaces; without any, nothing is trusted.
        url: The address as Twilio called it: built from the public address, not from the request,
            which a proxy may have changed.
        form: What was posted.
        given: The header `X-Twilio-Signature`.
    """
    return any(RequestValidator(token).validate(url, form, given) for token in tokens.split())


class _HttpClient(TwilioHttpClient):  # type: ignore[misc] # the SDK ships no types
    """The SDK's client with a time limit, the address of a stand-in, and the last answer's headers."""

    def __init__(self, account: Account) -> None:
        super().__init__(timeout=account.timeout_seconds)
        self._api = urlsplit(account.api_url)
        #: The SDK's exception keeps no headers, and with them Retry-After would be lost.
        self.last_headers: Mapping[str, str] = {}

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        self.last_headers = {}
        if self._api.netloc:
            url = urlunsplit(urlsplit(url)._replace(scheme=self._api.scheme, netloc=self._api.netloc))
        response = super().request(method, url, *args, **kwargs)
        self.last_headers = response.headers or {}
        return response


class TwilioTransport:
    """Sends SMS; each thread has a client of its own, since sessions of `requests` are not shared."""

    name = "twilio"
    channel = "sms"
    #: An SMS that may have been sent is never repeated by itself, so a crash may leave one in doubt at most.
    batch_size = 1

    def __init__(self, account: Account, pace: Pace | None = None) -> None:
        """Open nothing yet; without a `pace` the account's rate holds for this process alone."""
        self._account = account
        self._pace = pace or Pace(account.parts_per_second)
        self._threads = threading.local()

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Send each parcel; see `Transport.send`."""
        began = monotonic()
        for parcel in parcels:
            yield parcel.delivery_id, self._send(parcel, lambda: now + timedelta(seconds=monotonic() - began))

    def look_up(self, provider_id: str) -> Report | None:
        """Return what Twilio says of a message; see `Inquirer.look_up`."""
        try:
            return _report(self._ask(lambda client: client.messages(provider_id).fetch()))
        except (TwilioException, RequestException, TimeoutError, ValueError, KeyError):
            return None

    def find_sent(self, recipient: str, text: str, *, since: datetime) -> list[Report]:
        """Return the messages with that text to that number; see `Inquirer.find_sent`.

        Twilio's filter by date knows whole days, and passes over messages that are still queued: so
        the newest few of the number are read and compared here.
        """
        try:
            newest = self._ask(
                lambda client: client.messages.list(to=recipient, limit=_NEWEST, page_size=_NEWEST)
            )
        except (TwilioException, RequestException, TimeoutError, ValueError, KeyError):
            return []
        # A trial account puts words of its own in front.
        return [
            _report(message)
            for message in reversed(newest)
            if (message.body or "").endswith(text)
            and message.date_created is not None
            and message.date_created >= since
        ]

    def close(self) -> None:
        """Close this thread's connection."""
        if http := getattr(self._threads, "http", None):
            http.session.close()
        self._threads.http = self._threads.client = None

    def _send(self, parcel: Parcel, clock: Callable[[], datetime]) -> Outcome:
        if parcel.expires_at - clock() < SHORTEST_VALIDITY:
            return _failed(FailureClass.EXPIRED, "too late to be of use")
        text = parcel.message.decode()
        if not text.strip():
            return _failed(FailureClass.CONTENT, "no text")
        self._pace.wait(sms_text.count(text).parts)
        now = clock()
        if parcel.expires_at - now < SHORTEST_VALIDITY:
            return _failed(FailureClass.EXPIRED, "too late to be of use: the rate left no time for it")
        _, http = self._client()
        try:
            message = self._ask(
                lambda client: client.messages.create(to=parcel.recipient, **self._fields(parcel, now))
            )
        except TwilioRestException as error:
            failure = failure_of_reply(error.status, error.code)
            return _failed(failure, _said(error), retry_after=_retry_after(http.last_headers))
        except RequestException as error:
            return _failed(network_failure(error), f"{type(error).__name__}: {error}")
        except TimeoutError:
            return _failed(FailureClass.AMBIGUOUS, "no whole answer in time")
        except (TwilioException, ValueError, KeyError) as error:
            # An answer that is not what Twilio says: whoever gave it may have passed the message on.
            return _failed(FailureClass.AMBIGUOUS, f"unreadable answer: {error}")
        status, code = str(message.status), message.error_code
        state, bad = meaning(status, code)
        said = words(status, code, message.error_message or "")
        return Outcome(state, provider_id=message.sid, words=said, failure=bad)

    def _ask(self, question: Callable[[Client], Any]) -> Any:
        """Return Twilio's answer; `TimeoutError` when it does not come to an end."""
        client, _ = self._client()
        try:
            return within(TOTAL_TIMEOUTS * self._account.timeout_seconds, lambda: question(client))
        except TimeoutError:
            # Somebody still waits with it.
            self._threads.http = self._threads.client = None
            raise

    def _client(self) -> tuple[Client, _HttpClient]:
        if getattr(self._threads, "client", None) is None:
            account = self._account
            self._threads.http = _HttpClient(account)
            # What is left out, the SDK takes from the process's environment (TWILIO_REGION, …), also
            # when it is given an empty one.
            self._threads.client = Client(
                account.api_key,
                account.api_secret,
                account_sid=account.account_sid,
                http_client=self._threads.http,
                environment={"JANELA": "settings"},
            )
        return self._threads.client, self._threads.http

    def _fields(self, parcel: Parcel, now: datetime) -> dict[str, Any]:
        account = self._account
        validity = min(LONGEST_VALIDITY, parcel.expires_at - now)
        fields: dict[str, Any] = {
            "body": parcel.message.decode(),
            # An SMS about 22:00 must not arrive at 23:30.
            "validity_period": int(validity.total_seconds()),
        }
        if account.messaging_service:
            fields["messaging_service_sid"] = account.messaging_service
        else:
            fields["from_"] = account.sender
        if account.callback_url:
            # Behind the number sign stand Twilio's own options, which it does not sign: five tries,
            # whatever went wrong. Without them a receipt is lost with one failed connection.
            path = callback_path(account.key, parcel.delivery_id)
            fields["status_callback"] = f"{account.callback_url}{path}#rc=5&rp=all"
        if account.discard:
            fields.update(content_retention="discard", address_retention="obfuscate")
        return fields


def network_failure(error: RequestException) -> FailureClass:
    """Return the class of an error on the way: only one that came before the request is safe to repeat."""
    if isinstance(error, ConnectTimeout):
        return FailureClass.RETRY_SAFE
    if isinstance(error, SSLError):
        # Any other trouble with the encryption may come when the request is written, the answer being read.
        return FailureClass.CONFIG if _is_distrust(error) else FailureClass.AMBIGUOUS
    cause = error.args[0] if error.args else None
    if isinstance(error, NoConnection) and isinstance(cause, MaxRetryError):
        # Refused, or no such host: nothing was written.
        return (
            FailureClass.RETRY_SAFE
            if isinstance(cause.reason, NewConnectionError)
            else FailureClass.AMBIGUOUS
        )
    return FailureClass.AMBIGUOUS


def _is_distrust(error: BaseException) -> bool:
    """Return whether the server's certificate was not trusted: the handshake ended there, before any request."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return True
    # The libraries wrap each other's errors: as an argument, or as the reason.
    wrapped = [*error.args, getattr(error, "reason", None)]
    return any(_is_distrust(inner) for inner in wrapped if isinstance(inner, BaseException))


def _report(message: Any) -> Report:
    return Report(str(message.sid), str(message.status), message.error_code)


def _said(error: TwilioRestException) -> str:
    known = CODES[error.code][1] if error.code in CODES else ""
    return words(f"HTTP {error.status}", error.code, "" if known else str(error.msg))


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long Twilio asks to be left alone, where it says so in seconds; a day at most."""
    seconds = headers.get("Retry-After", "")
    if not seconds.isdecimal():
        return None
    # Thousands of digits are no number for Python, and what follows from a 429 must not depend on them.
    return (
        min(timedelta(seconds=int(seconds)), LONGEST_RETRY_AFTER) if len(seconds) < 9 else LONGEST_RETRY_AFTER
    )


def _failed(failure: FailureClass, said: str, *, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(AFTER[failure], words=said, failure=failure, retry_after=retry_after)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or "localhost"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
