"""Every setting of Janela: one table, read from `JANELA_…` environment variables."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maintenance.errors import JanelaError

#: The checkout: templates, translations, migrations, examples and `instance/` live here.
ROOT = Path(__file__).resolve().parent.parent


class InvalidSetting(JanelaError):
    """A `JANELA_…` variable holds something that cannot be used."""


#: Whole numbers, and how small they may be.
_LEAST = {"SMTP_CONNECTIONS": 1, "TWILIO_RATE": 0, "TICK_SECONDS": 1, "IMPORT_LIMIT_MB": 1}
_CHOICES = {
    "SMS_ACCENTS": ("fold", "keep"),
    "TWILIO_RETENTION": ("keep", "discard"),
    "ENGINE": ("embedded", "celery"),
    "ESCALATION": ("on", "off"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: the variable without `JANELA_`, its default, what it is for."""

    name: str
    default: str
    help: str
    secret: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "DATABASE_URL",
        "sqlite:///instance/janela.db",
        "SQLAlchemy address of the database: SQLite, or PostgreSQL (`postgresql+psycopg://…`).",
        secret=True,
    ),
    Setting(
        "PUBLIC_URL",
        "http://127.0.0.1:8000",
        "Address under which readers reach the site; links in notices use it.",
    ),
    Setting(
        "SECRET_KEY",
        "",
        "Signs sessions and links. Empty: made once and kept in `instance/secret_key`.",
        secret=True,
    ),
    Setting("TIMEZONE", "Europe/Lisbon", "IANA zone for people and pages that say none."),
    Setting("LOCALES", "pt en", "Languages of pages and notices, the default first, separated by spaces."),
    Setting("SITE_NAME", "Janela", "Name of the site in page titles, calendars and message subjects."),
    Setting(
        "SMTP_URL",
        "",
        "Mail relay: `smtp://user:password@host:587` (STARTTLS required; `?starttls=off` for a relay on the same "
        "machine) or `smtps://…`. Empty: mail goes to the outbox.",
        secret=True,
    ),
    Setting("SMTP_CONNECTIONS", "16", "How many connections to the relay at once."),
    Setting("MAIL_FROM", "Janela <janela@example.org>", "Sender of mails."),
    Setting(
        "MAIL_BOUNCES",
        "",
        "Address for bounces, without name; each delivery then has its own (`bounces+42.…@host`), so the mailbox "
        "must take what follows a plus sign. Empty: bounces go to the sender, and no address is suppressed for them.",
    ),
    Setting(
        "GUEST_LIST",
        "",
        "The only addresses and numbers that real transports reach, separated by spaces; `*` lifts the limit. "
        "What it holds back goes to the outbox.",
    ),
    Setting("TWILIO_ACCOUNT_SID", "", "Twilio account (`AC…`). Empty: SMS go to the outbox."),
    Setting("TWILIO_API_KEY", "", "Twilio API key (`SK…`) that sends."),
    Setting("TWILIO_API_SECRET", "", "Secret of that key.", secret=True),
    Setting(
        "TWILIO_AUTH_TOKEN",
        "",
        "Verifies callbacks; two separated by a space while it is being rotated.",
        secret=True,
    ),
    Setting("TWILIO_FROM", "", "Sender: a number in E.164 or an alphanumeric name."),
    Setting("TWILIO_MESSAGING_SERVICE", "", "Messaging Service (`MG…`), instead of a sender."),
    Setting(
        "TWILIO_RATE",
        "0",
        "How many SMS parts a second the sender carries (a long number: 1); 0 sets no limit here.",
    ),
    Setting(
        "TWILIO_RETENTION",
        "keep",
        "`discard`: Twilio keeps neither texts nor numbers (the account needs Message Redaction).",
    ),
    Setting("TWILIO_API_URL", "", "Scheme and host of a local stand-in for api.twilio.com."),
    Setting(
        "WEBHOOK_ALLOW",
        "",
        "Networks of one's own that webhooks may reach, also without https, as in `10.20.0.0/16 fd00::/8`. "
        "Empty: only the internet.",
    ),
    Setting(
        "SMS_PRICE",
        "",
        "What one SMS part costs, as in `0.0413 EUR`: pages estimate what a notice costs before it goes. "
        "Empty: no estimate.",
    ),
    Setting("SMS_ACCENTS", "fold", "`keep` accents in SMS (more parts) or `fold` them to plain letters."),
    Setting(
        "ESCALATION",
        "on",
        "Whether others are told where a notice reached nobody of an institution: `on` or `off`.",
    ),
    Setting(
        "ONCALL",
        "",
        "Addresses and numbers of the operators, separated by spaces: told when nobody of an institution could be "
        "reached, and when the breaker stops a channel. Empty: the page of deliveries says it alone.",
    ),
    Setting(
        "ENGINE",
        "embedded",
        "What runs the due work: `embedded` (the process that serves pages), or `celery`: `janela scheduler` finds "
        "it and `janela worker`, as often as wanted, sends.",
    ),
    Setting(
        "BROKER_URL",
        "amqp://guest:guest@127.0.0.1:5672//",
        "With `celery`: the RabbitMQ (or `redis://…`) that carries the wake-ups for workers.",
        secret=True,
    ),
    Setting(
        "BROKER_QUEUE",
        "janela",
        "How the names of the queues begin there; installations that share a broker need one each.",
    ),
    Setting("TICK_SECONDS", "1", "How often due work is looked for."),
    Setting("IMPORT_LIMIT_MB", "64", "Largest document that is read, in megabytes."),
    Setting("INSTANCE", "instance", "Folder for the database, the outbox and the secret key."),
)
_DEFAULTS = {setting.name: setting.default for setting in SETTINGS}


