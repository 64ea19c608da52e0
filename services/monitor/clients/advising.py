"""The positions service as the advisor needs it: which positions there are, what liquidates them, and what it moves."""

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

from protos.positions.v1 import positions_pb2, types_pb2
from protos.positions.v1.positions_pb2_grpc import PositionsServiceStub
from services.common.channels import ServiceChannel
from services.common.trading.level import LevelKind
from services.common.trading.money import format_decimal, parse_decimal
from services.monitor.clients.live import UserPositions
from services.monitor.clients.messages import read_position
from services.monitor.clients.pages import answer_of, every_position
from services.monitor.domain.evaluation.advice import Action, Advice, Urgency
from services.monitor.domain.evaluation.situation import Subject
from services.monitor.domain.position import Position

_KINDS = {
    LevelKind.STOP_LOSS: positions_pb2.LEVEL_KIND_STOP_LOSS,
    LevelKind.TAKE_PROFIT: positions_pb2.LEVEL_KIND_TAKE_PROFIT,
}
_URGENCIES = {
    types_pb2.URGENCY_LOW: Urgency.LOW,
    types_pb2.URGENCY_MEDIUM: Urgency.MEDIUM,
    types_pb2.URGENCY_HIGH: Urgency.HIGH,
}
_TO_URGENCY = {ours: theirs for theirs, ours in _URGENCIES.items()}


def read_subject(message: types_pb2.Position) -> Subject:
    """A position that may be looked at. Raises ValueError, KeyError for one that cannot be understood."""
    advised = None
    if message.ai_management.HasField("should_close"):
        stands = message.ai_management.should_close
        confidence = int(parse_decimal(stands.confidence) * 100)
        advised = Advice(Action.CLOSE, stands.reason, _URGENCIES[stands.urgency], confidence)
    return Subject(
        position=read_position(message),
        managed=message.managed,
        leverage=parse_decimal(message.leverage) if message.leverage else None,
        advised=advised,
    )


class AdvisedBooks:
    """All raise ServiceUnavailable or BooksFailed, and what the books refuse."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._positions = PositionsServiceStub(channel)
        self._users = UserPositions(channel)

    async def list_open(self) -> AsyncIterator[Subject]:
        """Every open position, managed or observed, of all users."""
        request = positions_pb2.ListPositionsRequest(filter=positions_pb2.POSITION_FILTER_OPEN)
        async for message in every_position(self._positions.ListPositions, request):
            yield read_subject(message)

    async def liquidations(self, user_id: str) -> Mapping[str, Decimal]:
        """Where the venues would liquidate a user's positions, by position id; quote currency."""
        found = await self._users.liquidations(user_id)
        return {position_id: price for position_id, price in found.items() if price is not None}

    async def set_floor(self, position: Position, price: Decimal, reason: str, request_id: str) -> None:
        """Set the price that a trailing stop may not fall behind, if the position is as it was."""
        request = _level(position, LevelKind.STOP_LOSS, reason, request_id)
        request.floor.price = format_decimal(price)
        await self._set(request)

    async def pin(self, position: Position, kind: LevelKind, price: Decimal, reason: str, request_id: str) -> None:
        """Pin a level to a price, if the position is as it was."""
        request = _level(position, kind, reason, request_id)
        request.pinned.price = format_decimal(price)
        await self._set(request)

    async def advise(self, position: Position, advice: Advice | None, request_id: str) -> None:
        """Keep the advice to close a position, or take it back."""
        request = positions_pb2.RecordCloseAdviceRequest(
            user_id=position.user_id, position_id=position.position_id, request_id=request_id
        )
        if advice is not None:
            request.advice.reason = advice.reason
            request.advice.urgency = _TO_URGENCY[advice.urgency]
            request.advice.confidence = format_decimal(Decimal(advice.confidence) / 100)
        await answer_of(self._positions.RecordCloseAdvice(request))

    async def _set(self, request: positions_pb2.SetLevelRequest) -> None:
        await answer_of(self._positions.SetLevel(request))


def _level(position: Position, kind: LevelKind, reason: str, request_id: str) -> positions_pb2.SetLevelRequest:
    return positions_pb2.SetLevelRequest(
        user_id=position.user_id,
        position_id=position.position_id,
        kind=_KINDS[kind],
        request_id=request_id,
        expected_version=position.version,
        author=types_pb2.AUTHOR_AI,
        reason=reason,
    )
