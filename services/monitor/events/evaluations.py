"""Evaluations as facts, and the facts of positions that evaluation follows."""

import uuid
from collections.abc import Callable
from decimal import Decimal

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from protos.monitor.v1 import evaluations_pb2, events_pb2
from protos.positions.v1 import events_pb2 as positions_pb2
from protos.positions.v1 import types_pb2
from services.common.bus import Received
from services.common.outbox import OutboxEvent
from services.common.subjects import all_users, subject
from services.common.trading.money import format_decimal
from services.monitor.clients.advising import read_subject
from services.monitor.domain.evaluation.advice import Action, Outcome, Urgency
from services.monitor.domain.evaluation.evaluation import Evaluation
from services.monitor.domain.evaluation.situation import Subject

_FACTS: dict[
    str, type[positions_pb2.PositionOpened | positions_pb2.PositionLevelsChanged | positions_pb2.PositionClosed]
]
_FACTS = {
    "position_opened": positions_pb2.PositionOpened,
    "position_levels_changed": positions_pb2.PositionLevelsChanged,
    "position_closed": positions_pb2.PositionClosed,
}
POSITIONS = tuple(all_users("positions", fact) for fact in _FACTS)
"""The subjects to follow."""

_ACTIONS = {
    Action.HOLD: evaluations_pb2.ADVICE_ACTION_HOLD,
    Action.MOVE_STOP: evaluations_pb2.ADVICE_ACTION_MOVE_STOP,
    Action.MOVE_TARGET: evaluations_pb2.ADVICE_ACTION_MOVE_TARGET,
    Action.CLOSE: evaluations_pb2.ADVICE_ACTION_CLOSE,
}
_OUTCOMES = {
    Outcome.HELD: evaluations_pb2.ADVICE_OUTCOME_HELD,
    Outcome.ACTED: evaluations_pb2.ADVICE_OUTCOME_ACTED,
    Outcome.ADVISED: evaluations_pb2.ADVICE_OUTCOME_ADVISED,
    Outcome.WITHHELD: evaluations_pb2.ADVICE_OUTCOME_WITHHELD,
    Outcome.FAILED: evaluations_pb2.ADVICE_OUTCOME_FAILED,
}
_URGENCIES = {
    Urgency.LOW: types_pb2.URGENCY_LOW,
    Urgency.MEDIUM: types_pb2.URGENCY_MEDIUM,
    Urgency.HIGH: types_pb2.URGENCY_HIGH,
}


def write_evaluation(one: Evaluation) -> evaluations_pb2.Evaluation:
    """An evaluation in the contract's words."""
    evaluated_at = Timestamp()
    evaluated_at.FromDatetime(one.evaluated_at)
    call = one.call
    return evaluations_pb2.Evaluation(
        evaluation_id=str(one.evaluation_id),
        position_id=one.position_id,
        evaluated_at=evaluated_at,
        action=_ACTIONS[one.advice.action],
        price=_text(one.advice.price),
        reason=one.advice.reason,
        urgency=_URGENCIES[one.advice.urgency],
        confidence=one.advice.confidence,
        outcome=_OUTCOMES[one.outcome],
        outcome_reason=one.outcome_reason,
        advisor=one.advisor,
        fallback_reason=one.fallback_reason,
        mark_price=format_decimal(one.mark_price),
        sentiment=_text(one.sentiment),
        conditions=msgspec.json.encode(one.conditions).decode(),
        model="" if call is None else call.model,
        latency_milliseconds=0 if call is None else call.latency_milliseconds,
        input_tokens=0 if call is None else call.input_tokens,
        output_tokens=0 if call is None else call.output_tokens,
        cost_usd="" if call is None else format_decimal(call.cost_usd),
    )


def position_evaluated(one: Evaluation) -> OutboxEvent:
    """The event of an evaluation that is news. Of one position they go in order of time."""
    event_id = uuid.uuid4()
    message = events_pb2.PositionEvaluated(
        event_id=str(event_id), user_id=one.user_id, account_id=one.account_id, evaluation=write_evaluation(one)
    )
    message.occurred_at.FromDatetime(one.evaluated_at)
    return OutboxEvent(
        aggregate_id=f"evaluation:{one.position_id}",
        version=int(one.evaluated_at.timestamp() * 1000),
        subject=subject("monitor", "position_evaluated", one.user_id),
        payload=message.SerializeToString(),
        id=event_id,
    )


class SubjectFacts:
    """Hands on the positions that facts tell of."""

    def __init__(self, on_subject: Callable[[Subject], object]) -> None:
        self._on_subject = on_subject

    async def __call__(self, received: Received) -> None:
        """Take in one fact. Raises ValueError, KeyError for one that cannot be understood."""
        fact = _FACTS[received.subject.split(".")[2]]
        self._on_subject(read_subject(fact.FromString(received.payload).position))


def _text(number: Decimal | None) -> str:
    return "" if number is None else format_decimal(number)
