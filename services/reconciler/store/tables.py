"""The tables of the schema `reconciler`. Accounts and positions are the positions service's: their ids stand alone."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Identity, Index, Integer, Table, Text, Uuid, false, text

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
    # Gives the account its place in the interval.
    Column("ordinal", BigInteger, Identity(always=True), nullable=False),
    Column("last_result", Text),
    Column("last_reason", Text, nullable=False, server_default=""),
    # Since when something has been left open.
    Column("pending_since", UtcDateTime),
    # Since when what the venue says of it has been doubted, and whether that was announced.
    Column("suspicious_since", UtcDateTime),
    Column("suspicion_announced", Boolean, nullable=False, server_default=false()),
    # When a look at once was asked for; null where the account is looked at when it is due.
    Column("prompted_at", UtcDateTime),
    Index(None, "user_id"),
    Index(None, "due_at"),
    Index(None, "exchange", "due_at"),
    # The few that were asked for, and the few that somebody is looking at.
    Index("accounts_prompted_idx", "prompted_at", postgresql_where=text("prompted_at IS NOT NULL")),
    Index("accounts_held_idx", "lease_expires_at", postgresql_where=text("lease_owner IS NOT NULL")),
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
    # Estimated exits that fills completed.
    Column("completed", Integer, nullable=False, server_default="0"),
    # What was doubted of the venue's word; empty where nothing was.
    Column("suspicion", Text, nullable=False, server_default=""),
    Index(None, "account_id", "started_at"),
    Index(None, "user_id", "started_at"),
    Index(None, "finished_at"),
    Index(None, "exchange", "finished_at"),
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
    # What was decided, comma separated; empty where nothing could be.
    Column("decisions", Text, nullable=False, server_default=""),
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
    Column("flat_readings", Integer, nullable=False, server_default="0"),
    Column("suspicious", Boolean, nullable=False, server_default=false()),
)

CONFIRMATIONS = Table(
    "confirmations",
    METADATA,
    Column("confirmation_id", Uuid, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("position_id", Text, nullable=False),
    Column("operator_id", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("confirmed_at", UtcDateTime, nullable=False),
    # The absence that was confirmed: one that ends and begins anew is another.
    Column("first_missed_at", UtcDateTime, nullable=False),
    Index("confirmations_account_id_idx", "account_id", "position_id"),
)

ESTIMATED_EXITS = Table(
    "estimated_exits",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("position_id", Text, primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("missed_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcDateTime, nullable=False),
)

OUTBOX = outbox_table(METADATA)
