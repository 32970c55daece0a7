"""The keys under which a call is found beside its own: those of its model's other names, as they were known then."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "further_keys",
        sa.Column("call_id", sa.String(32), sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
    )
    op.create_index("further_keys_by_key", "further_keys", ["key"])
