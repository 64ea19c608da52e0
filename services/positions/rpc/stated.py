"""What is stated about a position: rules of levels, provenance, advice, in the contract's words and the domain's."""

from datetime import datetime
from decimal import Decimal

import msgspec

from protos.positions.v1 import types_pb2
from services.common.errors import FieldInvalid
from services.common.fields import object_of, rule_from
from services.common.trading.level import LevelRule, Pinned, Trailing
from services.common.trading.money import to_books
from services.positions.domain.care import DEFAULT_LEVELS, StatedLevels
from services.positions.domain.position import Position
from services.positions.domain.provenance import CloseAdvice, Provenance
from services.positions.domain.timeline import Actor
from services.positions.rpc import vocabulary as words
from services.positions.rpc.vocabulary import number_of, optional_text, required, stamp_of, text_of

_LONGEST_REASONING = 20_000


def stated_from(stop_loss: types_pb2.Level, take_profit: types_pb2.Level) -> StatedLevels:
    """Both levels; one whose rule is not stated is the default. Raises FieldInvalid."""
    return StatedLevels(
        stop_loss=_rule_or(stop_loss, DEFAULT_LEVELS.stop_loss),
        take_profit=_rule_or(take_profit, DEFAULT_LEVELS.take_profit),
    )


def _rule_or(message: types_pb2.Level, default: LevelRule) -> LevelRule:
    name = message.WhichOneof("rule")
    return default if name is None else rule_from(name, message.pinned.price, message.trailing.distance)


def author_from(author: "types_pb2.Author.ValueType") -> Actor:
    """Who states it; unspecified is the user. Raises FieldInvalid."""
    return Actor.USER if author == types_pb2.AUTHOR_UNSPECIFIED else words.AUTHOR.to_domain(author)


def provenance_from(message: types_pb2.Provenance) -> Provenance:
    """Raises FieldInvalid."""
    return Provenance(
        flow_id=optional_text(message.flow_id, "provenance.flow_id"),
        node_id=optional_text(message.node_id, "provenance.node_id"),
        execution_id=optional_text(message.execution_id, "provenance.execution_id"),
        agent=optional_text(message.agent, "provenance.agent"),
        ai_reasoning=optional_text(message.ai_reasoning, "provenance.ai_reasoning", _LONGEST_REASONING),
        ai_confidence=_share_of(message.ai_confidence, "provenance.ai_confidence") if message.ai_confidence else None,
        market_conditions=object_of(message.market_conditions, "provenance.market_conditions"),
    )


def provenance_to_proto(provenance: Provenance) -> types_pb2.Provenance:
    conditions = provenance.market_conditions
    return types_pb2.Provenance(
        flow_id=provenance.flow_id or "",
        node_id=provenance.node_id or "",
        execution_id=provenance.execution_id or "",
        agent=provenance.agent or "",
        ai_reasoning=provenance.ai_reasoning or "",
        ai_confidence=text_of(provenance.ai_confidence),
        market_conditions="" if conditions is None else msgspec.json.encode(conditions).decode(),
    )


def advice_from(message: types_pb2.CloseAdvice, now: datetime) -> CloseAdvice:
    """Raises FieldInvalid."""
    return CloseAdvice(
        reason=required(message.reason, "advice.reason", _LONGEST_REASONING),
        urgency=words.URGENCY.to_domain(message.urgency),
        confidence=_share_of(message.confidence, "advice.confidence"),
        given_at=now,
    )


def management_to_proto(position: Position) -> types_pb2.AiManagement:
    stop, target = position.levels.stop_loss, position.levels.take_profit
    trailing = stop.rule if isinstance(stop.rule, Trailing) else None
    message = types_pb2.AiManagement(
        current_stop_loss=text_of(stop.rule.price) if isinstance(stop.rule, Pinned) else "",
        current_take_profit=text_of(target.rule.price) if isinstance(target.rule, Pinned) else "",
        trailing_stop_enabled=trailing is not None and stop.enforced,
        trailing_stop_distance="" if trailing is None else text_of(trailing.distance),
        trailing_stop_adjusted_by=_author_to_proto(position.stop_set_by),
    )
    if position.close_advice is not None:
        message.should_close.CopyFrom(advice_to_proto(position.close_advice))
    return message


def advice_to_proto(advice: CloseAdvice) -> types_pb2.CloseAdvice:
    return types_pb2.CloseAdvice(
        reason=advice.reason,
        urgency=words.URGENCY.to_proto(advice.urgency),
        confidence=text_of(advice.confidence),
        given_at=stamp_of(advice.given_at),
    )


def entry_to_proto(position: Position) -> types_pb2.Entry:
    total = to_books(position.entry_price * position.quantity)
    leverage = position.leverage
    return types_pb2.Entry(
        price=text_of(position.entry_price),
        size=text_of(position.quantity),
        leverage=text_of(leverage),
        margin=text_of(to_books(total / leverage)) if leverage else "",
        total_value=text_of(total),
        fee=text_of(position.entry_fee),
        executed_at=stamp_of(position.opened_at),
    )


def _author_to_proto(actor: Actor | None) -> "types_pb2.Author.ValueType":
    match actor:
        case Actor.USER | Actor.FLOW | Actor.AI:
            return words.AUTHOR.to_proto(actor)
        case _:
            return types_pb2.AUTHOR_UNSPECIFIED


def _share_of(text: str, field: str) -> Decimal:
    number = number_of(text, field)
    if not 0 <= number <= 1:
        raise FieldInvalid(field=field, problem="is not between 0 and 1")
    return number
