"""Clients of people who are signed in."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from maintenance import accounts
from maintenance.lifecycle import Role
from maintenance.runtime import Runtime


def client_of(app: Flask, runtime: Runtime, role: Role = Role.READER) -> FlaskClient:
    """Return a client of somebody of that role, past the sign-in page."""
    with runtime.database.write() as session:
        row = accounts.add_user(
            session,
            email=f"{role}@example.org",
            name=f"A {role}",
            role=role,
            password="correct horse battery",
            now=runtime.clock(),
        )
        session.flush()
        account = accounts.account_of(row)
    client = app.test_client()
    with client.session_transaction() as browser:
        browser["_user_id"] = f"{account.id}:{account.stamp}"
        browser["_fresh"] = True
    return client
