"""The package's part of `janela`: one file for each group of commands."""

from __future__ import annotations

import click

from maintenance.commands import users


def register(cli: click.Group) -> None:
    """Add the package's commands to `janela`."""
    users.register(cli)
