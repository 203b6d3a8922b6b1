"""`janela tick`, `janela scheduler` and `janela worker`: the due work without the site."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from threading import Event

import click

from maintenance import schema
from maintenance.commands import installation
from maintenance.runtime import Runtime
from notifications import channels, jobs, queries, reach, stopping
from notifications.deputies import read_operators
from notifications.engine import Engine
from notifications.errors import ChannelStopped, MissingTranslations, NobodyReached, NoWorkHere
from notifications.wording import words_for


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(tick)
    cli.add_command(scheduler)
    cli.add_command(worker)
    installation.CHECKS["engine"] = _engine_stands
    installation.CHECKS["ways out"] = _ways_out
    installation.CHECKS["languages"] = _languages
    installation.CHECKS["escalation"] = _escalation
    installation.CHECKS["sending"] = _sending


@click.command()
@click.pass_obj
def tick(runtime: Runtime) -> None:
    """Take one look at everything that is due, do it, and say what was done."""
    schema.check(runtime.database)
    looked = jobs.tick(runtime)
    for reference in looked.started:
        click.echo(f"Started {reference}.")
    click.echo(
        f"{looked.notices} notices planned, {looked.deliveries} deliveries queued, {looked.tries} tries to send."
    )
    if looked.rungs:
        click.echo(f"{looked.rungs} times nobody of an institution was reached; others are told instead.")
    kept = looked.upkeep
    if kept.doubtful or kept.for_review:
        click.echo(
            f"{kept.doubtful} deliveries may or may not have left; {kept.for_review} wait for a person "
            "(janela deliveries list --state needs_review)."
        )


@click.command()
@click.pass_obj
def scheduler(runtime: Runtime) -> None:
    """Find all due work until stopped, and do it; with the Celery engine workers do the sending.

    Of several such processes one leads; another takes over within 30 seconds when it falls silent.
    """
    schema.check(runtime.database)
    is_over = Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: is_over.set())
    engine = _engine(runtime)
    engine.start()
    click.echo("Looking for due work (stop it with Ctrl-C).")
    is_over.wait()
    engine.stop()


@click.command()
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="the processors of this machine",
    help="How many processes, each with up to eight connections to the relay.",
)
@click.pass_obj
def worker(runtime: Runtime, concurrency: int) -> None:
    """Send what `janela scheduler` asks for until stopped: the Celery engine's hands, as many as wanted."""
    if runtime.settings["ENGINE"] != "celery":
        raise NoWorkHere(
            "Workers belong to the Celery engine, and JANELA_ENGINE is “%(engine)s”: set it to celery for every "
            "process of the installation.",
            engine=runtime.settings["ENGINE"],
        )
    _need_celery()
    schema.check(runtime.database)
    from notifications.celery_engine import run_worker

    click.echo("Waiting to be woken (stop it with Ctrl-C).")
    sys.exit(run_worker(runtime, concurrency=concurrency))


def _engine(runtime: Runtime) -> Engine:
    if runtime.settings["ENGINE"] == "embedded":
        return Engine(runtime)
    _need_celery()
    # Celery takes 20 MB and half a second, which only its own processes need to spend.
    from notifications.celery_engine import CeleryEngine

    return CeleryEngine(runtime)


def _need_celery() -> None:
    if importlib.util.find_spec("celery") is None:
        raise NoWorkHere("JANELA_ENGINE=celery needs Celery: `make setup-extras` installs it.")


def _engine_stands(runtime: Runtime) -> str:
    if runtime.settings["ENGINE"] == "embedded":
        return "embedded"
    _need_celery()
    from notifications.celery_engine import check

    return f"celery; {check(runtime)}"


def _ways_out(runtime: Runtime) -> str:
    # Made as a sender makes them, so that nothing passes here which stops it there.
    made = channels.transports(runtime)
    return f"the settings of {', '.join(made)} can be used"


def _escalation(runtime: Runtime) -> str:
    operators = read_operators(runtime.settings["ONCALL"])
    with runtime.database.read() as session:
        missed = reach.beyond_reach(session, runtime.clock())
    if missed:
        raise NobodyReached(
            "Nobody of %(institutions)s was reached; tell them yourself. `janela deliveries list` shows by what.",
            institutions=", ".join(sorted({one.institution for one in missed})),
        )
    if runtime.settings["ESCALATION"] == "off":
        return "off"
    return (
        f"on; {len(operators)} on call" if operators else "on; JANELA_ONCALL names nobody to tell in the end"
    )


def _sending(runtime: Runtime) -> str:
    with runtime.database.read() as session:
        stopped = stopping.stops(session)
        troubles = queries.troubles(session, runtime.clock())
        found = [f"{row.channel} was stopped by {row.stopped_by}" for row in stopped]
        found += [
            f"{one.what} {one.name} {'rests' if one.what == 'channel' else 'failed'} ({one.words})"
            for one in troubles
            if one.what in ("channel", "notice", "event")
        ]
        found += [f"notice {row.public_id} is paused" for row in queries.paused(session)]
        if waiting := queries.for_a_person(session):
            found.append(
                f"{waiting} deliveries wait for a person (janela deliveries list --state needs_review)"
            )
    by_breaker = [row for row in stopped if row.stopped_by == stopping.BREAKER.name]
    if by_breaker:
        raise ChannelStopped(
            "Nothing leaves by %(channels)s (%(words)s): mend that, then `janela deliveries resume %(first)s`. "
            "In all: %(found)s.",
            channels=", ".join(row.channel for row in by_breaker),
            words="; ".join(row.words.replace("\n", " ") for row in by_breaker),
            first=by_breaker[0].channel,
            found="; ".join(found),
        )
    return "; ".join(found) or "nothing is stopped, paused or in doubt"


def _languages(runtime: Runtime) -> str:
    offered = runtime.settings.locales
    for code in offered:
        found = words_for(code).language
        if found.partition("-")[0] != code.replace("_", "-").partition("-")[0]:
            raise MissingTranslations(
                "JANELA_LOCALES offers “%(code)s”, in which Janela has no sentences; name languages that have a "
                "folder in translations/, as in `pt en`.",
                code=code,
            )
    return " ".join(offered)
