"""The words of the contract and those of the domain, each pair once."""

from collections.abc import Mapping
from typing import TypeVar

from protos.positions.v1 import observation_pb2 as observation
from protos.positions.v1 import types_pb2 as types
from services.common.trading.fill import OrderKind
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from services.reconciler.domain.decision import DecisionOutcome

Wire = TypeVar("Wire", bound=int)
Word = TypeVar("Word")

VENUES: Mapping[types.Exchange.ValueType, Venue] = {
    types.EXCHANGE_BINANCE: Venue.BINANCE,
    types.EXCHANGE_BYBIT: Venue.BYBIT,
}
SIDES: Mapping[types.Side.ValueType, Side] = {types.SIDE_LONG: Side.LONG, types.SIDE_SHORT: Side.SHORT}
POSITION_SIDES: Mapping[types.PositionSide.ValueType, PositionSide] = {
    types.POSITION_SIDE_BOTH: PositionSide.BOTH,
    types.POSITION_SIDE_LONG: PositionSide.LONG,
    types.POSITION_SIDE_SHORT: PositionSide.SHORT,
}
ORDER_SIDES: Mapping[types.OrderSide.ValueType, OrderSide] = {
    types.ORDER_SIDE_BUY: OrderSide.BUY,
    types.ORDER_SIDE_SELL: OrderSide.SELL,
}
ORDER_KINDS: Mapping[types.OrderKind.ValueType, OrderKind] = {
    types.ORDER_KIND_MARKET: OrderKind.MARKET,
    types.ORDER_KIND_LIMIT: OrderKind.LIMIT,
    types.ORDER_KIND_STOP: OrderKind.STOP,
    types.ORDER_KIND_TAKE_PROFIT: OrderKind.TAKE_PROFIT,
    types.ORDER_KIND_TRAILING_STOP: OrderKind.TRAILING_STOP,
    types.ORDER_KIND_LIQUIDATION: OrderKind.LIQUIDATION,
    types.ORDER_KIND_ADL: OrderKind.ADL,
    types.ORDER_KIND_UNKNOWN: OrderKind.UNKNOWN,
}
READING_STATUSES: Mapping[observation.ReadingStatus.ValueType, ReadingStatus] = {
    observation.READING_STATUS_COMPLETE: ReadingStatus.COMPLETE,
    observation.READING_STATUS_PARTIAL: ReadingStatus.PARTIAL,
    observation.READING_STATUS_FAILED: ReadingStatus.FAILED,
    observation.READING_STATUS_SUSPICIOUS: ReadingStatus.SUSPICIOUS,
}
OUTCOMES: Mapping[observation.DecisionOutcome.ValueType, DecisionOutcome] = {
    observation.DECISION_OUTCOME_APPLIED: DecisionOutcome.APPLIED,
    observation.DECISION_OUTCOME_STALE: DecisionOutcome.STALE,
}


def word(table: Mapping[Wire, Word], number: Wire) -> Word:
    """The domain's word for an enum's number. Raises ValueError for one that is not in the table."""
    try:
        return table[number]
    except KeyError:
        raise ValueError(f"{number} is none of {', '.join(str(one) for one in table.values())}") from None


def number(table: Mapping[Wire, Word], said: Word) -> Wire:
    """The enum's number for the domain's word."""
    return next(wire for wire, one in table.items() if one == said)
