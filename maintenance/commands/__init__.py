"""The package's part of `janela`: one file for each group of commands."""

from __future__ import annotations

import click

from maintenance.commands import forecast, installation, users


def register(cli: click.Group) -> None:
    """Add the package's commands to `janela`."""
    installation.register(cli)
    forecast.register(cli)
    users.register(cli)
