"""The tables of the schema `reconciler`. Accounts and positions are the positions service's: their ids stand alone."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, Uuid

from services.common.database import UtcDateTime, table_metadata
from services.common.outbox import outbox_table

METADATA = table_metadata()

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("exchange", Text, nullable=False),
    Column("added_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    # Runs in a row that could not read the account whole.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_run_at", UtcDateTime),
    # Who is looking at it now. The epoch grows with each claim, so that a stalled owner cannot finish another's run.
    Column("lease_owner", Text),
    Column("lease_epoch", BigInteger, nullable=False, server_default="0"),
    Column("lease_expires_at", UtcDateTime),
    Index(None, "user_id"),
    Index(None, "due_at"),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", Uuid, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("exchange", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # How far the last reading was believed; null where there was none.
    Column("reading", Text),
    Column("adopted", Integer, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("adjusted", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    Index(None, "account_id", "started_at"),
    Index(None, "user_id", "started_at"),
)

DISCREPANCIES = Table(
    "discrepancies",
    METADATA,
    Column("run_id", Uuid, ForeignKey(RUNS.c.run_id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("position_side", Text, nullable=False),
    # Empty for a position that was not in the books.
    Column("position_id", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("repaired", Boolean, nullable=False),
    # Seen by an earlier run already, and pending since.
    Column("known", Boolean, nullable=False),
)

PENDING_ABSENCES = Table(
    "pending_absences",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("position_id", Text, primary_key=True),
    Column("first_missed_at", UtcDateTime, nullable=False),
    Column("last_counted_at", UtcDateTime, nullable=False),
    Column("readings", Integer, nullable=False),
    Column("evidence", Text, nullable=False),
)

OUTBOX = outbox_table(METADATA)
