"""`janela settings`, `janela db` and `janela doctor`: the installation itself."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import click
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from maintenance import schema
from maintenance.errors import JanelaError
from maintenance.runtime import CLOCK_TOLERANCE, Runtime
from maintenance.settings import SETTINGS


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(settings)
    cli.add_command(db)
    cli.add_command(doctor)


@click.command()
@click.pass_obj
def settings(runtime: Runtime) -> None:
    """List every setting: its variable, the value in force, what it is for."""
    for setting in SETTINGS:
        value = runtime.settings[setting.name]
        shown = "(set, not shown)" if setting.secret and value != setting.default else value or "(empty)"
        click.echo(f"JANELA_{setting.name} = {shown}")
        click.echo(f"    {setting.help}")


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.pass_obj
def upgrade(runtime: Runtime) -> None:
    """Bring the tables to what this release needs; does nothing when they are."""
    before, after = schema.upgrade(runtime.database)
    click.echo(
        f"The database is up to date ({after})."
        if before == after
        else f"Upgraded {before or 'nothing'} → {after}."
    )


@click.command()
@click.pass_obj
def doctor(runtime: Runtime) -> None:
    """Check what the installation stands on; exit 1 when something will not work."""
    healthy = True
    for name, check in CHECKS.items():
        try:
            click.echo(f"  ok    {name}: {check(runtime)}")
        except (JanelaError, SQLAlchemyError, OSError) as error:
            healthy = False
            click.echo(f"  FAIL  {name}: {str(error).splitlines()[0]}")
    if not healthy:
        sys.exit(1)


def _python(_runtime: Runtime) -> str:
    return sys.version.split()[0]


def _database(runtime: Runtime) -> str:
    with runtime.database.read() as session:
        session.execute(text("SELECT 1"))
    return f"{runtime.database.engine.dialect.name} answers"


def _clock(runtime: Runtime) -> str:
    ahead = runtime.database.skew(runtime.host_clock)
    if abs(ahead) > CLOCK_TOLERANCE:
        raise JanelaError(
            "This host's clock and the database's are %(seconds)s seconds apart; have every host follow a time server "
            "(NTP: chrony, systemd-timesyncd), else what one sends another takes for abandoned.",
            seconds=round(abs(ahead).total_seconds()),
        )
    return "the database's is this host's" if runtime.database.is_sqlite else "agrees with the database's"


def _schema(runtime: Runtime) -> str:
    schema.check(runtime.database)
    return "fits this release"


def _disk(runtime: Runtime) -> str:
    folder = runtime.settings.instance
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free // 2**20
    if free < 200:
        raise JanelaError("%(free)s MB free in %(folder)s; make room.", free=free, folder=folder)
    return f"{free} MB free in {folder}"


def _public_url(runtime: Runtime) -> str:
    url = runtime.settings.public_url
    if not url.startswith(("http://", "https://")):
        raise JanelaError("JANELA_PUBLIC_URL is “%(url)s”; it starts with https://.", url=url)
    return url


def _transports(runtime: Runtime) -> str:
    mail = "relay" if runtime.settings["SMTP_URL"] else "outbox"
    sms = "Twilio" if runtime.settings["TWILIO_ACCOUNT_SID"] else "outbox"
    guests = runtime.settings["GUEST_LIST"]
    reach = "everybody" if guests == "*" else guests or "nobody: JANELA_GUEST_LIST is empty"
    return f"mail to the {mail}, SMS to {sms}; real transports reach {reach}"


#: What `janela doctor` looks at: a check returns what it found, or raises what to do. Other packages add theirs.
CHECKS: dict[str, Callable[[Runtime], str]] = {
    "Python": _python,
    "database": _database,
    "clock": _clock,
    "schema": _schema,
    "disk": _disk,
    "public address": _public_url,
    "mail and SMS": _transports,
}
