"""Executions and their steps as rows of the tables, and back."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from services.common.trading.exit_reason import ExitReason
from services.common.trading.money import format_decimal
from services.common.trading.partition import partition_of
from services.common.trading.side import Side, Venue
from services.monitor.domain.execution import (
    Execution,
    ExecutionResult,
    ExecutionState,
    ExecutionStep,
    ExecutionUpdate,
    Seen,
)


def to_row(execution: Execution) -> dict[str, Any]:
    """All columns of an execution's row but its place."""
    return {
        "execution_id": execution.execution_id,
        "intent_id": execution.intent_id,
        "user_id": execution.user_id,
        "flow_id": execution.flow_id,
        "node_id": execution.node_id,
        "account_id": execution.account_id,
        "partition": partition_of(execution.account_id),
        "venue": execution.venue.value,
        "symbol": execution.symbol,
        "side": execution.side.value,
        "state": execution.state.value,
        "reason": execution.reason,
        "position_id": execution.position_id,
        "position_version": execution.position_version,
        "seen": None if execution.seen is None else _seen_to_json(execution.seen),
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
        "result": None if execution.result is None else _result_to_json(execution.result),
        "sequence": execution.sequence,
        "stop_request_id": execution.stop_request_id,
    }


def from_row(row: RowMapping) -> Execution:
    """The execution of a row."""
    return Execution(
        execution_id=row["execution_id"],
        intent_id=row["intent_id"],
        user_id=row["user_id"],
        flow_id=row["flow_id"],
        node_id=row["node_id"],
        account_id=row["account_id"],
        venue=Venue(row["venue"]),
        symbol=row["symbol"],
        side=Side(row["side"]),
        state=ExecutionState(row["state"]),
        started_at=row["started_at"],
        reason=row["reason"],
        position_id=row["position_id"],
        position_version=row["position_version"],
        seen=None if row["seen"] is None else Seen(**{**row["seen"], "quantity": Decimal(row["seen"]["quantity"])}),
        ended_at=row["ended_at"],
        result=None if row["result"] is None else _result_from_json(row["result"]),
        sequence=row["sequence"],
        stop_request_id=row["stop_request_id"],
    )


def update_from_row(row: RowMapping) -> ExecutionUpdate:
    """The step of a row."""
    return ExecutionUpdate(row["sequence"], row["happened_at"], ExecutionStep(row["step"]), row["detail"])


def _seen_to_json(seen: Seen) -> dict[str, str]:
    return {
        "quantity": format_decimal(seen.quantity),
        "stop_loss": seen.stop_loss,
        "take_profit": seen.take_profit,
        "floor": seen.floor,
    }


_NUMBERS = ("price", "quantity", "fee", "realized_pnl", "realized_pnl_percent")


def _result_to_json(result: ExecutionResult) -> dict[str, Any]:
    numbers = {name: getattr(result, name) for name in _NUMBERS}
    return {
        "reason": result.reason.value,
        "cause": result.cause,
        "executed_at": result.executed_at.isoformat(),
        "estimated": result.estimated,
        **{name: None if number is None else format_decimal(number) for name, number in numbers.items()},
    }


def _result_from_json(kept: dict[str, Any]) -> ExecutionResult:
    numbers = {name: None if kept[name] is None else Decimal(kept[name]) for name in _NUMBERS}
    return ExecutionResult(
        reason=ExitReason(kept["reason"]),
        cause=kept["cause"],
        executed_at=datetime.fromisoformat(kept["executed_at"]),
        estimated=kept["estimated"],
        **numbers,
    )
