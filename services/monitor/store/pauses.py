"""The table of pauses: a row for each user who ever set one, and one for everybody."""

from sqlalchemy import BigInteger, Boolean, Column, Table, Text

from services.common.database import UtcDateTime
from services.monitor.store.metadata import METADATA

PAUSES = Table(
    "pauses",
    METADATA,
    # Empty: everybody.
    Column("user_id", Text, primary_key=True),
    Column("opening", Boolean, nullable=False),
    Column("closing", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
    Column("version", BigInteger, nullable=False),
)
