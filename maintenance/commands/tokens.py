"""`janela tokens`: what programs show to ask the API."""

from __future__ import annotations

import click

from maintenance import schema
from maintenance import tokens as kept
from maintenance.runtime import Runtime


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(tokens)


@click.group()
def tokens() -> None:
    """Say which programs may ask the API under /api/v1/."""


@tokens.command()
@click.argument("name")
@click.pass_obj
def add(runtime: Runtime, name: str) -> None:
    """Make a token for the program NAME and print it; it is shown this once and kept as a hash."""
    schema.check(runtime.database)
    with runtime.database.write() as session:
        token = kept.add_token(session, name, now=runtime.clock())
    # Alone on standard output, so that it can be piped into a keeper of secrets.
    click.echo(f"The token of {name}, shown this once:", err=True)
    click.echo(token)


@tokens.command("list")
@click.pass_obj
def list_(runtime: Runtime) -> None:
    """List the tokens by name; what they are nobody can look up."""
    schema.check(runtime.database)
    with runtime.database.read() as session:
        rows = kept.list_tokens(session)
    if not rows:
        click.echo("No program has a token yet; make one with `janela tokens add`.")
    for row in rows:
        revoked = f"  (revoked {row.revoked_at:%Y-%m-%d})" if row.revoked_at else ""
        click.echo(f"{row.name:40} since {row.created_at:%Y-%m-%d}{revoked}")


@tokens.command()
@click.argument("name")
@click.pass_obj
def revoke(runtime: Runtime, name: str) -> None:
    """Refuse the token of the program NAME from now on."""
    schema.check(runtime.database)
    with runtime.database.write() as session:
        kept.revoke_token(session, name, now=runtime.clock())
    click.echo(f"The token of {name} opens nothing any more.")
