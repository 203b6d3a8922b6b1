"""Outbox, deliveries, preview and announcing, calendar feeds."""

from __future__ import annotations

from flask import Flask

from notifications.web import feeds


def init_app(app: Flask) -> None:
    """Register the package's pages on the application."""
    feeds.init_app(app)
