"""Pages of planning and of the public site."""

from __future__ import annotations

from flask import Flask
from flask_babel import lazy_gettext
from flask_bootstrap import Bootstrap5

from maintenance.web import (
    access,
    errors,
    languages,
    navigation,
    page_cache,
    presentation,
    public,
    security,
    snapshot,
    workspace,
)


def init_app(app: Flask) -> None:
    """Register the package's pages on the application, and what all pages share."""
    app.config["SITE_NAME"] = app.extensions["janela"].settings["SITE_NAME"]
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    Bootstrap5(app)
    security.init_app(app)
    access.init_login(app)
    for part in (languages, presentation, navigation, errors, page_cache, snapshot):
        part.init_app(app)
    public.init_app(app)
    workspace.init_app(app)
    navigation.add_link(app, "public.status", lazy_gettext("Status"), order=10)
    navigation.add_link(app, "public.history", lazy_gettext("History"), order=20)
    navigation.add_link(app, "public.subscribe", lazy_gettext("Stay informed"), order=30)
