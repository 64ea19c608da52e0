"""The daily equity of accounts, as their readings tell it."""

from sqlalchemy import Column, Date, ForeignKey, PrimaryKeyConstraint, Table, Text

from services.common.database import Money, UtcDateTime
from services.positions.store.tables import accounts, metadata

equity_snapshots = Table(
    "equity_snapshots",
    metadata,
    Column("account_id", Text, ForeignKey(accounts.c.account_id), nullable=False),
    Column("day", Date, nullable=False),
    Column("opened_equity", Money, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_equity", Money, nullable=False),
    Column("closed_at", UtcDateTime, nullable=False),
    # Net deposits of the day; NULL where they are not known.
    Column("transfers", Money),
    PrimaryKeyConstraint("account_id", "day"),
)
