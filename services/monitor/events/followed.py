"""Facts that the monitor follows."""

from collections.abc import Callable

from protos.gateway.v1 import events_pb2 as gateway_pb2
from protos.positions.v1 import events_pb2 as positions_pb2
from protos.positions.v1 import types_pb2
from services.common.bus import Handler, Received
from services.common.subjects import all_users, all_users_ephemeral
from services.monitor.clients.messages import read_position
from services.monitor.domain.position import Position

_POSITION_FACTS: dict[str, Callable[[bytes], types_pb2.Position]] = {
    "position_opened": lambda payload: positions_pb2.PositionOpened.FromString(payload).position,
    "position_levels_changed": lambda payload: positions_pb2.PositionLevelsChanged.FromString(payload).position,
    "position_closed": lambda payload: positions_pb2.PositionClosed.FromString(payload).position,
}
_ACCOUNT_CHANGED = "account_changed"

FOLLOWED = tuple(all_users("positions", fact) for fact in (*_POSITION_FACTS, _ACCOUNT_CHANGED))
"""The subjects to follow."""

WATCHED = all_users_ephemeral("gateway", "user_watched")
"""Where the gateway says, every ten seconds, which users somebody watches."""


def hear_watched(on_user: Callable[[str], None]) -> Handler:
    """A handler of user_watched."""

    async def hear(received: Received) -> None:
        user_id = gateway_pb2.UserWatched.FromString(received.payload).user_id
        if user_id:
            on_user(user_id)

    return hear


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
