"""The words of the contract and those of the domain, side by side."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from protos.positions.v1 import observation_pb2, positions_pb2, types_pb2
from services.common.errors import FieldInvalid
from services.common.fields import (
    amount_of,
    held,
    number_of,
    optional_number_of,
    optional_text,
    page_size_of,
    positive_of,
    required,
)
from services.common.trading.exit_reason import ExitReason
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import OrderKind
from services.common.trading.level import LevelKind
from services.common.trading.money import format_decimal
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from services.positions.domain.decision import Outcome
from services.positions.domain.order import OrderStatus
from services.positions.domain.position import Origin, PositionStatus
from services.positions.domain.provenance import Urgency
from services.positions.domain.timeline import Actor

__all__ = [
    "amount_of",
    "held",
    "number_of",
    "optional_number_of",
    "optional_text",
    "page_size_of",
    "positive_of",
    "required",
]

Context = grpc.aio.ServicerContext[Any, Any]
"""What gRPC hands to a method beside its request."""

D = TypeVar("D", bound=Enum)
P = TypeVar("P", bound=int)


class Words(Generic[D, P]):
    """One enum of the domain and its counterpart in the contract."""

    def __init__(self, field: str, pairs: dict[D, P]) -> None:
        self._field = field
        self._to_proto = pairs
        self._to_domain = {proto: domain for domain, proto in pairs.items()}

    def to_proto(self, value: D) -> P:
        return self._to_proto[value]

    def to_domain(self, value: P) -> D:
        """Raises FieldInvalid for a value that is not specified or not known."""
        try:
            return self._to_domain[value]
        except KeyError:
            raise FieldInvalid(field=self._field, problem="is not given, or not known") from None


EXCHANGE = Words("exchange", {Venue.BINANCE: types_pb2.EXCHANGE_BINANCE, Venue.BYBIT: types_pb2.EXCHANGE_BYBIT})
SIDE = Words("side", {Side.LONG: types_pb2.SIDE_LONG, Side.SHORT: types_pb2.SIDE_SHORT})
POSITION_SIDE = Words(
    "position_side",
    {
        PositionSide.BOTH: types_pb2.POSITION_SIDE_BOTH,
        PositionSide.LONG: types_pb2.POSITION_SIDE_LONG,
        PositionSide.SHORT: types_pb2.POSITION_SIDE_SHORT,
    },
)
ORDER_SIDE = Words("order_side", {OrderSide.BUY: types_pb2.ORDER_SIDE_BUY, OrderSide.SELL: types_pb2.ORDER_SIDE_SELL})
ORDER_KIND = Words(
    "order_kind",
    {
        OrderKind.MARKET: types_pb2.ORDER_KIND_MARKET,
        OrderKind.LIMIT: types_pb2.ORDER_KIND_LIMIT,
        OrderKind.STOP: types_pb2.ORDER_KIND_STOP,
        OrderKind.TAKE_PROFIT: types_pb2.ORDER_KIND_TAKE_PROFIT,
        OrderKind.TRAILING_STOP: types_pb2.ORDER_KIND_TRAILING_STOP,
        OrderKind.LIQUIDATION: types_pb2.ORDER_KIND_LIQUIDATION,
        OrderKind.ADL: types_pb2.ORDER_KIND_ADL,
        OrderKind.UNKNOWN: types_pb2.ORDER_KIND_UNKNOWN,
    },
)
STATUS = Words(
    "status",
    {
        PositionStatus.OPEN: types_pb2.POSITION_STATUS_OPEN,
        PositionStatus.CLOSED: types_pb2.POSITION_STATUS_CLOSED,
        PositionStatus.LIQUIDATED: types_pb2.POSITION_STATUS_LIQUIDATED,
    },
)
ORIGIN = Words(
    "origin",
    {
        Origin.FLOW: types_pb2.ORIGIN_FLOW,
        Origin.MANUAL: types_pb2.ORIGIN_MANUAL,
        Origin.EXTERNAL: types_pb2.ORIGIN_EXTERNAL,
    },
)
EXIT_REASON = Words(
    "reason",
    {
        ExitReason.STOP_LOSS: types_pb2.EXIT_REASON_STOP_LOSS,
        ExitReason.TAKE_PROFIT: types_pb2.EXIT_REASON_TAKE_PROFIT,
        ExitReason.MANUAL: types_pb2.EXIT_REASON_MANUAL,
        ExitReason.AI_SIGNAL: types_pb2.EXIT_REASON_AI_SIGNAL,
        ExitReason.LIQUIDATION: types_pb2.EXIT_REASON_LIQUIDATION,
        ExitReason.ADL: types_pb2.EXIT_REASON_ADL,
        ExitReason.CLOSED_EXTERNALLY: types_pb2.EXIT_REASON_CLOSED_EXTERNALLY,
    },
)
ORDER_STATUS = Words(
    "status",
    {
        OrderStatus.PENDING: positions_pb2.TRANSACTION_STATUS_PENDING,
        OrderStatus.FILLED: positions_pb2.TRANSACTION_STATUS_FILLED,
        OrderStatus.CANCELLED: positions_pb2.TRANSACTION_STATUS_CANCELLED,
    },
)
TRIGGER_PRICE = Words(
    "trigger_price",
    {TriggerPrice.MARK: types_pb2.TRIGGER_PRICE_MARK, TriggerPrice.LAST: types_pb2.TRIGGER_PRICE_LAST},
)
LEVEL_KIND = Words(
    "kind",
    {
        LevelKind.STOP_LOSS: positions_pb2.LEVEL_KIND_STOP_LOSS,
        LevelKind.TAKE_PROFIT: positions_pb2.LEVEL_KIND_TAKE_PROFIT,
    },
)
AUTHOR = Words(
    "author",
    {
        Actor.USER: types_pb2.AUTHOR_USER,
        Actor.FLOW: types_pb2.AUTHOR_FLOW,
        Actor.AI: types_pb2.AUTHOR_AI,
    },
)
URGENCY = Words(
    "urgency",
    {
        Urgency.LOW: types_pb2.URGENCY_LOW,
        Urgency.MEDIUM: types_pb2.URGENCY_MEDIUM,
        Urgency.HIGH: types_pb2.URGENCY_HIGH,
    },
)
READING_STATUS = Words(
    "status",
    {
        ReadingStatus.COMPLETE: observation_pb2.READING_STATUS_COMPLETE,
        ReadingStatus.PARTIAL: observation_pb2.READING_STATUS_PARTIAL,
        ReadingStatus.FAILED: observation_pb2.READING_STATUS_FAILED,
        ReadingStatus.SUSPICIOUS: observation_pb2.READING_STATUS_SUSPICIOUS,
    },
)
OUTCOME = Words(
    "outcome",
    {
        Outcome.APPLIED: observation_pb2.DECISION_OUTCOME_APPLIED,
        Outcome.STALE: observation_pb2.DECISION_OUTCOME_STALE,
    },
)


def text_of(number: Decimal | None) -> str:
    """A number as the contract writes it; empty where it is not known."""
    return "" if number is None else format_decimal(number)


def stamp_of(moment: datetime | None) -> Timestamp | None:
    """A moment as the contract writes it."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def expected_version_of(version: int) -> int | None:
    """A version that a writer expects; zero expects none. Raises FieldInvalid."""
    if version < 0:
        raise FieldInvalid(field="expected_version", problem="is negative")
    return version or None
