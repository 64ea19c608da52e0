"""Positions of the contract for these tests."""

from datetime import UTC, datetime
from typing import Any

from protos.positions.v1 import live_pb2, types_pb2

OPENED = datetime(2025, 10, 20, 12, tzinfo=UTC)
CLOSED = datetime(2025, 10, 21, 11, 30, 0, 123456, tzinfo=UTC)


def live_position(**changes: Any) -> live_pb2.LivePosition:
    """The live position of the example that today's frontend is built on."""
    position = live_pb2.LivePosition(
        position_id="OP_1729425600_123",
        account_id="account-1",
        exchange=types_pb2.EXCHANGE_BINANCE,
        symbol="BTCUSDT",
        position_side=types_pb2.POSITION_SIDE_BOTH,
        side=types_pb2.SIDE_LONG,
        quantity="0.001",
        entry_price="65000",
        current_price="66000",
        pnl="1.000",
        pnl_percent="1.538461538461538462",
        stop_loss="64680.00",
        take_profit="68640.00",
        in_sync=True,
        data_source=live_pb2.DATA_SOURCE_EXCHANGE,
        leverage="10",
        liquidation_price="58800.5",
        unguarded_reason="no level is enforced",
        version=1,
    )
    position.MergeFrom(live_pb2.LivePosition(**changes))
    for name, value in changes.items():
        if not value:
            position.ClearField(name)  # type: ignore[arg-type]
    return position


def live_answer(*positions: live_pb2.LivePosition) -> live_pb2.ListLivePositionsResponse:
    answer = live_pb2.ListLivePositionsResponse(positions=positions, data_source=live_pb2.DATA_SOURCE_EXCHANGE)
    answer.taken_at.FromDatetime(datetime(2025, 10, 21, 12, tzinfo=UTC))
    return answer


def booked_position(**changes: Any) -> types_pb2.Position:
    """An open position of the user `demo`, with a pinned stop that is enforced and an indicative target."""
    position = types_pb2.Position(
        position_id="OP_1729425600_123",
        user_id="demo",
        account_id="account-1",
        exchange=types_pb2.EXCHANGE_BINANCE,
        symbol="BTCUSDT",
        position_side=types_pb2.POSITION_SIDE_BOTH,
        side=types_pb2.SIDE_LONG,
        status=types_pb2.POSITION_STATUS_OPEN,
        origin=types_pb2.ORIGIN_EXTERNAL,
        quantity="0.001",
        entry_price="65000",
        version=2,
    )
    position.opened_at.FromDatetime(OPENED)
    position.levels.stop_loss.pinned.price = "64000"
    position.levels.stop_loss.armed_at.FromDatetime(OPENED)
    position.levels.stop_loss.armed_mark = "66000"
    position.levels.take_profit.trailing.distance = "0.04"
    position.MergeFrom(types_pb2.Position(**changes))
    return position


def closed_position(**exit_changes: Any) -> types_pb2.Position:
    """The same position, closed behind Tandem's back by the user's own hand."""
    position = booked_position(status=types_pb2.POSITION_STATUS_CLOSED)
    end = types_pb2.Exit(
        price="65900.10",
        quantity="0.001",
        fee="0.026",
        realized_pnl="0.8741",
        realized_pnl_percent="1.344769230769230769",
        reason=types_pb2.EXIT_REASON_CLOSED_EXTERNALLY,
        cause="hand",
    )
    end.executed_at.FromDatetime(CLOSED)
    end.MergeFrom(types_pb2.Exit(**exit_changes))
    for name, value in exit_changes.items():
        if not value:
            end.ClearField(name)  # type: ignore[arg-type]
    position.exit.CopyFrom(end)
    return position
