"""Facts of executions: what they are told of positions, and what is told of them."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from google.protobuf.timestamp_pb2 import Timestamp

from protos.monitor.v1 import evaluations_pb2, events_pb2, flows_pb2
from protos.positions.v1 import events_pb2 as positions_pb2
from protos.positions.v1 import types_pb2
from services.common.bus import Received
from services.common.outbox import OutboxEvent
from services.common.subjects import all_users, subject
from services.common.trading.exit_reason import ExitReason
from services.common.trading.money import format_decimal, parse_decimal
from services.common.trading.side import Side, Venue
from services.monitor.clients.messages import read_position, read_time
from services.monitor.domain.execution import (
    Execution,
    ExecutionResult,
    ExecutionState,
    ExecutionStep,
    ExecutionUpdate,
    PositionSeen,
    Step,
)

_POSITION_FACTS: dict[str, Callable[[bytes], types_pb2.Position]] = {
    "position_opened": lambda payload: positions_pb2.PositionOpened.FromString(payload).position,
    "position_levels_changed": lambda payload: positions_pb2.PositionLevelsChanged.FromString(payload).position,
    "position_closed": lambda payload: positions_pb2.PositionClosed.FromString(payload).position,
    "position_exit_completed": lambda payload: positions_pb2.PositionExitCompleted.FromString(payload).position,
}
EVALUATED = "position_evaluated"
FOLLOWED = (*(all_users("positions", fact) for fact in _POSITION_FACTS), all_users("monitor", EVALUATED))
"""The subjects that executions follow."""

_EXCHANGES = {Venue.BINANCE: types_pb2.EXCHANGE_BINANCE, Venue.BYBIT: types_pb2.EXCHANGE_BYBIT}
_SIDES = {Side.LONG: types_pb2.SIDE_LONG, Side.SHORT: types_pb2.SIDE_SHORT}
_STATES = {state: flows_pb2.ExecutionState.Value(f"EXECUTION_STATE_{state.name}") for state in ExecutionState}
_STEPS = {step: flows_pb2.ExecutionStep.Value(f"EXECUTION_STEP_{step.name}") for step in ExecutionStep}
_TO_REASON = {reason: types_pb2.ExitReason.Value(f"EXIT_REASON_{reason.name}") for reason in ExitReason}
_REASONS = {theirs: ours for ours, theirs in _TO_REASON.items()}


def read_fact(received: Received) -> PositionSeen | tuple[str, Step] | None:
    """A version of a position that an order of ours opened, or a step about a position; None for anything else."""
    fact = received.subject.split(".")[2]
    if fact == EVALUATED:
        advice = events_pb2.PositionEvaluated.FromString(received.payload).evaluation
        return advice.position_id, read_evaluation(advice)
    return read_seen(_POSITION_FACTS[fact](received.payload))


def read_seen(message: types_pb2.Position) -> PositionSeen | None:
    """A version of a position; None for one that no order of ours opened."""
    if not message.intent_id:
        return None
    position = read_position(message)
    return PositionSeen(
        position_id=position.position_id,
        intent_id=UUID(message.intent_id),
        version=position.version,
        is_open=position.is_open,
        quantity=position.quantity,
        entry_price=position.entry_price,
        levels=position.levels,
        result=_read_exit(message.exit) if message.HasField("exit") else None,
    )


def execution_updated(update: ExecutionUpdate, execution: Execution, now: datetime) -> OutboxEvent:
    """The event of a step."""
    event_id = uuid4()
    message = events_pb2.ExecutionUpdated(
        event_id=str(event_id),
        occurred_at=_time(now),
        user_id=execution.user_id,
        update=write_update(update),
        execution=write_execution(execution),
    )
    return OutboxEvent(
        aggregate_id=f"execution:{execution.execution_id}",
        version=update.sequence,
        subject=subject("monitor", "execution_updated", execution.user_id),
        payload=message.SerializeToString(),
        id=event_id,
    )


def write_update(update: ExecutionUpdate) -> flows_pb2.ExecutionUpdate:
    """A step as the contract has it."""
    return flows_pb2.ExecutionUpdate(
        sequence=update.sequence,
        happened_at=_time(update.happened_at),
        step=_STEPS[update.step],
        detail=update.detail,
    )


def write_execution(execution: Execution) -> flows_pb2.Execution:
    """An execution as the contract has it."""
    return flows_pb2.Execution(
        execution_id=str(execution.execution_id),
        user_id=execution.user_id,
        flow_id=execution.flow_id,
        node_id=execution.node_id,
        account_id=execution.account_id,
        exchange=_EXCHANGES[execution.venue],
        symbol=execution.symbol,
        side=_SIDES[execution.side],
        state=_STATES[execution.state],
        reason=execution.reason,
        position_id=execution.position_id,
        started_at=_time(execution.started_at),
        ended_at=None if execution.ended_at is None else _time(execution.ended_at),
        result=None if execution.result is None else _write_exit(execution.result),
        sequence=execution.sequence,
    )


def read_evaluation(advice: evaluations_pb2.Evaluation) -> Step:
    """The step of an evaluation. That an act failed is another fact than that it was begun."""
    failed = " failed" if advice.outcome == evaluations_pb2.ADVICE_OUTCOME_FAILED else ""
    action = _spoken(evaluations_pb2.AdviceAction.Name(advice.action), "ADVICE_ACTION_")
    outcome = _spoken(evaluations_pb2.AdviceOutcome.Name(advice.outcome), "ADVICE_OUTCOME_").capitalize()
    reason = advice.reason.rstrip(".")
    price = f" to {advice.price}" if advice.price else ""
    why = f" ({advice.outcome_reason})" if advice.outcome_reason else ""
    return Step(
        step=ExecutionStep.EVALUATED,
        fact=f"evaluation {advice.evaluation_id}{failed}",
        happened_at=read_time(advice.evaluated_at),
        detail=f"{advice.advisor} says {action}{price}, {advice.confidence} % sure: {reason}. {outcome}{why}.",
    )


def _spoken(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).replace("_", " ").lower()


def _read_exit(message: types_pb2.Exit) -> ExecutionResult:
    return ExecutionResult(
        reason=_REASONS[message.reason],
        cause=message.cause,
        executed_at=read_time(message.executed_at),
        estimated=message.estimated,
        price=_number(message.price),
        quantity=_number(message.quantity),
        fee=_number(message.fee),
        realized_pnl=_number(message.realized_pnl),
        realized_pnl_percent=_number(message.realized_pnl_percent),
    )


def _write_exit(result: ExecutionResult) -> types_pb2.Exit:
    return types_pb2.Exit(
        price=_text(result.price),
        quantity=_text(result.quantity),
        fee=_text(result.fee),
        realized_pnl=_text(result.realized_pnl),
        realized_pnl_percent=_text(result.realized_pnl_percent),
        reason=_TO_REASON[result.reason],
        cause=result.cause,
        executed_at=_time(result.executed_at),
        estimated=result.estimated,
    )


def _number(text: str) -> Decimal | None:
    return parse_decimal(text) if text else None


def _text(number: Decimal | None) -> str:
    return "" if number is None else format_decimal(number)


def _time(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
