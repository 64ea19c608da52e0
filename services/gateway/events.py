"""Facts from the bus, as the WebSocket pushes them.

Invariants: a fact goes to the user whom it names and to nobody else; it carries its place in the stream as `sequence`,
so that it can be told apart from a repetition; where facts could not be had, every socket is told to read anew.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC

from protos.gateway.v1 import events_pb2 as gateway_events
from protos.positions.v1 import events_pb2
from services.common.bus import Received
from services.common.clock import Clock
from services.common.subjects import all_users, ephemeral_subject
from services.gateway.http.documents import PositionDocument, position_document
from services.gateway.http.json import Document, encode, instant
from services.gateway.hub import Hub

PositionFact = events_pb2.PositionOpened | events_pb2.PositionClosed | events_pb2.PositionLevelsChanged

_FACTS: dict[str, type[PositionFact]] = {
    "position_opened": events_pb2.PositionOpened,
    "position_closed": events_pb2.PositionClosed,
    "position_levels_changed": events_pb2.PositionLevelsChanged,
}
SUBJECTS = [all_users("positions", fact) for fact in _FACTS]


class Push(Document, kw_only=True, frozen=True):
    """A message to a socket."""

    type: str
    sequence: int
    timestamp: str
    data: PositionDocument


class ResyncRequired(Document, kw_only=True, frozen=True):
    """Facts were missed: read the positions anew."""

    type: str = "resync_required"


class Facts:
    """Handles messages of the bus: hands each to the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def handle(self, message: Received) -> None:
        """One fact. Raises DecodeError or ValueError where it is not what its subject says."""
        kind = message.subject.split(".")[2]
        fact = _FACTS[kind].FromString(message.payload)
        push = Push(
            type=kind,
            sequence=message.sequence,
            timestamp=instant(fact.occurred_at.ToDatetime(tzinfo=UTC)),
            data=position_document(fact.position),
        )
        self._hub.publish(fact.position.user_id, encode(push).decode())

    async def missed(self) -> None:
        """Facts were lost to this process: nobody may go on as if nothing had happened."""
        self._hub.publish_to_all(encode(ResyncRequired()).decode())


def telling_watched(send: Callable[[str, bytes], Awaitable[bool]], clock: Clock) -> Callable[[str], Awaitable[bool]]:
    """Says that somebody looks at a user's positions now."""

    async def tell(user_id: str) -> bool:
        message = gateway_events.UserWatched(user_id=user_id)
        message.sent_at.FromDatetime(clock.now())
        return await send(ephemeral_subject("gateway", "user_watched", user_id), message.SerializeToString())

    return tell
