"""The package's part of `janela`: one file for each group of commands."""

from __future__ import annotations

import click

from notifications.commands import bounces, deciding, deliveries, directory, endpoints, serve, tick


def register(cli: click.Group) -> None:
    """Add the package's commands to `janela`."""
    serve.register(cli)
    directory.register(cli)
    deliveries.register(cli)
    deciding.register(cli)
    bounces.register(cli)
    endpoints.register(cli)
    tick.register(cli)
