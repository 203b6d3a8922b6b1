"""`janela users`: who can sign in, and as what."""

from __future__ import annotations

import secrets
import sys

import click

from maintenance import accounts
from maintenance.lifecycle import Role
from maintenance.runtime import Runtime

_ROLES = click.Choice([role.value for role in Role])


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(users)


@click.group()
def users() -> None:
    """Say who can sign in, and what each person may do."""


@users.command()
@click.argument("email")
@click.option("--name", required=True, help="The person's name, as pages show it.")
@click.option("--role", type=_ROLES, required=True, help="Each role may all that the ones before it may.")
@click.option("--language", default="", help="Language of the person's pages (pt, en); else the browser's.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--generate", is_flag=True, help="Make a random password and print it once.")
@click.pass_obj
def add(
    runtime: Runtime, email: str, name: str, role: str, language: str, password_stdin: bool, generate: bool
) -> None:
    """Add a person; asks for the password unless told where it comes from."""
    password = _password(password_stdin, generate)
    with runtime.database.write() as session:
        row = accounts.add_user(
            session,
            email=email,
            name=name,
            role=Role(role),
            password=password,
            language=language,
            now=runtime.clock(),
        )
    click.echo(f"{row.name} can sign in as {row.email} ({row.role}).")
    if generate:
        click.echo(f"Password: {password}")


@users.command("list")
@click.pass_obj
def list_(runtime: Runtime) -> None:
    """List everybody: address, role, name."""
    with runtime.database.read() as session:
        people = accounts.list_users(session)
    if not people:
        click.echo("Nobody can sign in yet; add a person with `janela users add`.")
    for row in people:
        disabled = f"  (disabled {row.disabled_at:%Y-%m-%d})" if row.disabled_at else ""
        click.echo(f"{row.email:40} {row.role:10} {row.name}{disabled}")


@users.command()
@click.argument("email")
@click.pass_obj
def disable(runtime: Runtime, email: str) -> None:
    """Keep a person from signing in, from now on; what they did stays in the log."""
    with runtime.database.write() as session:
        row = accounts.disable_user(session, email, now=runtime.clock())
    click.echo(f"{row.email} can no longer sign in, and is signed out everywhere.")


@users.command()
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--generate", is_flag=True, help="Make a random password and print it once.")
@click.pass_obj
def password(runtime: Runtime, email: str, password_stdin: bool, generate: bool) -> None:
    """Give a person another password; every session of theirs ends."""
    words = _password(password_stdin, generate)
    with runtime.database.write() as session:
        row = accounts.get_user(session, email)
        accounts.set_password(session, row, words)
    click.echo(f"{row.email} has a new password.")
    if generate:
        click.echo(f"Password: {words}")


def _password(from_stdin: bool, generate: bool) -> str:
    """Return the password; never taken from an argument, which other people of the machine could read."""
    if generate:
        return secrets.token_urlsafe(15)
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return entered
