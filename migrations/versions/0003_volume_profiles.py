"""profiles of volumes.

Why: a catalogue names the hours of the week in which its volumes come; like its time zone they belong to a revision.
The previous release still runs after it: the column has a default, and it reads volumes without their profile.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("catalogue_revisions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("profiles", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    with op.batch_alter_table("catalogue_revisions", schema=None) as batch_op:
        batch_op.drop_column("profiles")
