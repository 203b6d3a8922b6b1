"""Pages of planning and of the public site."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the package's pages on the application."""
