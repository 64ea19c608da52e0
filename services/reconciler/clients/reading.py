"""Messages of positions, read into the domain. Whatever the contract does not allow raises ValueError."""

from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from protos.positions.v1 import observation_pb2 as pb
from protos.positions.v1 import types_pb2 as types
from services.common.trading.fill import Fill, Settlement
from services.common.trading.money import parse_decimal
from services.common.trading.reading import AccountReading, MarginMode, VenuePosition
from services.reconciler.clients.vocabulary import (
    ORDER_KINDS,
    ORDER_SIDES,
    OUTCOMES,
    POSITION_SIDES,
    READING_STATUSES,
    SIDES,
    VENUES,
    word,
)
from services.reconciler.domain.decision import DecisionResult
from services.reconciler.domain.observation import BookedPosition, ObservableAccount, Observation


def read_account(message: pb.ObservableAccount) -> ObservableAccount:
    """An account with a verified key."""
    if not message.account_id or not message.user_id:
        raise ValueError("an account without its ids")
    return ObservableAccount(message.account_id, message.user_id, word(VENUES, message.exchange))


def read_observation(message: pb.ObserveAccountResponse) -> Observation:
    """One look at one account."""
    return Observation(
        account=read_account(message.account),
        booked=tuple(_booked(row) for row in message.booked),
        reading=_reading(message.reading),
    )


def read_result(message: pb.DecisionResult) -> DecisionResult:
    """What became of a decision."""
    return DecisionResult(message.decision_id, word(OUTCOMES, message.outcome), message.position_id)


def _booked(message: pb.BookedPosition) -> BookedPosition:
    return BookedPosition(
        position_id=message.position_id,
        symbol=message.symbol,
        position_side=word(POSITION_SIDES, message.position_side),
        side=word(SIDES, message.side),
        quantity=_positive(message.quantity),
        entry_price=parse_decimal(message.entry_price),
        leverage=_optional(message.leverage),
        settlement=Settlement(_time(message, "settled_since"), _time(message, "settled_until")),
        version=message.version,
        fills=tuple(_fill(fill) for fill in message.fills),
        fills_complete=message.fills_complete,
    )


def _reading(message: pb.AccountReading) -> AccountReading:
    return AccountReading(
        status=word(READING_STATUSES, message.status),
        asked_at=_time(message, "asked_at"),
        taken_at=_time(message, "taken_at"),
        positions=tuple(_position(position) for position in message.positions),
        reason=message.reason,
    )


def _position(message: pb.VenuePosition) -> VenuePosition:
    return VenuePosition(
        symbol=message.symbol,
        position_side=word(POSITION_SIDES, message.position_side),
        side=word(SIDES, message.side),
        quantity=_positive(message.quantity),
        entry_price=parse_decimal(message.entry_price),
        mark_price=parse_decimal(message.mark_price),
        unrealized_pnl=parse_decimal(message.unrealized_pnl),
        notional=parse_decimal(message.notional),
        leverage=_optional(message.leverage),
        margin_mode=MarginMode(message.margin_mode) if message.margin_mode else None,
        liquidation_price=_optional(message.liquidation_price),
        initial_margin=_optional(message.initial_margin),
        maintenance_margin=_optional(message.maintenance_margin),
        updated_at=_time(message, "updated_at") if message.HasField("updated_at") else None,
    )


def _fill(message: types.Fill) -> Fill:
    return Fill(
        fill_id=message.fill_id,
        order_id=message.order_id,
        client_order_id=message.client_order_id or None,
        symbol=message.symbol,
        position_side=word(POSITION_SIDES, message.position_side),
        order_side=word(ORDER_SIDES, message.order_side),
        price=parse_decimal(message.price),
        quantity=_positive(message.quantity),
        fee=parse_decimal(message.fee),
        fee_currency=message.fee_currency,
        fee_quote=_optional(message.fee_quote),
        realized_pnl=_optional(message.realized_pnl),
        executed_at=_time(message, "executed_at"),
        order_kind=word(ORDER_KINDS, message.order_kind),
        sequence=message.sequence,
    )


def _positive(text: str) -> Decimal:
    number = parse_decimal(text)
    if number <= 0:
        raise ValueError(f"a quantity is positive, not {text}")
    return number


def _optional(text: str) -> Decimal | None:
    return parse_decimal(text) if text else None


def _time(message: Message, name: str) -> datetime:
    if not message.HasField(name):
        raise ValueError(f"{name} is missing")
    moment: Timestamp = getattr(message, name)
    return moment.ToDatetime(UTC)
