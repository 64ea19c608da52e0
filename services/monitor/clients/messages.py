"""The positions service's messages as the monitor's own words, and back."""

from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from protos.positions.v1 import types_pb2
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill, OrderKind
from services.common.trading.level import Level, LevelRule, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.money import format_decimal, parse_decimal
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from services.monitor.domain.position import Position

VENUES = {types_pb2.EXCHANGE_BINANCE: Venue.BINANCE, types_pb2.EXCHANGE_BYBIT: Venue.BYBIT}
_TRIGGER_PRICES = {
    types_pb2.TRIGGER_PRICE_UNSPECIFIED: TriggerPrice.MARK,
    types_pb2.TRIGGER_PRICE_MARK: TriggerPrice.MARK,
    types_pb2.TRIGGER_PRICE_LAST: TriggerPrice.LAST,
}
_SIDES = {types_pb2.SIDE_LONG: Side.LONG, types_pb2.SIDE_SHORT: Side.SHORT}
_POSITION_SIDES = {
    types_pb2.POSITION_SIDE_BOTH: PositionSide.BOTH,
    types_pb2.POSITION_SIDE_LONG: PositionSide.LONG,
    types_pb2.POSITION_SIDE_SHORT: PositionSide.SHORT,
}
_TO_POSITION_SIDE = {ours: theirs for theirs, ours in _POSITION_SIDES.items()}
TO_ORDER_SIDE = {OrderSide.BUY: types_pb2.ORDER_SIDE_BUY, OrderSide.SELL: types_pb2.ORDER_SIDE_SELL}
_TO_ORDER_KIND = {
    OrderKind.MARKET: types_pb2.ORDER_KIND_MARKET,
    OrderKind.LIMIT: types_pb2.ORDER_KIND_LIMIT,
    OrderKind.STOP: types_pb2.ORDER_KIND_STOP,
    OrderKind.TAKE_PROFIT: types_pb2.ORDER_KIND_TAKE_PROFIT,
    OrderKind.TRAILING_STOP: types_pb2.ORDER_KIND_TRAILING_STOP,
    OrderKind.LIQUIDATION: types_pb2.ORDER_KIND_LIQUIDATION,
    OrderKind.ADL: types_pb2.ORDER_KIND_ADL,
    OrderKind.UNKNOWN: types_pb2.ORDER_KIND_UNKNOWN,
}


def read_position(message: types_pb2.Position) -> Position:
    """A position of the books. Raises ValueError, KeyError for one that cannot be understood."""
    return Position(
        position_id=message.position_id,
        user_id=message.user_id,
        account_id=message.account_id,
        venue=VENUES[message.exchange],
        symbol=message.symbol,
        position_side=_POSITION_SIDES[message.position_side],
        side=_SIDES[message.side],
        quantity=parse_decimal(message.quantity),
        levels=LevelRules(
            stop_loss=_level(message.levels.stop_loss),
            take_profit=_level(message.levels.take_profit),
            floor=_number(message.levels.floor),
        ),
        version=message.version,
        is_open=message.status == types_pb2.POSITION_STATUS_OPEN,
        opened_at=read_time(message.opened_at),
        entry_price=_number(message.entry_price),
        trigger_price=_TRIGGER_PRICES[message.trigger_price],
    )


def write_fill(fill: Fill) -> types_pb2.Fill:
    """A fill for the books."""
    executed_at = Timestamp()
    executed_at.FromDatetime(fill.executed_at)
    return types_pb2.Fill(
        fill_id=fill.fill_id,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id or "",
        symbol=fill.symbol,
        position_side=_TO_POSITION_SIDE[fill.position_side],
        order_side=TO_ORDER_SIDE[fill.order_side],
        price=format_decimal(fill.price),
        quantity=format_decimal(fill.quantity),
        fee=format_decimal(fill.fee),
        fee_currency=fill.fee_currency,
        fee_quote=_text(fill.fee_quote),
        realized_pnl=_text(fill.realized_pnl),
        executed_at=executed_at,
        order_kind=_TO_ORDER_KIND[fill.order_kind],
        sequence=fill.sequence,
    )


def read_time(message: Timestamp) -> datetime:
    """A moment, aware, in UTC."""
    return message.ToDatetime(tzinfo=UTC)


def _level(message: types_pb2.Level) -> Level:
    return Level(
        rule=_rule(message),
        armed_at=read_time(message.armed_at) if message.HasField("armed_at") else None,
        armed_mark=_number(message.armed_mark),
    )


def _rule(message: types_pb2.Level) -> LevelRule:
    match message.WhichOneof("rule"):
        case "trailing":
            return Trailing(parse_decimal(message.trailing.distance))
        case "pinned":
            return Pinned(parse_decimal(message.pinned.price))
        case _:
            return NoLevel()


def _number(text: str) -> Decimal | None:
    return parse_decimal(text) if text else None


def _text(number: Decimal | None) -> str:
    return "" if number is None else format_decimal(number)
