"""`janela deliveries`: who was told what, when, on which channel, with what outcome."""

from __future__ import annotations

from typing import TextIO

import click
from sqlalchemy.orm import Session

from maintenance.commands.options import actor, by_option
from maintenance.runtime import Runtime
from notifications import queries, reach, reports, stopping, tallies
from notifications.reports import Filter, Told
from notifications.retries import State


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(deliveries)


@click.group()
def deliveries() -> None:
    """See who was told what, when, on which channel, with what outcome."""


@deliveries.command("list")
@click.argument("reference", required=False)
@click.option("--notice", help="Public id of a notice: list its deliveries, not all notices.")
@click.option("--institution", help="Code of an institution: list what it was told.")
@click.option("--address", help="An e-mail address or a number: list what went there.")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in State]),
    multiple=True,
    help="List deliveries in this state; may be given several times.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="At most so many lines, the newest.",
)
@click.pass_obj
def list_(
    runtime: Runtime,
    reference: str | None,
    notice: str | None,
    institution: str | None,
    address: str | None,
    states: tuple[str, ...],
    limit: int,
) -> None:
    """List notices (of an intervention) with their progress, or the deliveries that the options name; newest first."""
    with runtime.database.read() as session:
        if notice or institution or address or states:
            which = Filter(
                reference=reference,
                notice=notice,
                institution=institution,
                address=address,
                states=[State(state) for state in states],
            )
            tallies.check(session, which)
            rows = list(reports.told(session, which, limit=limit + 1, newest_first=True))
            for row in rows[:limit]:
                click.echo(_line(row))
            _say_if_cut(len(rows), limit)
            if institution:
                for one in reach.unreachable(session, institution, runtime.clock()):
                    click.echo(
                        f"! {one.name} cannot be reached by {one.channel}: {one.address}, {one.reason}",
                        err=True,
                    )
            return
        _list_notices(session, reference, limit)
        for trouble in queries.troubles(session, runtime.clock()):
            click.echo(_trouble(trouble), err=True)


def _trouble(trouble: queries.Trouble) -> str:
    if trouble.what == "stopped":
        return (
            f"! channel {trouble.name} is stopped: {trouble.words or 'no reason given'}; "
            f"`janela deliveries resume {trouble.name}` lets it go on"
        )
    if trouble.what == "institution":
        return f"! nobody of {trouble.name} was reached ({trouble.words}); tell them yourself"
    how = f"failed {trouble.failures} times" if trouble.failures else "is paused"
    return f"! {trouble.what} {trouble.name} {how}: {trouble.words}"


def _say_if_cut(found: int, limit: int) -> None:
    if found > limit:
        click.echo(
            f"! there are more than these {limit}, the newest: give a higher --limit, or "
            "`janela deliveries export` them",
            err=True,
        )


def _list_notices(session: Session, reference: str | None, limit: int) -> None:
    found = queries.notices(session, reference=reference, limit=limit + 1)
    notices = found[:limit]
    counts, _ = tallies.tally_of_notices(session, [notice.id for notice in notices])
    for notice in notices:
        progress = ", ".join(f"{count} {state}" for state, count in counts[notice.id].items())
        click.echo(
            f"{notice.public_id}  {notice.due_at:%Y-%m-%d %H:%M} UTC  {notice.reference} v{notice.sequence} "
            f"{notice.kind:<12}  {'paused' if notice.paused_at else notice.state:<10}  {progress}".rstrip()
        )
    _say_if_cut(len(found), limit)


@deliveries.command()
@click.argument("delivery", type=int)
@click.pass_obj
def show(runtime: Runtime, delivery: int) -> None:
    """Show one delivery with every try and receipt."""
    with runtime.database.read() as session:
        row = reports.get_told(session, delivery)
        click.echo(_line(row))
        click.echo(f"  institutions: {row.institutions or 'none'}; language: {row.language}")
        if row.instead:
            click.echo(f"  told instead of others: {row.instead}")
        click.echo(f"  useful until {row.expires_at:%Y-%m-%d %H:%M:%S} UTC; tried {row.attempts} times")
        for event in reports.history(session, delivery):
            detail = "; ".join(f"{key}: {value}" for key, value in event.detail.items())
            click.echo(f"  {event.at:%Y-%m-%d %H:%M:%S} UTC  {event.kind} → {event.state}  {detail}".rstrip())


@deliveries.command()
@click.argument("reference", required=False)
@click.option("--notice", help="Only this notice (public id).")
@click.option("--institution", help="Only what this institution was told (code).")
@click.option(
    "--output", type=click.File("w", encoding="utf-8"), default="-", help="A file; else the screen."
)
@click.pass_obj
def export(
    runtime: Runtime,
    reference: str | None,
    notice: str | None,
    institution: str | None,
    output: TextIO,
) -> None:
    """Write deliveries as CSV, one line each, safe to open in a spreadsheet."""
    which = Filter(reference=reference, notice=notice, institution=institution)
    with runtime.database.read() as session:
        tallies.check(session, which)
        for line in reports.as_csv(reports.told(session, which)):
            output.write(line)


@deliveries.command()
@click.argument("name", metavar="CHANNEL|NOTICE")
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who find it stopped.")
@by_option
@click.pass_obj
def pause(runtime: Runtime, name: str, reason: str, by: str | None) -> None:
    """Stop a channel (email, sms, webhook, chat) or one notice until it is resumed.

    At most the batch that is going out still goes; what expires meanwhile expires.
    """
    with runtime.database.write() as session:
        stopping.pause(session, name, words=reason, by=actor(session, by), now=runtime.clock())
    click.echo(f"{name} is stopped; `janela deliveries resume {name}` lets it go on.")


@deliveries.command()
@click.argument("name", metavar="CHANNEL|NOTICE")
@by_option
@click.pass_obj
def resume(runtime: Runtime, name: str, by: str | None) -> None:
    """Let a channel or a notice go on that a person or the breaker stopped."""
    with runtime.database.write() as session:
        stopping.resume(session, name, by=actor(session, by), now=runtime.clock())
    click.echo(f"{name} goes on.")


@deliveries.command()
@click.option("--limit", default=20, show_default=True, help="At most so many lines.")
@click.pass_obj
def acts(runtime: Runtime, limit: int) -> None:
    """List who stopped, resumed or tested what, newest first."""
    with runtime.database.read() as session:
        for act in stopping.acts(session, limit=limit):
            words = f"  {act.words}" if act.words else ""
            click.echo(f"{act.at:%Y-%m-%d %H:%M:%S} UTC  {act.by}  {act.kind} {act.what} {act.name}{words}")


def _line(row: Told) -> str:
    when = row.finished_at or row.tried_at or row.queued_at
    words = f"  {row.outcome}" if row.outcome else ""
    return (
        f"{row.delivery}  {when:%Y-%m-%d %H:%M:%S} UTC  {row.reference} v{row.sequence} {row.kind:<12}  "
        f"{row.channel}/{row.transport or '-'}  {row.address}  {row.state}{words}"
    )
