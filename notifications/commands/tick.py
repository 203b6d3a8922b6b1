"""`janela tick` and `janela scheduler`: the due work without the site."""

from __future__ import annotations

import signal
from threading import Event

import click

from maintenance import schema
from maintenance.runtime import Runtime
from notifications import jobs
from notifications.engine import Engine


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(tick)
    cli.add_command(scheduler)


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
    kept = looked.upkeep
    if kept.doubtful or kept.for_review:
        click.echo(
            f"{kept.doubtful} deliveries may or may not have left; {kept.for_review} wait for a person "
            "(janela deliveries list --state needs_review)."
        )


@click.command()
@click.pass_obj
def scheduler(runtime: Runtime) -> None:
    """Do all due work until stopped; of several such processes one leads and all send."""
    schema.check(runtime.database)
    stopping = Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopping.set())
    engine = Engine(runtime)
    engine.start()
    click.echo("Looking for due work (stop it with Ctrl-C).")
    stopping.wait()
    engine.stop()
