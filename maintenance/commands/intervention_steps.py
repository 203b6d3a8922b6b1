"""The steps of an intervention's life as commands of `janela interventions`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance import scheduling, schema
from maintenance.commands import life
from maintenance.commands.options import (
    actor,
    by_option,
    echo_json,
    instant,
    json_option,
    local_time,
    override_option,
    reason_option,
    text_of,
)
from maintenance.lifecycle import Actor
from maintenance.models import EventRow
from maintenance.publishing import standing
from maintenance.queries import get_intervention, last_change
from maintenance.runtime import Runtime
from maintenance.windows import parse_duration

_Command = Callable[..., None]
#: The commands of this file, in the order of an intervention's life.
_steps: list[click.Command] = []


def register(group: click.Group) -> None:
    """Add the steps to `janela interventions`."""
    for command in _steps:
        group.add_command(command)


@dataclass(frozen=True, slots=True)
class Taking:
    """What a step needs of its surroundings."""

    session: Session
    reference: str
    by: Actor
    now: datetime


def _step(
    name: str, *options: Callable[[_Command], _Command]
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function that takes a step into a command: REFERENCE, its options, `--by`, `--json`."""

    def make(function: Callable[..., None]) -> click.Command:
        def command(runtime: Runtime, reference: str, by: str | None, as_json: bool, **rest: Any) -> None:
            with _taking(runtime, reference, by, as_json) as taking:
                function(taking, **rest)

        command.__doc__ = function.__doc__
        wrapped: Any = click.pass_obj(command)
        decorators: list[Any] = [json_option, by_option, *reversed(options), click.argument("reference")]
        for option in decorators:
            wrapped = option(wrapped)
        _steps.append(click.command(name)(wrapped))
        return _steps[-1]

    return make


@contextmanager
def _taking(runtime: Runtime, reference: str, by: str | None, as_json: bool) -> Iterator[Taking]:
    """Give what a step needs; say at the end what became of the intervention, and of those it altered."""
    schema.check(runtime.database)
    now = runtime.clock()
    with runtime.database.write() as session:
        before = last_change(session)
        yield Taking(session, reference, actor(session, by), now)
        session.flush()
        row = get_intervention(session, reference)
        document = life.document_of(row)
        lines = [f"{reference}: {life.state_of(row, now)}.", *_altered(session, before)]
    # Said after the commit: what is printed has happened.
    if as_json:
        echo_json(document)
    else:
        click.echo("\n".join(lines))


def _altered(session: Session, since: int) -> list[str]:
    events = session.scalars(
        select(EventRow)
        .where(EventRow.id > since, EventRow.kind == "InterventionAltered")
        .order_by(EventRow.id)
    )
    return [
        f"{event.reference}: windows altered by this, published as version {event.payload['sequence']}."
        for event in events
    ]


_phase = click.option("--phase", metavar="ID", help="Which phase (p1, p2, …).")
_reason = reason_option()


def _why(help_text: str) -> Callable[[_Command], _Command]:
    return click.option("--reason", default="", metavar="TEXT", help=help_text)


@_step("submit")
def submit(taking: Taking) -> None:
    """Hand the draft to review."""
    scheduling.submit(taking.session, taking.reference, by=taking.by, now=taking.now)


@_step("approve", click.option("--note", default="", help="What the reviewer says."))
def approve(taking: Taking, note: str) -> None:
    """Agree to exactly the content that stands in review; whoever submitted it may not."""
    scheduling.approve(taking.session, taking.reference, note=note, by=taking.by, now=taking.now)


@_step("return", click.option("--note", required=True, help="What has to change."))
def return_(taking: Taking, note: str) -> None:
    """Give the version in review back to its author."""
    scheduling.return_(taking.session, taking.reference, note=note, by=taking.by, now=taking.now)


@_step("withdraw", _why("Why it is given up."))
def withdraw(taking: Taking, reason: str) -> None:
    """Give up the version on its way; what is published stays."""
    scheduling.withdraw(taking.session, taking.reference, reason=reason, by=taking.by, now=taking.now)


