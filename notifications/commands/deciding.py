"""`janela deliveries resend|settle|cancel` and `janela suppressions`: what a person decides about deliveries and addresses."""

from __future__ import annotations

from collections.abc import Sequence

import click

from maintenance.commands.options import actor, by_option
from maintenance.errors import StepRefused
from maintenance.runtime import Runtime
from notifications import deciding, queries, suppressions
from notifications.commands.deliveries import deliveries
from notifications.deciding import Decision
from notifications.stopping import CHANNELS

_words_option = click.option("--reason", default="", metavar="TEXT", help="Why, for the record.")
_ids = click.argument("ids", metavar="DELIVERY...", nargs=-1, required=True, type=int)


def register(cli: click.Group) -> None:
    """Add the commands to `janela`; those of deliveries are there already."""
    cli.add_command(suppressions_)


@deliveries.command()
@click.argument("ids", metavar="[DELIVERY]...", nargs=-1, type=int)
@click.option("--notice", help="All of this notice (public id) that need a person and may be sent again.")
@_words_option
@by_option
@click.pass_obj
def resend(runtime: Runtime, ids: Sequence[int], notice: str | None, reason: str, by: str | None) -> None:
    """Send deliveries again that are in doubt, came back, or were refused.

    A message that had arrived after all arrives twice: that is your decision, and recorded as such. One that is
    of no use any more, or older than what its reader was told since, is refused.
    """
    if bool(ids) == bool(notice):
        raise click.UsageError("Name deliveries, or one notice with --notice.")
    if notice:
        with runtime.database.read() as session:
            queries.get_notice(session, notice)
            ids = deciding.in_doubt(session, notice=notice)
    _decide(runtime, ids, Decision.AGAIN, reason, by, skips=bool(notice))


@deliveries.command()
@_ids
@click.option("--arrived", is_flag=True, help="Their readers have them.")
@click.option("--lost", is_flag=True, help="They never arrived, and are not to be sent again.")
@_words_option
@by_option
@click.pass_obj
def settle(
    runtime: Runtime, ids: Sequence[int], arrived: bool, lost: bool, reason: str, by: str | None
) -> None:
    """Say of deliveries in doubt whether they arrived; nothing is sent."""
    if arrived == lost:
        raise click.UsageError("Say what you found out: --arrived or --lost.")
    _decide(runtime, ids, Decision.ARRIVED if arrived else Decision.LOST, reason, by)


@deliveries.command()
@_ids
@_words_option
@by_option
@click.pass_obj
def cancel(runtime: Runtime, ids: Sequence[int], reason: str, by: str | None) -> None:
    """Take deliveries back that have not left."""
    _decide(runtime, ids, Decision.TAKEN_BACK, reason, by)


def _decide(
    runtime: Runtime,
    ids: Sequence[int],
    decision: Decision,
    words: str,
    by: str | None,
    *,
    skips: bool = False,
) -> None:
    # Of a list all or none: half of it decided would have to be found out again.
    said = []
    with runtime.database.write() as session:
        who, now = actor(session, by), runtime.clock()
        for id_ in ids:
            try:
                state = deciding.decide(session, id_, decision, words=words, by=who, now=now)
                said.append(f"{id_}  {state.value}")
            except StepRefused as refusal:
                if not skips:
                    raise
                said.append(f"{id_}  left as it is: {refusal}")
    for line in said or ["Nothing of it needs a person."]:
        click.echo(line)


@click.group("suppressions")
def suppressions_() -> None:
    """See and change which addresses get nothing more on a channel."""


@suppressions_.command("list")
@click.option("--channel", type=click.Choice(CHANNELS), help="Only those of one channel.")
@click.option("--limit", default=500, show_default=True, help="At most so many lines.")
@click.pass_obj
def list_(runtime: Runtime, channel: str | None, limit: int) -> None:
    """List the addresses that get nothing now, the newest first, with the reason."""
    with runtime.database.read() as session:
        for one in suppressions.silent(session, runtime.clock(), channel=channel, limit=limit):
            until = f"until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else "until lifted"
            click.echo(f"{one.since:%Y-%m-%d %H:%M} UTC  {one.channel}  {one.address}  {one.reason}  {until}")


@suppressions_.command()
@click.argument("channel", type=click.Choice(CHANNELS))
@click.argument("address")
@_words_option
@by_option
@click.pass_obj
def lift(runtime: Runtime, channel: str, address: str, reason: str, by: str | None) -> None:
    """Let an address get messages again, from the next one on."""
    with runtime.database.write() as session:
        id_ = suppressions.find(session, channel, address)
        suppressions.lift(session, id_, words=reason, by=actor(session, by), now=runtime.clock())
    click.echo(f"{address} gets messages again; `janela deliveries resend` sends what it missed.")


@suppressions_.command()
@click.argument("channel", type=click.Choice(CHANNELS))
@click.argument("address")
@_words_option
@by_option
@click.pass_obj
def add(runtime: Runtime, channel: str, address: str, reason: str, by: str | None) -> None:
    """Keep all messages from an address until that is lifted."""
    with runtime.database.write() as session:
        id_ = suppressions.find(session, channel, address)
        suppressions.silence(session, id_, words=reason, by=actor(session, by), now=runtime.clock())
    click.echo(f"{address} gets nothing more; `janela suppressions lift` changes that.")
