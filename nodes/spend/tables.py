"""The tables of the journal. One row of ``calls`` is one paid request: journal entry, index of the store and line
of the ledger at once, so that the three cannot disagree.

Money is in whole billionths of a dollar (nanos): sums are exact, and prices by the token need more than millionths.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

REVISION = "0005"
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
    Column("worker", Text, nullable=False),
    Index("calls_by_key", "key", "number"),
    Index("calls_by_time", "sent_at"),
    Index("calls_by_run", "run_id"),
    Index("calls_by_request", "request_id"),
    # Finds what is unfinished, and what was not used for longest.
    Index("calls_by_state", "state", "used_at"),
    Index("calls_by_delivery", "delivered_at"),
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

further_keys = Table(
    "further_keys",
    metadata,
    Column("call_id", String(32), ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(64), primary_key=True),
    Index("further_keys_by_key", "key"),
)
"""The keys under which a call is found beside its own."""

sums = Table(
    "sums",
    metadata,
    Column("feature", String(16), primary_key=True),
    Column("span", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("currency", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("pictures", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
)
"""What the calls add up to; :mod:`.sums` says how."""

outdated = Table(
    "outdated",
    metadata,
    Column("call_id", String(32), ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    Column("stored", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("charged", String(24), nullable=False),
    Column("facts", JSON, nullable=False),
    Column("sent_at", Float, nullable=False),
    Column("seconds", Float),
    Column("reserved", BigInteger),
    Column("cost", BigInteger),
    Column("currency", String(16)),
    Column("model", Text, nullable=False),
    Column("provider", Text),
    Column("run_id", Text),
    Column("workflow", Text),
    Column("worker", Text, nullable=False),
)
"""What the sums hold of calls that a program of an older version has changed since, each with how many pictures were
``stored``; a trigger writes it.
"""

limits = Table(
    "limits",
    metadata,
    Column("period", String(8), primary_key=True),
    Column("amount", BigInteger, nullable=False),
)
"""The limits that hold for everybody who shares this journal, in nanos of a US dollar."""
