"""`janela webhooks` and `janela chats`: programs and chat rooms that hear what an institution hears."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from maintenance import schema
from maintenance.commands.options import actor, by_option, echo_json, json_option
from maintenance.lifecycle import Actor
from maintenance.runtime import Runtime
from maintenance.windows import zone
from notifications import channels, endpoints, payloads
from notifications.channels.chat import service_of
from notifications.channels.parcels import Parcel
from notifications.endpoint_guard import read_networks, read_target
from notifications.errors import InvalidEndpoint
from notifications.models import EndpointRow


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    for group, channel in ((webhooks, "webhook"), (chats, "chat")):
        for make in (_list, _pause, _resume, _test):
            group.add_command(make(channel))
        cli.add_command(group)


@click.group()
def webhooks() -> None:
    """Keep the programs of institutions that get notices as signed JSON."""


@click.group()
def chats() -> None:
    """Keep the chat rooms of institutions (Teams, Slack, Matrix, …); needs the extra `chat`."""


_language = click.option("--language", help="Of what it is told; unless said, the site's first.")
_timezone = click.option("--timezone", help="In which times are written; unless said, the site's.")
_name = click.option("--name", default="", help="What people call it.")


@webhooks.command("add")
@click.argument("institution")
@click.argument("url")
@_name
@_language
@_timezone
@by_option
@json_option
@click.pass_obj
def add_webhook(
    runtime: Runtime, /, institution: str, url: str, as_json: bool, **options: str | None
) -> None:
    """Register URL for INSTITUTION (its code), and show the secret that signs, this once."""
    target = read_target(url, read_networks(runtime.settings["WEBHOOK_ALLOW"]))
    secret = endpoints.new_secret()
    public_id = _add(runtime, "webhook", institution, target.url, secret, **options)
    _show_secret(public_id, target.url, secret, as_json=as_json, words="Registered")


@webhooks.command("rotate")
@click.argument("webhook")
@by_option
@json_option
@click.pass_obj
def rotate(runtime: Runtime, webhook: str, by: str | None, as_json: bool) -> None:
    """Give WEBHOOK (its id or address) a new secret; the old one signs as well for a day."""
    with _changing(runtime) as session:
        row = endpoints.get(session, "webhook", webhook)
        secret = endpoints.rotate(session, row, by=actor(session, by), now=runtime.clock())
        public_id, address = row.public_id, row.address
    _show_secret(public_id, address, secret, as_json=as_json, words="Changed")


@chats.command("add")
@click.argument("institution")
@click.option(
    "--address",
    prompt="Address of the room (as Apprise writes it)",
    hide_input=True,
    help="Unless given it is asked for: it is a secret, and command lines are seen by others.",
)
@_name
@_language
@_timezone
@by_option
@click.pass_obj
def add_chat(runtime: Runtime, /, institution: str, address: str, **options: str | None) -> None:
    """Register a chat room for INSTITUTION (its code)."""
    service = service_of(address.strip())
    # The ledger, its pages and exports call the room by this.
    called = f"{service}:{endpoints.new_name()}"
    public_id = _add(runtime, "chat", institution, called, address.strip(), **options)
    click.echo(f"Registered {public_id}: {called} for {institution}.")


def _add(
    runtime: Runtime, channel: str, institution: str, address: str, secret: str, **options: str | None
) -> str:
    language = options["language"] or runtime.settings.locales[0]
    if language not in runtime.settings.locales:
        raise InvalidEndpoint(
            "The languages of this site are %(locales)s.", locales=" ".join(runtime.settings.locales)
        )
    with _changing(runtime) as session:
        row = endpoints.add(
            session,
            channel=channel,
            institution=institution,
            address=address,
            name=options["name"] or "",
            language=language,
            timezone=zone(options["timezone"] or runtime.settings["TIMEZONE"]).key,
            secret=secret,
            by=actor(session, options["by"]),
            now=runtime.clock(),
        )
        return row.public_id


def _changing(runtime: Runtime) -> Any:
    schema.check(runtime.database)
    return runtime.database.write()


def _show_secret(public_id: str, address: str, secret: str, *, as_json: bool, words: str) -> None:
    if as_json:
        echo_json({"id": public_id, "address": address, "secret": secret})
        return
    click.echo(f"{words} {public_id}: {address}")
    click.echo(f"Secret, shown this once: {secret}")


def _list(channel: str) -> click.Command:
    @click.command(
        "list",
        help=f"List the {channel}s and whether they are paused; --json also what was done with each, by whom.",
    )
    @json_option
    @click.pass_obj
    def listing(runtime: Runtime, as_json: bool) -> None:
        schema.check(runtime.database)
        with runtime.database.read() as session:
            rows = [_document(session, row) for row in endpoints.all_of(session, channel)]
        if as_json:
            echo_json(rows)
            return
        for row in rows:
            state = f"paused: {row['paused_why']}" if row["paused_at"] else "open"
            click.echo(
                "  ".join(str(row[key]) for key in ("id", "institution", "address", "name")) + f"  {state}"
            )
        if not rows:
            click.echo(f"There is none; `janela {channel}s add` registers one.")

    return listing


def _document(session: Session, row: EndpointRow) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "institution": row.institution,
        "address": row.address,
        "name": row.name,
        "language": row.language,
        "timezone": row.timezone,
        "created_at": row.created_at.isoformat(),
        "paused_at": row.paused_at.isoformat() if row.paused_at else None,
        "paused_why": row.paused_why,
        "history": [
            {"at": event.at.isoformat(), "kind": event.kind, "by": event.by, "words": event.words}
            for event in endpoints.history(session, row)
        ],
    }


def _pause(channel: str) -> click.Command:
    def do(session: Session, row: EndpointRow, by: Actor, runtime: Runtime) -> str:
        endpoints.pause(session, row, why="By hand.", by=by, now=runtime.clock())
        return f"Paused {row.address}: nothing more is sent to it until it is resumed."

    return _step(channel, "pause", "Send nothing more to one, and close what waits for it.", do)


def _resume(channel: str) -> click.Command:
    def do(session: Session, row: EndpointRow, by: Actor, runtime: Runtime) -> str:
        endpoints.resume(session, row, by=by, now=runtime.clock())
        return f"Resumed {row.address}: it hears of the next notice; what it missed is not sent later."

    return _step(channel, "resume", "Send to one again, from the next notice on.", do)


def _step(
    channel: str, name: str, words: str, do: Callable[[Session, EndpointRow, Actor, Runtime], str]
) -> click.Command:
    @click.command(name, help=words)
    @click.argument("endpoint", metavar=channel.upper())
    @by_option
    @click.pass_obj
    def step(runtime: Runtime, endpoint: str, by: str | None) -> None:
        with _changing(runtime) as session:
            said = do(session, endpoints.get(session, channel, endpoint), actor(session, by), runtime)
        click.echo(said)

    return step


def _test(channel: str) -> click.Command:
    @click.command("test", help="Send one a message that says so, past the ledger, and tell how it went.")
    @click.argument("endpoint", metavar=channel.upper())
    @click.pass_obj
    def test(runtime: Runtime, endpoint: str) -> None:
        schema.check(runtime.database)
        with runtime.database.read() as session:
            parcel = _trial(runtime, channel, endpoints.get(session, channel, endpoint))
        way_out = channels.transports(runtime)[channel]
        [(_, outcome)] = way_out.send([parcel], now=runtime.clock())
        if outcome.failure is not None:
            raise click.ClickException(f"{parcel.recipient}: {outcome.words}")
        click.echo(f"{parcel.recipient}: {outcome.words}")
        if outcome.transport == "outbox":
            click.echo("JANELA_GUEST_LIST does not name it, so nothing left.")

    return test


def _trial(runtime: Runtime, channel: str, row: EndpointRow) -> Parcel:
    now, site = runtime.clock(), runtime.settings.public_url
    if channel == "webhook":
        message = payloads.trial_body(row.institution, site_url=site, at=now)
    else:
        message = f"This room gets the maintenance notices of {row.institution}: {site}".encode()
    return Parcel(
        delivery_id=0,
        recipient=row.address,
        name=row.name,
        message=message,
        subject=f"{runtime.settings['SITE_NAME']}: test",
        notice_public_id="test",
        sequence=int(now.timestamp()),
        reference="TEST",
        kind="test",
        queued_at=now,
        expires_at=now + timedelta(minutes=5),
    )
