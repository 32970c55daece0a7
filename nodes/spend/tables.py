"""The tables of the journal. One row of ``calls`` is one paid request: journal entry, index of the store and line
of the ledger at once, so that the three cannot disagree.

Money is in whole billionths of a dollar (nanos): sums are exact, and prices by the token need more than millionths.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

REVISION = "0002"
"""The migration that these tables stand for."""

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("key", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("charged", String(24), nullable=False),
    Column("server", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("asked", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("sent_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),
    Column("delivered_at", Float),
    Column("seconds", Float),
    Column("reserved", BigInteger),
    Column("cost", BigInteger),
    Column("currency", String(16)),
    Column("executed_model", Text),
    Column("provider", Text),
    Column("request_id", Text),
    Column("run_id", Text),
    Column("node_title", Text),
    Column("workflow", Text),
    Column("graph", JSON),
    Column("error", Text),
    Index("calls_by_key", "key", "number"),
    Index("calls_by_time", "sent_at"),
    Index("calls_by_run", "run_id"),
    Index("calls_by_request", "request_id"),
)

pictures = Table(
    "pictures",
    metadata,
    Column("call_id", String(32), ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("extension", String(16), nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("pictures_by_content", "sha256"),
)
