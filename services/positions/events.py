"""The facts that positions publishes, and the heartbeat that it hears."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID, uuid4

from google.protobuf.message import DecodeError

from protos.monitor.v1 import events_pb2 as monitor_events
from protos.positions.v1 import events_pb2
from services.common.bus import Received
from services.common.clock import Clock
from services.common.outbox import OutboxEvent
from services.common.subjects import subject
from services.positions.domain.account import Account
from services.positions.domain.position import Position
from services.positions.guards import Guards
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import position_to_proto
from services.positions.rpc.vocabulary import stamp_of

_OWNER = "positions"


def position_opened(position: Position, now: datetime) -> OutboxEvent:
    """A row was added to the books."""
    event_id = uuid4()
    message = events_pb2.PositionOpened(
        event_id=str(event_id), occurred_at=stamp_of(now), position=position_to_proto(position)
    )
    return _of_position("position_opened", position, message.SerializeToString(), event_id)


def position_closed(position: Position, now: datetime) -> OutboxEvent:
    """A row of the books ended."""
    event_id = uuid4()
    message = events_pb2.PositionClosed(
        event_id=str(event_id), occurred_at=stamp_of(now), position=position_to_proto(position)
    )
    return _of_position("position_closed", position, message.SerializeToString(), event_id)


def position_exit_completed(position: Position, now: datetime) -> OutboxEvent:
    """Fills were found for a close that had been estimated, or funding for one that is exact."""
    event_id = uuid4()
    message = events_pb2.PositionExitCompleted(
        event_id=str(event_id), occurred_at=stamp_of(now), position=position_to_proto(position)
    )
    return _of_position("position_exit_completed", position, message.SerializeToString(), event_id)


def position_levels_changed(position: Position, now: datetime) -> OutboxEvent:
    """Size, levels or enforcement of an open row changed."""
    event_id = uuid4()
    message = events_pb2.PositionLevelsChanged(
        event_id=str(event_id), occurred_at=stamp_of(now), position=position_to_proto(position)
    )
    return _of_position("position_levels_changed", position, message.SerializeToString(), event_id)


def account_changed(account: Account, now: datetime) -> OutboxEvent:
    """An account was added, or its key or its switches changed."""
    event_id = uuid4()
    message = events_pb2.AccountChanged(
        event_id=str(event_id),
        occurred_at=stamp_of(now),
        user_id=account.user_id,
        account_id=account.account_id,
        exchange=words.EXCHANGE.to_proto(account.venue),
        verified=account.verified,
        trading_enabled=account.trading_enabled,
        version=account.version,
        removed=account.removed_at is not None,
    )
    return OutboxEvent(
        aggregate_id=account.account_id,
        version=account.version,
        subject=subject(_OWNER, "account_changed", account.user_id),
        payload=message.SerializeToString(),
        id=event_id,
    )


def hear_heartbeats(guards: Guards, clock: Clock) -> Callable[[Received], Awaitable[None]]:
    """A handler of the monitor's guard_heartbeat."""

    async def hear(received: Received) -> None:
        message = monitor_events.GuardHeartbeat()
        try:
            message.ParseFromString(received.payload)
        except DecodeError:
            # One that cannot be read says nothing: the accounts turn unguarded by its absence.
            return
        guards.hear(message.partitions, message.unguarded_accounts, clock.now(), message.followed_sequence)

    return hear


def _of_position(fact: str, position: Position, payload: bytes, event_id: UUID) -> OutboxEvent:
    return OutboxEvent(
        aggregate_id=position.position_id,
        version=position.version,
        subject=subject(_OWNER, fact, position.user_id),
        payload=payload,
        id=event_id,
    )
