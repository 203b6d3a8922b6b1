"""Outbox, deliveries, preview and announcing, calendar feeds."""

from __future__ import annotations

from flask import Flask
from flask_babel import lazy_gettext

from maintenance.lifecycle import Role
from maintenance.web import navigation
from notifications.web import (
    announcing,
    deciding,
    deliveries,
    feeds,
    hooks,
    outbox,
    sent,
    stops,
    unsubscribing,
    words,
)


def init_app(app: Flask) -> None:
    """Register the package's pages on the application."""
    feeds.init_app(app)
    words.init_app(app)
    announcing.init_app(app)
    stops.init_app(app)
    deciding.init_app(app)
    for part in (outbox, deliveries, sent, hooks, unsubscribing):
        app.register_blueprint(part.bp)
    navigation.add_link(app, "deliveries.index", lazy_gettext("Deliveries"), role=Role.READER, order=60)
    navigation.add_link(app, "outbox.index", lazy_gettext("Outbox"), role=Role.READER, order=70)
