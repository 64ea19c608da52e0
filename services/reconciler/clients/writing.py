"""Decisions of the domain, written as messages of positions."""

from datetime import datetime
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from protos.positions.v1 import observation_pb2 as pb
from protos.positions.v1 import types_pb2 as types
from services.common.trading.fill import Fill
from services.common.trading.money import format_decimal
from services.common.trading.reading import VenuePosition
from services.reconciler.clients.vocabulary import ORDER_KINDS, ORDER_SIDES, POSITION_SIDES, SIDES, number
from services.reconciler.domain.decision import Adjust, Adopt, Close, Decision


def write_decision(decision: Decision) -> pb.Decision:
    """One decision with its id and its evidence."""
    message = pb.Decision(decision_id=decision.decision_id, evidence=decision.evidence)
    match decision:
        case Adopt():
            message.adopt.CopyFrom(_adopt(decision))
        case Close():
            message.close.CopyFrom(_close(decision))
        case Adjust():
            message.adjust.CopyFrom(_adjust(decision))
    return message


def _adopt(decision: Adopt) -> pb.Adopt:
    return pb.Adopt(
        position=_position(decision.position),
        asked_at=_time(decision.asked_at),
        taken_at=_time(decision.taken_at),
        fills=[_fill(fill) for fill in decision.fills],
    )


def _close(decision: Close) -> pb.Close:
    return pb.Close(
        position_id=decision.position_id,
        expected_version=decision.expected_version,
        fills=[_fill(fill) for fill in decision.fills],
        final_quantity=format_decimal(decision.final_quantity),
    )


def _adjust(decision: Adjust) -> pb.Adjust:
    return pb.Adjust(
        position_id=decision.position_id,
        expected_version=decision.expected_version,
        position=_position(decision.position),
        asked_at=_time(decision.asked_at),
        taken_at=_time(decision.taken_at),
        fills=[_fill(fill) for fill in decision.fills],
    )


def _position(position: VenuePosition) -> pb.VenuePosition:
    return pb.VenuePosition(
        symbol=position.symbol,
        position_side=number(POSITION_SIDES, position.position_side),
        side=number(SIDES, position.side),
        quantity=format_decimal(position.quantity),
        entry_price=format_decimal(position.entry_price),
        mark_price=format_decimal(position.mark_price),
        unrealized_pnl=format_decimal(position.unrealized_pnl),
        notional=format_decimal(position.notional),
        leverage=_optional(position.leverage),
        margin_mode=position.margin_mode or "",
        liquidation_price=_optional(position.liquidation_price),
        initial_margin=_optional(position.initial_margin),
        maintenance_margin=_optional(position.maintenance_margin),
        updated_at=None if position.updated_at is None else _time(position.updated_at),
    )


def _fill(fill: Fill) -> types.Fill:
    return types.Fill(
        fill_id=fill.fill_id,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id or "",
        symbol=fill.symbol,
        position_side=number(POSITION_SIDES, fill.position_side),
        order_side=number(ORDER_SIDES, fill.order_side),
        price=format_decimal(fill.price),
        quantity=format_decimal(fill.quantity),
        fee=format_decimal(fill.fee),
        fee_currency=fill.fee_currency,
        fee_quote=_optional(fill.fee_quote),
        realized_pnl=_optional(fill.realized_pnl),
        executed_at=_time(fill.executed_at),
        order_kind=number(ORDER_KINDS, fill.order_kind),
        sequence=fill.sequence,
    )


def _optional(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)


def _time(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
