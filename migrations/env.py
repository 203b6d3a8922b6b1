"""How Alembic meets the database; `janela db upgrade` runs it on a connection it already has."""

from alembic import context

import notifications.models  # noqa: F401 - its tables too
from maintenance.database import Base, UtcDateTime


def render_item(kind: str, item: object, _context: object) -> str | bool:
    """Write our own type for instants as what the database sees, so that migrations import nothing of ours."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    render_item=render_item,
    # SQLite cannot alter a column; a batch makes the table anew.
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # A migration that waits for a long transaction makes everybody behind it wait too: give up early.
        connection.exec_driver_sql("SET lock_timeout = '10s'")
    context.run_migrations()
