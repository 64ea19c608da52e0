"""A service's own schema in Postgres: engine, transactions, column types.

Invariants: a lost or absent database is DatabaseUnavailable and is recovered from without a restart; money is never a
float and never rounded; every instant is aware and UTC; nobody calls the network inside a transaction.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, cast

import structlog
from pydantic import SecretStr
from sqlalchemy import DateTime, MetaData, Numeric, TypeDecorator, event, make_url, text
from sqlalchemy.engine import URL, AdaptedConnection, Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from services.common.errors import DatabaseUnavailable, DomainError, FieldInvalid, TransactionConflict
from services.common.health import DATABASE, HealthRegistry
from services.common.telemetry import Instruments

_log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_SECONDS = 5
_POOL_TIMEOUT_SECONDS = 5
_RECYCLE_SECONDS = 1800
# Classes of SQLSTATE by which Postgres says that it, and not the statement, is the trouble.
_UNAVAILABLE_CLASSES = ("08", "28", "3D", "53", "57", "58")
_LOCK_TIMEOUT = "55P03"
# A text with a NUL character: no other text that reaches us is one that Postgres cannot hold.
_TEXT_REFUSED = "22021"
_SERIALIZATION_CLASS = "40"
_EXACT = Context(prec=40)
_NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


def table_metadata() -> MetaData:
    """A MetaData whose constraints and indexes get Postgres's own names. Tables name no schema: search_path does."""
    return MetaData(naming_convention=_NAMING)


def database_url(url: SecretStr | str) -> URL:
    """A postgresql:// URL as SQLAlchemy's asyncpg dialect wants it."""
    parsed = make_url(url.get_secret_value() if isinstance(url, SecretStr) else url)
    query = {("ssl" if name == "sslmode" else name): value for name, value in parsed.query.items()}
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def create_engine(
    url: SecretStr | str, schema: str, pool_size: int = 10, *, statement_timeout_seconds: float = 10
) -> AsyncEngine:
    """An engine whose connections see `schema` alone, in UTC, with bounded waits. It connects when it is first used."""
    milliseconds = str(int(statement_timeout_seconds * 1000))
    engine = create_async_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        pool_recycle=_RECYCLE_SECONDS,
        hide_parameters=True,
        connect_args={
            "timeout": _CONNECT_TIMEOUT_SECONDS,
            # A little longer than the server's own limit: it bounds the wait where the server has gone silent.
            "command_timeout": statement_timeout_seconds + 2,
            "server_settings": {
                "search_path": schema,
                "timezone": "UTC",
                "statement_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                "application_name": f"tandem-{schema}",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    return engine


def _replace_closed(connection: DBAPIConnection, *_: object) -> None:
    """Have the pool connect anew where its connection was closed. To ask the server costs three round trips a use."""
    if cast(AdaptedConnection, connection).driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that commits at the end of the block and rolls back on an error.

    Raises DatabaseUnavailable where Postgres cannot be reached, does not answer in time or goes away (at commit:
    whether it took effect is then unknown), TransactionConflict for a deadlock, a serialization failure or a lock
    timeout, FieldInvalid for a text with a NUL character, and whatever the block raises. IntegrityError and other
    errors of a statement are left as SQLAlchemy's.
    """
    with _typed_errors():
        async with engine.begin() as connection:
            yield connection


@asynccontextmanager
async def statement(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement is a transaction of its own: one way to Postgres and back, where
    `transaction` has three or more. Raises as `transaction` does; what failed may have taken effect.
    """
    with _typed_errors():
        async with engine.connect() as opened:
            yield await opened.execution_options(isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement is a transaction of its own, closed for good at the end of the block.

    For what belongs to a session of Postgres, as advisory locks do. Raises as `transaction` does.
    """
    with _typed_errors():
        async with engine.connect() as opened:
            connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield connection
            finally:
                await connection.invalidate()  # back in the pool it would keep its locks


async def watch_database(
    engine: AsyncEngine, health: HealthRegistry, instruments: Instruments, *, interval_seconds: float = 2
) -> None:
    """Keep the health name `database` true to whether Postgres answers; runs until it is cancelled."""
    health.declare(DATABASE)
    while True:
        started = time.monotonic()
        try:
            async with transaction(engine) as connection:
                await connection.execute(text("SELECT 1"))
            up = True
        except DatabaseUnavailable:
            up = False
        health.set(DATABASE, up)
        instruments.database_up.set(up)
        instruments.database_seconds.set(time.monotonic() - started)
        instruments.database_connections.set(cast(QueuePool, engine.pool).checkedout())
        await asyncio.sleep(max(0.0, interval_seconds - (time.monotonic() - started)))


def exact_money(value: Decimal) -> Decimal:
    """The amount itself, where a column of Money holds it exactly. Raises TypeError, ValueError."""
    if not isinstance(value, Decimal):
        raise TypeError(f"money is a Decimal, not {type(value).__name__}")
    if not value.is_finite():
        raise ValueError("money is a finite number")
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and exponent < -18 and any(digits[exponent + 18 :]):
        raise ValueError("money has at most 18 decimal places")
    if value and value.adjusted() >= 20:
        raise ValueError("money has at most 20 digits before the point")
    return value


class Money(TypeDecorator[Decimal]):
    """numeric(38,18): prices, quantities and amounts. Takes Decimal alone, whole within 18 places; gives plain
    Decimals.

    Raises TypeError for anything but a Decimal, ValueError for what the column cannot hold exactly.
    """

    impl = Numeric(38, 18)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else exact_money(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        plain = Decimal(value).normalize(_EXACT)
        exponent = plain.as_tuple().exponent
        return plain.quantize(Decimal(1), context=_EXACT) if isinstance(exponent, int) and exponent > 0 else plain


class UtcDateTime(TypeDecorator[datetime]):
    """timestamptz: takes aware datetimes alone (ValueError for a naive one), gives them in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant is an aware datetime")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except DomainError:
        raise
    except (DBAPIError, PoolTimeout, OSError) as error:
        typed = _typed(error)
        if typed is None:
            raise
        _log.warning("database error", error=type(error).__name__, code=_sqlstate(error), reason=typed.reason)
        raise typed from error


def _typed(error: Exception) -> DomainError | None:
    if isinstance(error, DBAPIError):
        code = _sqlstate(error)
        if code.startswith(_SERIALIZATION_CLASS) or code == _LOCK_TIMEOUT:
            return TransactionConflict()
        if code == _TEXT_REFUSED:
            return FieldInvalid(field="a text", problem="holds a NUL character")
        lost = error.connection_invalidated or isinstance(error, InterfaceError)
        return DatabaseUnavailable() if lost or code.startswith(_UNAVAILABLE_CLASSES) else None
    return DatabaseUnavailable()


def _sqlstate(error: Exception) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""
