"""A position as a whole: what the document routes answer and what the WebSocket pushes."""

from decimal import Decimal

import msgspec

from protos.positions.v1 import live_pb2, types_pb2
from services.gateway.http import words
from services.gateway.http.json import (
    Document,
    number,
    optional_instant,
    optional_number,
    optional_percent,
)
from services.gateway.http.operations import ReadWarning


class LevelDocument(Document, kw_only=True, frozen=True):
    """The rule of a level: `trailing` at a `distance` (a fraction of the price), `pinned` at a `price`, or `none`."""

    rule: str
    distance: Decimal | None
    price: Decimal | None
    enforced: bool
    armed_at: str | None
    armed_mark: Decimal | None


class ExitDocument(Document, kw_only=True, frozen=True):
    """How a position ended. Figures are null while no fills tell them; `pnl` is net of fees and funding."""

    price: Decimal | None
    quantity: Decimal | None
    fee: Decimal | None
    pnl: Decimal | None
    pnl_percent: Decimal | None
    reason: str
    cause: str | None
    executed_at: str | None
    estimated: bool


class PositionDocument(Document, kw_only=True, frozen=True):
    """A position in the books. `exit` is null while it is open."""

    id: str
    account_id: str
    exchange: str
    symbol: str
    position_side: str
    side: str
    status: str
    origin: str
    managed: bool
    quantity: Decimal
    entry_price: Decimal
    leverage: Decimal | None
    opened_at: str | None
    stop_loss: LevelDocument
    take_profit: LevelDocument
    floor: Decimal | None
    exit: ExitDocument | None
    version: int


class LiveDocument(Document, kw_only=True, frozen=True):
    """What the venue says of an open position now; the levels are the prices that hold now."""

    current_price: Decimal | None
    pnl: Decimal | None
    pnl_percent: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    leverage: Decimal | None
    liquidation_price: Decimal | None
    in_sync: bool
    guarded: bool
    unguarded_reason: str | None
    data_source: str


class PositionAnswer(Document, kw_only=True, frozen=True):
    """One position. `live` is null for a closed one, and where the venue was not read; `warnings` then says why."""

    success: bool = True
    position: PositionDocument
    live: LiveDocument | None
    data_source: str = "database"
    warnings: list[ReadWarning] | msgspec.UnsetType = msgspec.UNSET


class LevelAnswer(Document, kw_only=True, frozen=True):
    """The position after one of its levels was set."""

    success: bool = True
    position: PositionDocument
    data_source: str = "database"


def position_document(position: types_pb2.Position) -> PositionDocument:
    return PositionDocument(
        id=position.position_id,
        account_id=position.account_id,
        exchange=words.exchange(position.exchange),
        symbol=position.symbol,
        position_side=words.position_side(position.position_side),
        side=words.side(position.side),
        status=words.status(position.status),
        origin=words.origin(position.origin),
        managed=position.managed,
        quantity=number(position.quantity),
        entry_price=number(position.entry_price),
        leverage=optional_number(position.leverage),
        opened_at=optional_instant(position.opened_at, present=position.HasField("opened_at")),
        stop_loss=_level(position.levels.stop_loss),
        take_profit=_level(position.levels.take_profit),
        floor=optional_number(position.levels.floor),
        exit=_exit(position.exit) if position.HasField("exit") else None,
        version=position.version,
    )


def live_document(position: live_pb2.LivePosition) -> LiveDocument:
    return LiveDocument(
        current_price=optional_number(position.current_price),
        pnl=optional_number(position.pnl),
        pnl_percent=optional_percent(position.pnl_percent),
        stop_loss=optional_number(position.stop_loss),
        take_profit=optional_number(position.take_profit),
        leverage=optional_number(position.leverage),
        liquidation_price=optional_number(position.liquidation_price),
        in_sync=position.in_sync,
        guarded=position.guarded,
        unguarded_reason=position.unguarded_reason or None,
        data_source=words.data_source(position.data_source),
    )


def _level(level: types_pb2.Level) -> LevelDocument:
    armed = level.HasField("armed_at")
    return LevelDocument(
        rule=level.WhichOneof("rule") or "none",
        distance=optional_number(level.trailing.distance),
        price=optional_number(level.pinned.price),
        enforced=armed,
        armed_at=optional_instant(level.armed_at, present=armed),
        armed_mark=optional_number(level.armed_mark),
    )


def _exit(end: types_pb2.Exit) -> ExitDocument:
    return ExitDocument(
        price=optional_number(end.price),
        quantity=optional_number(end.quantity),
        fee=optional_number(end.fee),
        pnl=optional_number(end.realized_pnl),
        pnl_percent=optional_percent(end.realized_pnl_percent),
        reason=words.exit_reason(end.reason),
        cause=end.cause or None,
        executed_at=optional_instant(end.executed_at, present=end.HasField("executed_at")),
        estimated=end.estimated,
    )
