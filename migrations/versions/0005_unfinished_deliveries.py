"""unfinished deliveries.

Why: PostgreSQL wrote each of a delivery's three updates into all of its indexes, since two of them were of the
states; they are of `finished_at` now, and pages have room for an update. The index by message
took 10 of the 25 us of an outcome, and nobody asks by it now that a notice's deliveries are counted in one look.
The previous release still runs after it, but slowly: what it asks for by states alone is read from the whole table.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_UNFINISHED = sa.text("finished_at IS NULL")
_WAITING = sa.text("state IN ('queued', 'held', 'retry_wait', 'config_error')")
_UNDER_WAY = sa.text("state IN ('leased', 'sending', 'ambiguous')")


def upgrade() -> None:
    op.drop_index("ix_deliveries_under_way", "deliveries")
    op.drop_index("ix_deliveries_due", "deliveries")
    op.drop_index("ix_deliveries_message_id", "deliveries")
    _create_index("ix_deliveries_due", ["channel", "priority", "due_at", "id"], _UNFINISHED)
    _create_index("ix_deliveries_unfinished", ["recipient_id", "channel"], _UNFINISHED)
    if op.get_context().dialect.name == "postgresql":
        # Pages that are full stay so; new ones have room.
        op.execute("ALTER TABLE deliveries SET (fillfactor = 50)")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE deliveries RESET (fillfactor)")
    op.create_index("ix_deliveries_message_id", "deliveries", ["message_id"])
    op.drop_index("ix_deliveries_unfinished", "deliveries")
    op.drop_index("ix_deliveries_due", "deliveries")
    _create_index("ix_deliveries_due", ["channel", "priority", "due_at", "id"], _WAITING)
    _create_index("ix_deliveries_under_way", ["recipient_id", "channel"], _UNDER_WAY)


def _create_index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "deliveries", columns, postgresql_where=where, sqlite_where=where)
