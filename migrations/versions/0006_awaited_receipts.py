"""awaited receipts.

Why: where SMS go by Twilio, it was looked twice every half minute through the whole ledger for messages in doubt and
for receipts that did not come. Only SMS without a last word are in this index, by when the provider took them: a mail
pays nothing for it. The previous release still runs after it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_AWAITED = sa.text("channel = 'sms' AND finished_at IS NOT NULL AND receipt_rank < 4")


def upgrade() -> None:
    op.create_index(
        "ix_deliveries_awaited",
        "deliveries",
        ["finished_at"],
        postgresql_where=_AWAITED,
        sqlite_where=_AWAITED,
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_awaited", "deliveries")
