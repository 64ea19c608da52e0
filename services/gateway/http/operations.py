"""The flat rows of today's frontend: what is open now, and what was closed.

Invariant: an open row has exactly these fields, in this order; whatever else is known of a position is in its document.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

import msgspec

from protos.positions.v1 import live_pb2, types_pb2
from services.gateway.http import words
from services.gateway.http.json import (
    Document,
    encode,
    instant,
    number,
    optional_instant,
    optional_number,
    optional_percent,
)

_REMEMBERED = 512
_NEVER = datetime.min.replace(tzinfo=UTC)


class OperationRow(Document, kw_only=True, frozen=True):
    """An open position, live. `id` is null while it is not in the books."""

    id: str | None
    pair: str
    type: str
    entry_price: Decimal
    current_price: Decimal | None
    quantity: Decimal
    pnl: Decimal | None
    pnl_percent: Decimal | None
    status: str
    stop_loss: Decimal | None
    take_profit: Decimal | None
    data_source: str
    in_sync: bool
    exchange: str
    managed: bool
    stop_loss_enforced: bool
    take_profit_enforced: bool
    guarded: bool


class ReadWarning(Document, kw_only=True, frozen=True):
    """Something that could not be read just now."""

    account_id: str | None = None
    exchange: str | None = None
    code: str
    message: str


class OperationsAnswer(Document, kw_only=True, frozen=True):
    """What is open now. `warnings` is there only when there are any."""

    success: bool = True
    positions: list[OperationRow]
    count: int
    data_source: str
    timestamp: str
    warnings: list[ReadWarning] | msgspec.UnsetType = msgspec.UNSET


class HistoryRow(Document, kw_only=True, frozen=True):
    """A closed position. Figures are null while no fills tell them; `estimated` says that they are not exact."""

    id: str
    pair: str
    type: str
    exchange: str
    entry_price: Decimal
    exit_price: Decimal | None
    quantity: Decimal
    pnl: Decimal | None
    pnl_percent: Decimal | None
    fee: Decimal | None
    status: str
    exit_reason: str
    exit_cause: str | None
    opened_at: str | None
    closed_at: str | None
    estimated: bool
    managed: bool


# While nothing moves, the same reading comes again and again; what it is in JSON is a matter of its bytes alone.
@lru_cache(maxsize=_REMEMBERED)
def write_operations(reading: bytes) -> bytes | None:
    """The JSON of a live view; None where it does not say when it was taken."""
    live = live_pb2.ListLivePositionsResponse.FromString(reading)
    return encode(operations_answer(live, _NEVER)) if live.HasField("taken_at") else None


def operations_answer(live: live_pb2.ListLivePositionsResponse, now: datetime) -> OperationsAnswer:
    """The answer of the real-time routes. `now` stands in where the reading has no time of its own."""
    rows = [operation_row(position) for position in live.positions]
    return OperationsAnswer(
        positions=rows,
        count=len(rows),
        data_source=words.data_source(live.data_source),
        timestamp=optional_instant(live.taken_at, present=live.HasField("taken_at")) or instant(now),
        warnings=[account_warning(warning) for warning in live.warnings] or msgspec.UNSET,
    )


def operation_row(position: live_pb2.LivePosition) -> OperationRow:
    return OperationRow(
        id=position.position_id or None,
        pair=position.symbol,
        type=words.flat(words.side(position.side)),
        entry_price=number(position.entry_price),
        current_price=optional_number(position.current_price),
        quantity=number(position.quantity),
        pnl=optional_number(position.pnl),
        pnl_percent=optional_percent(position.pnl_percent),
        status="OPEN",
        stop_loss=optional_number(position.stop_loss),
        take_profit=optional_number(position.take_profit),
        data_source=words.data_source(position.data_source),
        in_sync=position.in_sync,
        exchange=words.exchange(position.exchange),
        managed=position.managed,
        stop_loss_enforced=position.stop_loss_enforced,
        take_profit_enforced=position.take_profit_enforced,
        guarded=position.guarded,
    )


def account_warning(warning: live_pb2.AccountWarning) -> ReadWarning:
    return ReadWarning(
        account_id=warning.account_id,
        exchange=words.exchange(warning.exchange),
        code=warning.code,
        message=warning.message,
    )


def history_row(position: types_pb2.Position) -> HistoryRow:
    end = position.exit
    return HistoryRow(
        id=position.position_id,
        pair=position.symbol,
        type=words.flat(words.side(position.side)),
        exchange=words.exchange(position.exchange),
        entry_price=number(position.entry_price),
        exit_price=optional_number(end.price),
        quantity=number(end.quantity or position.quantity),
        pnl=optional_number(end.realized_pnl),
        pnl_percent=optional_percent(end.realized_pnl_percent),
        fee=optional_number(end.fee),
        status=words.flat(words.status(position.status)),
        exit_reason=words.flat(words.exit_reason(end.reason)),
        exit_cause=words.flat(end.cause) or None,
        opened_at=optional_instant(position.opened_at, present=position.HasField("opened_at")),
        closed_at=optional_instant(end.executed_at, present=end.HasField("executed_at")),
        estimated=end.estimated,
        managed=position.managed,
    )
