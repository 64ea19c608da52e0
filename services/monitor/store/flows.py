"""The tables of flow executions: as they are now, and every step that led there."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from services.common.database import UtcDateTime
from services.monitor.store.metadata import METADATA

_RUNNING = sql("ended_at IS NULL")

EXECUTIONS = Table(
    "executions",
    METADATA,
    Column("execution_id", Uuid, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    Column("intent_id", Uuid, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("flow_id", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("venue", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=sql("''")),
    Column("position_id", Text, nullable=False, server_default=sql("''")),
    Column("position_version", BigInteger, nullable=False, server_default=sql("0")),
    Column("seen", JSONB),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("result", JSONB),
    Column("sequence", BigInteger, nullable=False),
    Column("stop_request_id", Text),
    UniqueConstraint("intent_id"),
    CheckConstraint("(ended_at IS NOT NULL) = (state IN ('closed', 'failed'))", name="ended"),
    Index("executions_user_id_place_idx", "user_id", "place"),
    Index("executions_user_id_flow_id_place_idx", "user_id", "flow_id", "place"),
    Index("executions_running_partition_idx", "partition", postgresql_where=_RUNNING),
    Index("executions_running_position_idx", "position_id", postgresql_where=_RUNNING),
)

EXECUTION_UPDATES = Table(
    "execution_updates",
    METADATA,
    Column("execution_id", Uuid, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    # What the step tells of: the same fact is told once, however often it is heard.
    Column("fact", Text, nullable=False),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("step", Text, nullable=False),
    Column("detail", Text, nullable=False),
    UniqueConstraint("execution_id", "fact"),
)
