"""Puts the workspace together: signing in, the planner's pages, the words they use."""

from __future__ import annotations

from flask import Flask
from flask_babel import lazy_gettext

from maintenance.lifecycle import Role

# plan_edit, plan_slots and plan_steps add their pages to plan's blueprint when they are imported, policies its own.
from maintenance.web import (
    access,
    accounts,
    api,
    navigation,
    plan,
    plan_edit,
    plan_slots,
    plan_steps,
    policies,
    policy_blueprint,
    systems_search,
    workspace_words,
)

__all__ = ["init_app", "plan_edit", "plan_slots", "plan_steps", "policies"]


def init_app(app: Flask) -> None:
    """Register the pages for people who are signed in, and the API for programs."""
    workspace_words.init_app(app)
    app.register_blueprint(accounts.bp)
    app.register_blueprint(api.bp)
    access.without_session(app, api.bp.name)
    app.register_blueprint(systems_search.bp)
    app.register_blueprint(plan.bp)
    app.register_blueprint(policy_blueprint.bp)
    navigation.add_link(app, "plan.overview", lazy_gettext("Workspace"), role=Role.READER, order=10)
    navigation.add_link(app, "plan.new", lazy_gettext("New intervention"), role=Role.PLANNER, order=20)
    navigation.add_link(app, "policies.index", lazy_gettext("Policies"), role=Role.READER, order=30)
