"""A stand-in for Twilio's Messages API whose answers follow a script.

What it answers and what it is asked is held against Twilio's own description of the API
(`tests/data/twilio_messages_subset.json`): an answer that is not as described fails the test that got it.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jsonschema
from twilio.request_validator import RequestValidator

ACCOUNT_SID = "AC" + "0" * 31 + "1"
API_KEY, API_SECRET, AUTH_TOKEN = "SK" + "0" * 31 + "1", "api-secret", "auth-token"
_SPEC = json.loads((Path(__file__).parent.parent / "data" / "twilio_messages_subset.json").read_text())
_PATH = "/2010-04-01/Accounts/{AccountSid}/Messages.json"


@dataclass(frozen=True)
class Answer:
    """What the stand-in answers once to a message for a number."""

    status: int = 201
    code: int | None = None
    words: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    #: Whether it keeps the message, whatever it says.
    accepted: bool = True
    #: How long it is silent first.
    seconds: float = 0.0
    #: Whether it closes the connection without an answer.
    drop: bool = False
    #: Whether it says its first line letter by letter, and never comes to its end.
    drips: bool = False
    #: Whether it answers in the clear on a connection that is encrypted.
    garbles: bool = False
    #: What it says instead of JSON.
    body: bytes | None = None


def refused(status: int, code: int | None, words: str = "refused", **headers: str) -> Answer:
    """Return: an error, the message not taken; `Retry_After="2"` gives that header."""
    shown = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, code, words, shown, accepted=False)


@dataclass(frozen=True)
class Callback:
    """What Twilio would post to us about a message."""

    url: str
    form: dict[str, str]
    headers: dict[str, str]

    @property
    def path(self) -> str:
        """Return path and query, as a test client wants them."""
        parts = urlsplit(self.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


@dataclass
class TwilioStandIn:
    """Listens on an ephemeral port of 127.0.0.1 from `with` on; the script is by number."""

    script: dict[str, list[Answer]] = field(default_factory=dict)
    #: What it took, oldest first: the form as it was posted, and what was answered.
    messages: list[dict[str, Any]] = field(default_factory=list)
    #: Everything that was asked, taken or not.
    requests: list[dict[str, str]] = field(default_factory=list)
    #: Answers and requests that are not as Twilio describes them.
    violations: list[str] = field(default_factory=list)
    #: When it says that it took a message.
    clock: Callable[[], datetime] = lambda: datetime(2019, 11, 28, 10, tzinfo=UTC)
    #: Encrypts if given.
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._script = defaultdict(list, {key: list(answers) for key, answers in self.script.items()})
        self._lock = threading.Lock()
        self.is_over = False
        stand_in = self

        class Handler(_Handler):
            owner = stand_in

        self._server = _Server(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def url(self) -> str:
        """Return what JANELA_TWILIO_API_URL holds."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings of an installation that sends through the stand-in, to everybody."""
        return {
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_API_KEY": API_KEY,
            "TWILIO_API_SECRET": API_SECRET,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_FROM": "Janela",
            "TWILIO_API_URL": self.url,
            "GUEST_LIST": "*",
        }

    def answer_next(self, number: str, *answers: Answer) -> None:
        """Add to the script of a number."""
        self._script[number] += answers

    def sent_to(self, number: str) -> list[dict[str, Any]]:
        """Return what was taken for one number."""
        return [message for message in self.messages if message["form"]["To"] == number]

    def callback(
        self, message: dict[str, Any], status: str, code: int | None = None, *, token: str = AUTH_TOKEN
    ) -> Callback:
        """Return the signed report on a message; a wrong `token` makes a forgery."""
        url = message["form"]["StatusCallback"].partition("#")[0]  # options behind # are not signed
        form = {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": "2010-04-01",
            "From": message["form"].get("From", ""),
            "To": message["form"]["To"],
            "MessageSid": message["sid"],
            "SmsSid": message["sid"],
            "MessageStatus": status,
            "SmsStatus": status,
        } | ({"ErrorCode": str(code)} if code else {})
        signed = RequestValidator(token).compute_signature(url, form)
        return Callback(url, form, {"X-Twilio-Signature": signed})

    def inbound(
        self, url: str, number: str, text: str, *, opt_out_type: str = "", token: str = AUTH_TOKEN
    ) -> Callback:
        """Return the signed word that a reader sent us a message; a wrong `token` makes a forgery."""
        sid = f"SM{2**64:032x}"
        form = {
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": "2010-04-01",
            "From": number,
            "To": "+351920000000",
            "Body": text,
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "SmsStatus": "received",
            "NumMedia": "0",
            "NumSegments": "1",
        } | ({"OptOutType": opt_out_type} if opt_out_type else {})
        signed = RequestValidator(token).compute_signature(url, form)
        return Callback(url, form, {"X-Twilio-Signature": signed})

    def take(self, form: dict[str, str]) -> tuple[Answer, dict[str, Any] | None]:
        """Return the answer whose turn it is, and the message if it is kept."""
        with self._lock:
            self.requests.append(form)
            self.violations += _violations(_request_schema, _typed(form), "request")
            waiting = self._script[form.get("To", "")]
            answer = waiting.pop(0) if waiting else Answer()
            if not answer.accepted:
                return answer, None
            sid = f"SM{len(self.messages) + 1:032x}"
            resource = _resource(sid, form, self.clock())
            self.violations += _violations(_resource_schema, resource, "answer")
            message = {"sid": sid, "form": form, "resource": resource}
            self.messages.append(message)
            # What is answered was true when it was taken, whatever becomes of the message meanwhile.
            return answer, {**message, "resource": dict(resource)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over callers that are gone, as those are that a test killed."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    owner: TwilioStandIn
    protocol_version = "HTTP/1.1"
    # One write for head and body: unbuffered, each answer would wait 40 ms for a delayed ACK.
    wbufsize = -1

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if not self._may():
            return
        answer, message = self.owner.take({key: values[0] for key, values in form.items()})
        time.sleep(answer.seconds)
        if answer.drop:
            self.close_connection = True
            return
        if answer.garbles:
            socket.socket.sendall(self.connection, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            self.close_connection = True
            return
        if answer.drips:
            self._drip()
        elif answer.body is not None:
            self._say(answer.status, answer.body, answer.headers)
        elif answer.status == 201 and message is not None:
            self._say(201, json.dumps(message["resource"]).encode())
        else:
            error = {"code": answer.code, "message": answer.words, "status": answer.status, "more_info": ""}
            self._say(answer.status, json.dumps(error).encode(), answer.headers)

    def do_GET(self) -> None:
        if not self._may():
            return
        parts = urlsplit(self.path)
        wanted = parse_qs(parts.query).get("To", [""])[0]
        # Newest first, as Twilio lists them.
        found = [m["resource"] for m in reversed(self.owner.messages) if wanted in ("", m["form"]["To"])]
        if not parts.path.endswith("/Messages.json"):
            sid = parts.path.rpartition("/")[2].removesuffix(".json")
            one = next((m["resource"] for m in self.owner.messages if m["sid"] == sid), None)
            if one:
                self.owner.violations += _violations(_resource_schema, one, "look-up")
            self._say(200 if one else 404, json.dumps(one or {"code": 20404, "status": 404}).encode())
            return
        page = {"messages": found, "page": 0, "page_size": 50, "start": 0, "end": len(found),
                "uri": self.path, "first_page_uri": self.path,
                "next_page_uri": None, "previous_page_uri": None}  # fmt: skip
        self.owner.violations += _violations(_list_schema, page, "list")
        self._say(200, json.dumps(page).encode())

    def _drip(self) -> None:
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 201 ")
            while not self.owner.is_over:
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.02)
        self.close_connection = True

    def _may(self) -> bool:
        expected = base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {expected}" and ACCOUNT_SID in self.path:
            return True
        self._say(401, json.dumps({"code": 20003, "message": "Authenticate", "status": 401}).encode())
        return False

    def _say(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        for name, value in (
            *headers,
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


def _resource(sid: str, form: dict[str, str], now: datetime) -> dict[str, Any]:
    at = format_datetime(now)
    uri = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}.json"
    return {
        "body": form.get("Body"), "num_segments": "1", "direction": "outbound-api", "from": form.get("From"),
        "to": form["To"], "date_updated": at, "price": None, "error_message": None, "uri": uri,
        "account_sid": ACCOUNT_SID, "num_media": "0",
        "status": "accepted" if "MessagingServiceSid" in form else "queued",
        "messaging_service_sid": form.get("MessagingServiceSid"), "sid": sid, "date_sent": None,
        "date_created": at, "error_code": None, "price_unit": "USD", "api_version": "2010-04-01",
        "subresource_uris": {"media": uri.replace(".json", "/Media.json")},
    }  # fmt: skip


def _typed(form: dict[str, str]) -> dict[str, Any]:
    """Return the form with numbers and booleans as the description types them."""
    types = {name: rule.get("type") for name, rule in _request_schema()["properties"].items()}

    def value(name: str, text: str) -> Any:
        if types.get(name) == "integer":
            return int(text)
        return text == "true" if types.get(name) == "boolean" else text

    return {name: value(name, text) for name, text in form.items()}


def _request_schema() -> dict[str, Any]:
    body = _SPEC["paths"][_PATH]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    schema: dict[str, Any] = body["schema"]
    return schema | {"additionalProperties": False}


def _resource_schema() -> dict[str, Any]:
    schema: dict[str, Any] = _SPEC["components"]["schemas"]["api.v2010.account.message"]
    # Every property is in every answer of Twilio's, though the description does not require it.
    return schema | {"additionalProperties": False, "required": list(schema["properties"])}


def _list_schema() -> dict[str, Any]:
    schema: dict[str, Any] = _SPEC["paths"][_PATH]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    return schema


def _violations(schema: Callable[[], dict[str, Any]], value: Any, where: str) -> list[str]:
    return [f"{where}: {error.json_path}: {error.message}" for error in _validator(schema).iter_errors(value)]


@cache
def _validator(schema: Callable[[], dict[str, Any]]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_nullable({**schema(), "components": _SPEC["components"]}))


def _nullable(schema: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema says it: `nullable` becomes a type of its own."""
    if isinstance(schema, list):
        return [_nullable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _nullable(part) for key, part in schema.items() if key != "nullable"}
    if schema.get("nullable") is True and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
    return plain
