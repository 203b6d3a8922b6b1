"""`janela bounces`: mails that came back, from a pipe of the mail server or from a mailbox."""

from __future__ import annotations

import sys
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

    Reads one mail from its input, as a mail server pipes it (in Postfix's aliases: `bounces: "|janela
    bounces"`), or the new mails of a Maildir. What is no report about a mail of ours changes nothing.
    """
    try:
        if maildir is None:
            click.echo(_take(runtime, sys.stdin.buffer.read()))
            return
        for path in sorted((maildir / "new").iterdir()):
            click.echo(f"{path.name}: {_take(runtime, path.read_bytes())}")
            # Only now: a mail that could not be recorded is read again the next time.
            (maildir / "cur").mkdir(exist_ok=True)
            path.rename(maildir / "cur" / f"{path.name}:2,S")
    except Exception as error:
        # Whatever it was, the mail server is to keep the mail and bring it again.
        click.echo(f"Not recorded, try again later: {error}", err=True)
        raise SystemExit(TRY_LATER) from error


def _take(runtime: Runtime, raw: bytes) -> str:
    with runtime.database.write() as session:
        return take_bounce(session, raw, key=secret_key(runtime.settings), now=runtime.clock())
