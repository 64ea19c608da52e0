"""Who was last said to be guarded."""

from sqlalchemy import BigInteger, Boolean, Column, Table, Text

from services.common.database import UtcDateTime
from services.monitor.store.metadata import METADATA

GUARDS = Table(
    "guards",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("guarded", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)
