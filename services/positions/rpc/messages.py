"""Domain objects as messages of the contract, and back."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from protos.positions.v1 import accounts_pb2, observation_pb2, types_pb2
from services.common.errors import FieldInvalid
from services.common.trading.fill import Fill
from services.common.trading.level import Level, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.reading import AccountReading, MarginMode, VenuePosition
from services.positions.domain.account import Account
from services.positions.domain.position import Position, PositionExit
from services.positions.rpc import vocabulary as words
from services.positions.rpc.stated import entry_to_proto, management_to_proto, provenance_to_proto
from services.positions.rpc.vocabulary import (
    amount_of,
    held,
    number_of,
    optional_number_of,
    optional_text,
    required,
    stamp_of,
    text_of,
)

_FIRST_YEAR, _LAST_YEAR = 2000, 2999


def account_to_proto(account: Account) -> accounts_pb2.Account:
    return accounts_pb2.Account(
        account_id=account.account_id,
        user_id=account.user_id,
        exchange=words.EXCHANGE.to_proto(account.venue),
        name=account.name,
        masked_key=account.masked_key,
        verified=account.verified,
        trading_enabled=account.trading_enabled,
        created_at=stamp_of(account.created_at),
        verified_at=stamp_of(account.verified_at),
        can_trade=account.can_trade,
        ip_restricted=account.ip_restricted,
        auto_manage=account.auto_manage,
        refusal=account.refusal,
        trigger_price=words.TRIGGER_PRICE.to_proto(account.trigger_price),
    )


def level_to_proto(level: Level) -> types_pb2.Level:
    message = types_pb2.Level(armed_at=stamp_of(level.armed_at), armed_mark=text_of(level.armed_mark))
    match level.rule:
        case Trailing(distance):
            message.trailing.distance = text_of(distance)
        case Pinned(price):
            message.pinned.price = text_of(price)
        case NoLevel():
            message.none.SetInParent()
    return message


def levels_to_proto(levels: LevelRules) -> types_pb2.LevelRules:
    return types_pb2.LevelRules(
        stop_loss=level_to_proto(levels.stop_loss),
        take_profit=level_to_proto(levels.take_profit),
        floor=text_of(levels.floor),
    )


def exit_to_proto(end: PositionExit) -> types_pb2.Exit:
    return types_pb2.Exit(
        price=text_of(end.price),
        quantity=text_of(end.quantity),
        fee=text_of(end.fee),
        realized_pnl=text_of(end.realized_pnl),
        realized_pnl_percent=text_of(end.realized_pnl_percent),
        reason=words.EXIT_REASON.to_proto(end.reason),
        cause=end.cause,
        executed_at=stamp_of(end.executed_at),
        estimated=end.estimated,
    )


def position_to_proto(position: Position) -> types_pb2.Position:
    return types_pb2.Position(
        position_id=position.position_id,
        user_id=position.user_id,
        account_id=position.account_id,
        exchange=words.EXCHANGE.to_proto(position.venue),
        symbol=position.symbol,
        position_side=words.POSITION_SIDE.to_proto(position.position_side),
        side=words.SIDE.to_proto(position.side),
        status=words.STATUS.to_proto(position.status),
        origin=words.ORIGIN.to_proto(position.origin),
        managed=position.managed,
        quantity=text_of(position.quantity),
        entry_price=text_of(position.entry_price),
        leverage=text_of(position.leverage),
        opened_at=stamp_of(position.opened_at),
        levels=levels_to_proto(position.levels),
        exit=None if position.exit is None else exit_to_proto(position.exit),
        version=position.version,
        provenance=provenance_to_proto(position.provenance),
        entry=entry_to_proto(position),
        ai_management=management_to_proto(position),
        realized_pnl=text_of(position.partial_pnl if position.exit is None else position.exit.realized_pnl),
        funding=text_of(position.funding),
        plan="" if position.plan is None else position.plan.name,
        commission_percent="" if position.plan is None else text_of(position.plan.commission_percent),
        commission=text_of(position.commission),
        intent_id=position.intent_id or "",
        trigger_price=words.TRIGGER_PRICE.to_proto(position.trigger_price),
    )


def fill_to_proto(fill: Fill) -> types_pb2.Fill:
    return types_pb2.Fill(
        fill_id=fill.fill_id,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id or "",
        symbol=fill.symbol,
        position_side=words.POSITION_SIDE.to_proto(fill.position_side),
        order_side=words.ORDER_SIDE.to_proto(fill.order_side),
        price=text_of(fill.price),
        quantity=text_of(fill.quantity),
        fee=text_of(fill.fee),
        fee_currency=fill.fee_currency,
        fee_quote=text_of(fill.fee_quote),
        realized_pnl=text_of(fill.realized_pnl),
        executed_at=stamp_of(fill.executed_at),
        order_kind=words.ORDER_KIND.to_proto(fill.order_kind),
        sequence=fill.sequence,
    )


def fills_from_proto(messages: Iterable[types_pb2.Fill]) -> tuple[Fill, ...]:
    return tuple(fill_from_proto(message) for message in messages)


def fill_from_proto(message: types_pb2.Fill) -> Fill:
    """Raises FieldInvalid."""
    return Fill(
        fill_id=required(message.fill_id, "fills.fill_id"),
        order_id=required(message.order_id, "fills.order_id"),
        client_order_id=optional_text(message.client_order_id, "fills.client_order_id"),
        symbol=required(message.symbol, "fills.symbol"),
        position_side=words.POSITION_SIDE.to_domain(message.position_side),
        order_side=words.ORDER_SIDE.to_domain(message.order_side),
        price=amount_of(message.price, "fills.price"),
        quantity=amount_of(message.quantity, "fills.quantity"),
        fee=number_of(message.fee, "fills.fee"),
        fee_currency=held(message.fee_currency, "fills.fee_currency"),
        fee_quote=optional_number_of(message.fee_quote, "fills.fee_quote"),
        realized_pnl=optional_number_of(message.realized_pnl, "fills.realized_pnl"),
        executed_at=moment_from(message, "executed_at"),
        order_kind=words.ORDER_KIND.to_domain(message.order_kind),
        sequence=message.sequence,
    )


def venue_position_to_proto(seen: VenuePosition) -> observation_pb2.VenuePosition:
    return observation_pb2.VenuePosition(
        symbol=seen.symbol,
        position_side=words.POSITION_SIDE.to_proto(seen.position_side),
        side=words.SIDE.to_proto(seen.side),
        quantity=text_of(seen.quantity),
        entry_price=text_of(seen.entry_price),
        mark_price=text_of(seen.mark_price),
        unrealized_pnl=text_of(seen.unrealized_pnl),
        notional=text_of(seen.notional),
        leverage=text_of(seen.leverage),
        margin_mode=seen.margin_mode.value if seen.margin_mode else "",
        liquidation_price=text_of(seen.liquidation_price),
        initial_margin=text_of(seen.initial_margin),
        maintenance_margin=text_of(seen.maintenance_margin),
        updated_at=stamp_of(seen.updated_at),
    )


def venue_position_from_proto(message: observation_pb2.VenuePosition) -> VenuePosition:
    """Raises FieldInvalid."""
    return VenuePosition(
        symbol=required(message.symbol, "position.symbol"),
        position_side=words.POSITION_SIDE.to_domain(message.position_side),
        side=words.SIDE.to_domain(message.side),
        quantity=amount_of(message.quantity, "position.quantity"),
        entry_price=amount_of(message.entry_price, "position.entry_price"),
        mark_price=amount_of(message.mark_price, "position.mark_price"),
        unrealized_pnl=number_of(message.unrealized_pnl, "position.unrealized_pnl"),
        notional=number_of(message.notional, "position.notional"),
        leverage=optional_number_of(message.leverage, "position.leverage"),
        margin_mode=_margin_mode_from(message.margin_mode),
        liquidation_price=optional_number_of(message.liquidation_price, "position.liquidation_price"),
        initial_margin=optional_number_of(message.initial_margin, "position.initial_margin"),
        maintenance_margin=optional_number_of(message.maintenance_margin, "position.maintenance_margin"),
        updated_at=moment_from(message, "updated_at") if message.HasField("updated_at") else None,
    )


def reading_to_proto(reading: AccountReading) -> observation_pb2.AccountReading:
    return observation_pb2.AccountReading(
        status=words.READING_STATUS.to_proto(reading.status),
        asked_at=stamp_of(reading.asked_at),
        taken_at=stamp_of(reading.taken_at),
        positions=[venue_position_to_proto(seen) for seen in reading.positions],
        reason=reading.reason,
        initial_margin=text_of(reading.margin.initial_margin) if reading.margin else "",
    )


def moment_from(message: Message, field: str) -> datetime:
    """A moment that a message must hold. Raises FieldInvalid."""
    if not message.HasField(field):
        raise FieldInvalid(field=field, problem="is required")
    stamp: Timestamp = getattr(message, field)
    try:
        moment = stamp.ToDatetime(tzinfo=UTC)
    except ValueError:
        raise FieldInvalid(field=field, problem="is not a moment that a calendar knows") from None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise FieldInvalid(field=field, problem=f"is not within the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


def _margin_mode_from(text: str) -> MarginMode | None:
    try:
        return MarginMode(text) if text else None
    except ValueError:
        raise FieldInvalid(field="position.margin_mode", problem="is neither cross nor isolated") from None
