"""`janela bounces`: mails that came back, from a pipe of the mail server or from a mailbox."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from maintenance.runtime import Runtime
from maintenance.settings import secret_key
from notifications.bouncing import take_bounce

#: “Temporary failure” (sysexits.h): a mail server that pipes a mail here keeps it and tries again.
TRY_LATER = 75


def register(cli: click.Group) -> None:
    """Add the command to `janela`."""
    cli.add_command(bounces)


@click.command()
@click.option(
    "--maildir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read the new mails of this mailbox and mark them as seen, instead of one mail from the input.",
)
@click.pass_obj
def bounces(runtime: Runtime, maildir: Path | None) -> None:
    """Take reports about mails that could not be brought into the record of deliveries.

    Reads one mail from its input, as a mail server pipes it (it starts the command without our settings:
    docs/channels.md has a script that sets them), or the new mails of a Maildir. What is no report about a
    mail of ours changes nothing. Ends with 75 when something could not be recorded, and is to be tried again.
    """
    if maildir is None:
        if not _try(runtime, sys.stdin.buffer.read):
            raise SystemExit(TRY_LATER)
        return
    # All of them, whatever becomes of one: what could not be recorded stays, and is read again the next time.
    tries = [_take_file(runtime, path) for path in sorted((maildir / "new").iterdir())]
    if not all(tries):
        raise SystemExit(TRY_LATER)


def _take_file(runtime: Runtime, path: Path) -> bool:
    """Take a new mail of a Maildir and mark it as seen; return False when it could not be recorded."""
    seen = path.parent.parent / "cur"
    if not _try(runtime, path.read_bytes, f"{path.name}: "):
        return False
    seen.mkdir(exist_ok=True)
    path.rename(seen / f"{path.name}:2,S")
    return True


def _try(runtime: Runtime, read: Callable[[], bytes], label: str = "") -> bool:
    """Take a mail and say what came of it; return False when it could not be recorded."""
    try:
        click.echo(f"{label}{_take(runtime, read())}")
    except Exception as error:
        # The database is away, or the file is not ours to read; whatever it was, the mail is kept and brought again.
        click.echo(f"{label}Not recorded, try again later: {error}", err=True)
        return False
    return True


def _take(runtime: Runtime, raw: bytes) -> str:
    with runtime.database.write() as session:
        return take_bounce(
            session,
            raw,
            key=secret_key(runtime.settings),
            signed_only=bool(runtime.settings["MAIL_BOUNCES"]),
            now=runtime.clock(),
        )
