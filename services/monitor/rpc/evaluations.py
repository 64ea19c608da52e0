"""EvaluationsService over gRPC."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from protos.monitor.v1 import evaluations_pb2
from protos.monitor.v1.evaluations_pb2_grpc import (
    EvaluationsServiceServicer,
    add_EvaluationsServiceServicer_to_server,
)
from services.common.clock import Clock
from services.common.errors import FieldInvalid
from services.common.fields import page_size_of, required
from services.common.identity import AccessTable
from services.common.server import Registration
from services.common.trading.money import format_decimal
from services.monitor.domain.evaluation.advice import Mode
from services.monitor.domain.sentiment.mood import Mood
from services.monitor.evaluation.modes import Modes
from services.monitor.evaluation.store import PostgresEvaluations
from services.monitor.events.evaluations import write_evaluation

FULL_NAME = "monitor.v1.EvaluationsService"
ACCESS: AccessTable = {FULL_NAME: frozenset({"gateway"})}

LONGEST_ID = 200
_LONGEST_TOKEN = 18

_MODES = {
    evaluations_pb2.ADVISOR_MODE_OFF: Mode.OFF,
    evaluations_pb2.ADVISOR_MODE_ADVISE: Mode.ADVISE,
    evaluations_pb2.ADVISOR_MODE_ACT: Mode.ACT,
}
_TO_MODE = {ours: theirs for theirs, ours in _MODES.items()}

Context = grpc.aio.ServicerContext[Any, Any]


class Owned(Protocol):
    """Who knows whose a position is."""

    async def get_position(self, position_id: str, user_id: str | None = None) -> object:
        """Raises PositionNotFound, another user's as well."""
        ...


class EvaluationsRpc(EvaluationsServiceServicer):
    """Answers the gateway. `budget`: what may be spent on a user a day, US dollars; `model`: empty without one."""

    def __init__(
        self,
        store: PostgresEvaluations,
        books: Owned,
        modes: Modes,
        mood: Callable[[str], Mood | None],
        clock: Clock,
        *,
        budget: Decimal,
        model: str,
    ) -> None:
        self._store = store
        self._books = books
        self._modes = modes
        self._mood = mood
        self._clock = clock
        self._budget = budget
        self._model = model

    async def ListEvaluations(
        self, request: evaluations_pb2.ListEvaluationsRequest, context: Context
    ) -> evaluations_pb2.ListEvaluationsResponse:
        """Evaluations of one position, the latest first."""
        user_id = required(request.user_id, "user_id", LONGEST_ID)
        position_id = required(request.position_id, "position_id", LONGEST_ID)
        size = page_size_of(request.page_size)
        before = _place(request.page_token)
        await self._books.get_position(position_id, user_id)
        found = await self._store.list_page(user_id, position_id, before, size + 1)
        more, page = len(found) > size, found[:size]
        return evaluations_pb2.ListEvaluationsResponse(
            evaluations=[write_evaluation(one) for _, one in page], next_page_token=str(page[-1][0]) if more else ""
        )

    async def GetAdvisorSettings(
        self, request: evaluations_pb2.GetAdvisorSettingsRequest, context: Context
    ) -> evaluations_pb2.GetAdvisorSettingsResponse:
        """How far the advisor may go for a user."""
        user_id = required(request.user_id, "user_id", LONGEST_ID)
        await self._modes.load()
        return evaluations_pb2.GetAdvisorSettingsResponse(settings=await self._settings(user_id))

    async def SetAdvisorSettings(
        self, request: evaluations_pb2.SetAdvisorSettingsRequest, context: Context
    ) -> evaluations_pb2.SetAdvisorSettingsResponse:
        """How far it may go from now on; the same again changes nothing."""
        user_id = required(request.user_id, "user_id", LONGEST_ID)
        mode = _MODES.get(request.mode)
        if mode is None:
            raise FieldInvalid(field="mode", problem="is none of off, advise and act")
        await self._modes.set(user_id, mode)
        return evaluations_pb2.SetAdvisorSettingsResponse(settings=await self._settings(user_id))

    async def GetSentiment(
        self, request: evaluations_pb2.GetSentimentRequest, context: Context
    ) -> evaluations_pb2.GetSentimentResponse:
        """The sentiment about the asset of a symbol; absent where no source has said anything."""
        symbol = required(request.symbol, "symbol", LONGEST_ID)
        mood = self._mood(symbol)
        if mood is None:
            return evaluations_pb2.GetSentimentResponse()
        return evaluations_pb2.GetSentimentResponse(sentiment=_sentiment(symbol, mood))

    async def _settings(self, user_id: str) -> evaluations_pb2.AdvisorSettings:
        spent = await self._store.spent(user_id, self._clock.now().date())
        return evaluations_pb2.AdvisorSettings(
            mode=_TO_MODE[self._modes.of(user_id)],
            cost_today_usd=format_decimal(spent),
            budget_today_usd=format_decimal(self._budget),
            model=self._model,
        )


def registration(servicer: EvaluationsRpc) -> Registration:
    """How a server takes it on."""
    return Registration(add_EvaluationsServiceServicer_to_server, servicer, FULL_NAME)


def _sentiment(symbol: str, mood: Mood) -> evaluations_pb2.Sentiment:
    message = evaluations_pb2.Sentiment(symbol=symbol, score=format_decimal(mood.score), missing=mood.missing)
    for source in mood.sources:
        read_at = Timestamp()
        read_at.FromDatetime(source.read_at)
        message.sources.add(name=source.name, score=format_decimal(source.score), count=source.count, read_at=read_at)
    return message


def _place(token: str) -> int | None:
    if not token:
        return None
    if not (token.isascii() and token.isdigit()) or len(token) > _LONGEST_TOKEN:
        raise FieldInvalid(field="page_token", problem="is none of ours")
    return int(token)
