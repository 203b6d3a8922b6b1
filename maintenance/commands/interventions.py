"""`janela interventions`: see them, and take every step of their life."""

from __future__ import annotations

import click

from maintenance import schema
from maintenance.commands import intervention_steps, life
from maintenance.commands.options import echo_json, json_option
from maintenance.lifecycle import RunState
from maintenance.queries import get_intervention, list_interventions, stale_windows
from maintenance.runtime import Runtime


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    intervention_steps.register(interventions)
    cli.add_command(interventions)


@click.group()
def interventions() -> None:
    """See interventions, and take the steps of their life."""


@interventions.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in RunState]),
    multiple=True,
    help="Only those in this state; may be given several times.",
)
@json_option
@click.pass_obj
def list_(runtime: Runtime, states: tuple[str, ...], as_json: bool) -> None:
    """List interventions, newest first."""
    schema.check(runtime.database)
    with runtime.database.read() as session:
        rows = list(list_interventions(session, states=[RunState(state) for state in states] or None))
        if as_json:
            echo_json([life.document_of(row) for row in rows])
        elif rows:
            click.echo("\n".join(life.list_lines(rows, runtime.clock())))
            for change in stale_windows(session):
                click.echo(
                    f"! The catalogue changed: {change.reference} was announced with other windows than today's. "
                    "Nobody was told; edit it (the same content will do) and announce it to tell them."
                )
        else:
            click.echo("No interventions; save one with `janela plan FILE`.")


@interventions.command()
@click.argument("reference")
@json_option
@click.pass_obj
def show(runtime: Runtime, reference: str, as_json: bool) -> None:
    """Show an intervention: state, phases, windows, updates, and its log."""
    schema.check(runtime.database)
    with runtime.database.read() as session:
        row = get_intervention(session, reference)
        if as_json:
            echo_json(life.document_of(row))
        else:
            click.echo("\n".join(life.show_lines(session, row, runtime.clock())))
