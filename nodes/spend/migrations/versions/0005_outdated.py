"""What the sums hold of calls that a program of an older version has changed since. Such a program may have had a call
in the air when the tables were migrated: it settles it, and knows nothing of sums.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COLUMNS = "state, charged, facts, sent_at, seconds, reserved, cost, currency, model, provider, run_id, workflow, worker"
OLD = ", ".join(f"OLD.{name}" for name in COLUMNS.split(", "))
# The first change counts: it tells what was summed. Whoever keeps the sums removes the row in the same transaction.
KEEP = (
    f"INSERT INTO outdated (call_id, stored, {COLUMNS}) "
    f"SELECT OLD.id, (SELECT count(*) FROM pictures WHERE call_id = OLD.id), {OLD} "
    "WHERE NOT EXISTS (SELECT 1 FROM outdated WHERE call_id = OLD.id);"
)


def upgrade() -> None:
    op.create_table(
        "outdated",
        sa.Column("call_id", sa.String(32), sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("charged", sa.String(24), nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("sent_at", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("reserved", sa.BigInteger),
        sa.Column("cost", sa.BigInteger),
        sa.Column("currency", sa.String(16)),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("workflow", sa.Text),
        sa.Column("worker", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER calls_outdated AFTER UPDATE OF state ON calls BEGIN {KEEP} END")
    else:
        op.execute(
            f"CREATE FUNCTION calls_outdated() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {KEEP} RETURN NULL; END $$"
        )
        op.execute(
            "CREATE TRIGGER calls_outdated AFTER UPDATE OF state ON calls "
            "FOR EACH ROW EXECUTE FUNCTION calls_outdated()"
        )