@_step("announce", _reason, override_option)
def announce(taking: Taking, reasons: tuple[str, ...], override: str) -> None:
    """Publish the approved version, and tell everybody."""
    scheduling.announce(
        taking.session,
        taking.reference,
        reason=text_of(reasons),
        override=override,
        by=taking.by,
        now=taking.now,
    )


@_step(
    "move",
    click.option("--start", required=True, metavar="TIME", help="New start of the first phase, local time."),
    _reason,
    override_option,
)
def move(taking: Taking, start: str, reasons: tuple[str, ...], override: str) -> None:
    """Move all phases so that the first with an impact begins at --start."""
    scheduling.move(
        taking.session,
        taking.reference,
        start=local_time(start),
        reason=text_of(reasons),
        override=override,
        by=taking.by,
        now=taking.now,
    )


@_step("hold", _why("Why it is held; needed."))
def hold(taking: Taking, reason: str) -> None:
    """Keep the clock from starting anything until it is released."""
    scheduling.hold(taking.session, taking.reference, reason=reason, by=taking.by, now=taking.now)


@_step("release", _why("Why it can start now."))
def release(taking: Taking, reason: str) -> None:
    """Let the clock start again what is due."""
    scheduling.release(taking.session, taking.reference, reason=reason, by=taking.by, now=taking.now)


@_step("start", _phase, _reason)
def start(taking: Taking, phase: str | None, reasons: tuple[str, ...]) -> None:
    """Begin a phase now: the next with an impact, unless --phase names one."""
    scheduling.start(
        taking.session, taking.reference, phase=phase, reason=text_of(reasons), by=taking.by, now=taking.now
    )


@_step(
    "update",
    click.option(
        "--text",
        "texts",
        multiple=True,
        required=True,
        metavar="TEXT",
        help='What readers are to know. Once for each language: --text pt="…" --text en="…".',
    ),
)
def update(taking: Taking, texts: tuple[str, ...]) -> None:
    """Publish words for the readers of an announced or running intervention."""
    scheduling.publish_update(
        taking.session, taking.reference, text=text_of(texts), by=taking.by, now=taking.now
    )


@_step(
    "extend",
    _phase,
    click.option(
        "--until", metavar="TIME", help="New end: 10:00 (the next), local time, or ISO with offset."
    ),
    click.option("--by-length", metavar="DURATION", help="How much longer, as in PT2H."),
    _reason,
)
def extend(
    taking: Taking, phase: str | None, until: str | None, by_length: str | None, reasons: tuple[str, ...]
) -> None:
    """Move the planned end of the open phase; later phases move by as much."""
    plan = standing(get_intervention(taking.session, taking.reference))
    scheduling.extend(
        taking.session,
        taking.reference,
        phase=phase,
        until=instant(until, plan.timezone, now=taking.now) if until else None,
        by_length=parse_duration(by_length) if by_length else None,
        reason=text_of(reasons),
        by=taking.by,
        now=taking.now,
    )


@_step(
    "verify",
    click.option("--phase", "phases", multiple=True, metavar="ID", help="Only this phase; several times."),
    click.option(
        "--system", "systems", multiple=True, metavar="CODE", help="Only this system; several times."
    ),
    _reason,
)
def verify(
    taking: Taking, phases: tuple[str, ...], systems: tuple[str, ...], reasons: tuple[str, ...]
) -> None:
    """Say that service is back: all of it, or of single phases or systems."""
    scheduling.verify(
        taking.session,
        taking.reference,
        phases=phases,
        systems=systems,
        reason=text_of(reasons),
        by=taking.by,
        now=taking.now,
    )


@_step("complete", _reason)
def complete(taking: Taking, reasons: tuple[str, ...]) -> None:
    """Say that it is over; what is still open ends now."""
    scheduling.complete(
        taking.session, taking.reference, reason=text_of(reasons), by=taking.by, now=taking.now
    )


@_step("cancel", _reason)
def cancel(taking: Taking, reasons: tuple[str, ...]) -> None:
    """Say that it will not take place, or break it off."""
    scheduling.cancel(taking.session, taking.reference, reason=text_of(reasons), by=taking.by, now=taking.now)
