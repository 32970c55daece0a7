"""The node that asked, with what leads to it, so that it can be put back on a canvas."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("calls", sa.Column("graph", sa.JSON))
