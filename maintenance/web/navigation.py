"""The links of the page head: each package adds its own, the layout shows those the reader may use."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, request
from flask_login import current_user

from maintenance.lifecycle import Role


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the head: `label` is a lazy translation; without a role everybody sees it."""

    endpoint: str
    label: object
    role: Role | None = None
    order: int = 50

    @property
    def is_here(self) -> bool:
        """Return whether the page being shown belongs to this entry."""
        return request.endpoint == self.endpoint


def add_link(app: Flask, endpoint: str, label: object, *, role: Role | None = None, order: int = 50) -> None:
    """Put a link into the head of every page; lower `order` comes first."""
    app.extensions.setdefault("janela_links", []).append(Link(endpoint, label, role, order))


def visible_links(*, workspace: bool) -> list[Link]:
    """Return the public links, or those of the workspace that the signed-in person may use."""
    links: list[Link] = sorted(current_app.extensions.get("janela_links", ()), key=lambda link: link.order)
    if not workspace:
        return [link for link in links if link.role is None]
    if not is_signed_in():
        return []
    return [link for link in links if link.role and Role(current_user.role).covers(link.role)]


def is_signed_in() -> bool:
    """Return whether somebody is signed in."""
    return bool(current_user.is_authenticated)


def init_app(app: Flask) -> None:
    """Give the layout what it needs to draw the head."""
    app.context_processor(
        lambda: {
            "public_links": visible_links(workspace=False),
            "workspace_links": visible_links(workspace=True),
            "is_signed_in": is_signed_in(),
            # A link to a page that is not registered is left out instead of breaking every page.
            "endpoints": current_app.view_functions,
        }
    )
