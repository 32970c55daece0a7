"""Sums of the calls, the machine that made each, and limits for all who share them. The sums of the calls that are
there already are entered by whoever migrates (:mod:`spend.database`), in the same transaction.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "sums",
        sa.Column("feature", sa.String(16), primary_key=True),
        sa.Column("span", sa.Integer, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("currency", sa.String(16), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("pictures", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("milliseconds", sa.BigInteger, nullable=False),
        sa.Column("counted", sa.BigInteger, nullable=False),
        sa.Column("unpriced", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "limits",
        sa.Column("period", sa.String(8), primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    op.create_index("calls_by_state", "calls", ["state", "used_at"])
    op.create_index("calls_by_delivery", "calls", ["delivered_at"])
    op.add_column("calls", sa.Column("worker", sa.Text, nullable=False, server_default=""))
    # A process that still runs an older version would enter calls and leave the sums as they are: it is to fail before
    # it sends anything.
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER calls_of_an_older_version BEFORE INSERT ON calls WHEN NEW.worker = '' "
            "BEGIN SELECT RAISE(ABORT, 'the pack was updated meanwhile: restart this program'); END"
        )
    else:
        op.alter_column("calls", "worker", server_default=None)