class Settings:
    """The settings in force: `settings["PUBLIC_URL"]`, and the few that need reading as values."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Take `values` by name without `JANELA_`; what is not given has its default.

        Raises:
            InvalidSetting: For a name that is not in the table.
        """
        given = dict(values or {})
        if unknown := sorted(given.keys() - _DEFAULTS.keys()):
            raise InvalidSetting(
                "There is no setting JANELA_%(name)s; see `janela settings`.", name=unknown[0]
            )
        self._values = {**_DEFAULTS, **given}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings of an environment; `JANELA_TEST_…` belongs to the tests and is passed over.

        Raises:
            InvalidSetting: For a name that is not in the table, or a value that cannot be meant: better at the
                start than in the night.
        """
        settings = cls(
            {
                name.removeprefix("JANELA_"): value
                for name, value in environ.items()
                if name.startswith("JANELA_") and not name.startswith("JANELA_TEST_")
            }
        )
        settings._check()
        return settings

    def _check(self) -> None:
        for name, least in _LEAST.items():
            if self.number(name) < least:
                raise InvalidSetting(
                    "JANELA_%(name)s must be %(least)s at least.", name=name, least=str(least)
                )
        for name, choices in _CHOICES.items():
            if self[name] not in choices:
                raise InvalidSetting(
                    "JANELA_%(name)s must be %(choices)s, not “%(value)s”.",
                    name=name,
                    choices=" or ".join(f"`{choice}`" for choice in choices),
                    value=self[name],
                )
        try:
            ZoneInfo(self["TIMEZONE"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidSetting(
                "JANELA_TIMEZONE: there is no time zone “%(value)s”; use an IANA name such as Europe/Lisbon.",
                value=self["TIMEZONE"],
            ) from None
        if not self["PUBLIC_URL"].startswith(("https://", "http://")):
            raise InvalidSetting(
                "JANELA_PUBLIC_URL must begin with https:// or http://, not “%(value)s”.",
                value=self["PUBLIC_URL"],
            )

    def __getitem__(self, name: str) -> str:
        """Return the value as text; `KeyError` for a name that is not in the table."""
        return self._values[name]

    def number(self, name: str) -> int:
        """Return a whole number.

        Raises:
            InvalidSetting: When it is not one.
        """
        try:
            return int(self._values[name])
        except ValueError:
            raise InvalidSetting(
                "JANELA_%(name)s must be a whole number, not “%(value)s”.",
                name=name,
                value=self._values[name],
            ) from None

    @property
    def instance(self) -> Path:
        """Return the folder for what this installation writes; relative ones lie in the checkout."""
        return ROOT / self["INSTANCE"]

    @property
    def locales(self) -> tuple[str, ...]:
        """Return the languages offered, the default first."""
        return tuple(self["LOCALES"].split()) or ("en",)

    @property
    def public_url(self) -> str:
        """Return the public address without a slash at its end."""
        return self["PUBLIC_URL"].rstrip("/")


def secret_key(settings: Settings) -> str:
    """Return the key that signs sessions and links, made once and kept where none was set."""
    if settings["SECRET_KEY"]:
        return settings["SECRET_KEY"]
    path = settings.instance / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"secret_key.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        try:
            # Linking fails where another process was first: all of them use the same key.
            path.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()
