"""Facts that the monitor follows and tells."""

import uuid
from collections.abc import Callable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from protos.monitor.v1 import events_pb2
from protos.positions.v1 import events_pb2 as positions_pb2
from protos.positions.v1 import types_pb2
from services.common.bus import Received
from services.common.outbox import OutboxEvent
from services.common.subjects import all_users, ephemeral_subject, subject
from services.monitor.clients.messages import read_position
from services.monitor.domain.guard import GuardState
from services.monitor.domain.position import Position

_POSITION_FACTS: dict[str, Callable[[bytes], types_pb2.Position]] = {
    "position_opened": lambda payload: positions_pb2.PositionOpened.FromString(payload).position,
    "position_levels_changed": lambda payload: positions_pb2.PositionLevelsChanged.FromString(payload).position,
    "position_closed": lambda payload: positions_pb2.PositionClosed.FromString(payload).position,
}
_ACCOUNT_CHANGED = "account_changed"

FOLLOWED = tuple(all_users("positions", fact) for fact in (*_POSITION_FACTS, _ACCOUNT_CHANGED))
"""The subjects to follow."""


class FactHandler:
    """Hands followed facts on: positions by version, and the accounts whose key or switches changed."""

    def __init__(self, on_position: Callable[[Position], object], on_account: Callable[[str], None]) -> None:
        self._on_position = on_position
        self._on_account = on_account

    async def __call__(self, received: Received) -> None:
        """Take in one fact. Raises ValueError, KeyError for one that cannot be understood."""
        fact = received.subject.split(".")[2]
        if fact == _ACCOUNT_CHANGED:
            self._on_account(positions_pb2.AccountChanged.FromString(received.payload).account_id)
        else:
            self._on_position(read_position(_POSITION_FACTS[fact](received.payload)))


def heartbeat_subject(owner: str) -> str:
    """Where a replica's heartbeats go."""
    return ephemeral_subject("monitor", "guard_heartbeat", owner)


def write_heartbeat(owner: str, partitions: tuple[int, ...], unguarded: dict[str, str], now: datetime) -> bytes:
    """A heartbeat's payload."""
    return events_pb2.GuardHeartbeat(
        sent_at=_time(now), owner=owner, partitions=partitions, unguarded_accounts=unguarded
    ).SerializeToString()


def guard_changed(state: GuardState, version: int, now: datetime) -> OutboxEvent:
    """The event of an account that is guarded from now on, or is not."""
    event_id = uuid.uuid4()
    message = events_pb2.GuardChanged(
        event_id=str(event_id),
        occurred_at=_time(now),
        user_id=state.user_id,
        account_id=state.account_id,
        guarded=state.guarded,
        reason=state.reason,
    )
    return OutboxEvent(
        aggregate_id=f"guard:{state.account_id}",
        version=version,
        subject=subject("monitor", "guard_changed", state.user_id),
        payload=message.SerializeToString(),
        id=event_id,
    )


def _time(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
