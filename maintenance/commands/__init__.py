"""The package's part of `janela`: one file for each group of commands."""

from __future__ import annotations

import click

from maintenance.commands import (
    availability,
    catalogue,
    forecast,
    installation,
    interventions,
    plan,
    policies,
    reservations,
    slots,
    tokens,
    users,
)


def register(cli: click.Group) -> None:
    """Add the package's commands to `janela`."""
    installation.register(cli)
    catalogue.register(cli)
    policies.register(cli)
    reservations.register(cli)
    forecast.register(cli)
    availability.register(cli)
    slots.register(cli)
    plan.register(cli)
    interventions.register(cli)
    users.register(cli)
    tokens.register(cli)
