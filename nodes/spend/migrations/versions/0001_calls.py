"""Calls and their pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("charged", sa.String(24), nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("sent_at", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float, nullable=False),
        sa.Column("delivered_at", sa.Float),
        sa.Column("seconds", sa.Float),
        sa.Column("reserved", sa.BigInteger),
        sa.Column("cost", sa.BigInteger),
        sa.Column("currency", sa.String(16)),
        sa.Column("executed_model", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("node_title", sa.Text),
        sa.Column("workflow", sa.Text),
        sa.Column("error", sa.Text),
    )
    op.create_index("calls_by_key", "calls", ["key", "number"])
    op.create_index("calls_by_time", "calls", ["sent_at"])
    op.create_index("calls_by_run", "calls", ["run_id"])
    op.create_index("calls_by_request", "calls", ["request_id"])
    op.create_table(
        "pictures",
        sa.Column("call_id", sa.String(32), sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("extension", sa.String(16), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("pictures_by_content", "pictures", ["sha256"])
