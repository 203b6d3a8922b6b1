"""The composition root: puts an installation together, and is the only file that sees everything."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from datetime import datetime

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError

import maintenance.commands
import maintenance.web
import notifications.commands
import notifications.web
from maintenance import schema
from maintenance.commands.language import gettext_for
from maintenance.database import Database
from maintenance.errors import InvalidDocument, JanelaError
from maintenance.runtime import Runtime, utc_now
from maintenance.sentences import Sentence
from maintenance.settings import ROOT, Settings
from maintenance.web.ahead import ReadingAhead
from notifications.engine import Engine


def create_runtime(settings: Settings | None = None, *, clock: Callable[[], datetime] = utc_now) -> Runtime:
    """Return the parts of an installation, from the environment unless settings are given."""
    settings = settings or Settings.from_environment(os.environ)
    return Runtime(settings, Database(settings["DATABASE_URL"]), clock)


def create_app(runtime: Runtime | None = None) -> Flask:
    """Return the web application; it starts no background work by itself."""
    runtime = runtime or create_runtime()
    app = Flask("janela", root_path=str(ROOT), instance_path=str(runtime.settings.instance))
    app.extensions["janela"] = runtime
    maintenance.web.init_app(app)
    notifications.web.init_app(app)
    return app


def create_served_app() -> Flask:
    """Return the application as `janela serve` runs it: reading ahead, with the embedded engine also doing the due work."""
    runtime = create_runtime()
    app = create_app(runtime)
    ahead = ReadingAhead(app)
    ahead.start()
    atexit.register(ahead.stop)
    if runtime.settings["ENGINE"] == "embedded":
        engine = Engine(runtime)
        engine.start()
        atexit.register(engine.stop)
    return app


class _Cli(click.Group):
    """The `janela` command: what a person asked for in vain is said in a sentence of their language."""

    def invoke(self, ctx: click.Context) -> object:
        gettext = gettext_for(os.environ)
        try:
            return super().invoke(ctx)
        except InvalidDocument as error:
            said = Sentence("nothing was used:").said(gettext)
            raise click.ClickException(f"{said}\n{error.said(gettext)}") from error
        except JanelaError as error:
            raise click.ClickException(error.said(gettext)) from error
        except DBAPIError as error:
            raise click.ClickException(schema.explain(ctx.obj.database, error).said(gettext)) from error


@click.group(cls=_Cli)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Plan maintenance windows, tell everybody who depends on them."""
    ctx.obj = ctx.obj or create_runtime()


maintenance.commands.register(cli)
notifications.commands.register(cli)
