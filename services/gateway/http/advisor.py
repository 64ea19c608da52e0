"""What the advisor thinks of positions, how far it may act on it, and the sentiment that it goes by."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from protos.monitor.v1 import evaluations_pb2
from services.gateway.clients import Evaluations
from services.gateway.http import advisor_examples as examples
from services.gateway.http import words
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Body, Document, number, optional_instant, optional_number, raw_object, respond
from services.gateway.http.openapi import documented
from services.gateway.http.positions import Cursor, Limit, PositionId
from services.gateway.http.writes import Action, Writes

SymbolPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,40}$", examples=["BTCUSDT"])]


class EvaluationDocument(Document, kw_only=True, frozen=True):
    """What an advisor (`rules`, `llm`) said of a position, and what became of it.

    `action`: hold, move_stop, move_target, close; `outcome`: held, acted, advised, withheld, failed, and why.
    `confidence` is 0 to 100, `sentiment` -1 to 1; what is about a model is null where the rules answered, and
    `fallbackReason` says why they did in its place.
    """

    id: str
    position_id: str
    timestamp: str | None
    action: str
    price: Decimal | None
    reason: str
    urgency: str
    confidence: int
    outcome: str
    outcome_reason: str | None
    advisor: str
    fallback_reason: str | None
    mark_price: Decimal | None
    sentiment: Decimal | None
    conditions: msgspec.Raw | None
    model: str | None
    latency_milliseconds: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None


class EvaluationsAnswer(Document, kw_only=True, frozen=True):
    """Evaluations of one position, the latest first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    position_id: str
    evaluations: list[EvaluationDocument]
    count: int
    next_cursor: str | None


class AdvisorBody(Body, kw_only=True, frozen=True):
    """How far the advisor may go: `off`, `advise` (shown alone) or `act`."""

    mode: Literal["off", "advise", "act"]


class AdvisorDocument(Document, kw_only=True, frozen=True):
    """How far it may go, what it has cost since midnight UTC and may cost a day; `model` is null for rules alone."""

    mode: str
    cost_today_usd: Decimal | None
    budget_today_usd: Decimal | None
    model: str | None


class AdvisorAnswer(Document, kw_only=True, frozen=True):
    """The advisor, as the caller has set it."""

    success: bool = True
    advisor: AdvisorDocument


class SourceDocument(Document, kw_only=True, frozen=True):
    """One source: its score from -1 to 1, over how many posts or markets, read when."""

    name: str
    score: Decimal
    count: int
    read_at: str | None


class SentimentDocument(Document, kw_only=True, frozen=True):
    """The score over the sources that answered, -1 to 1, and for those that did not, why."""

    score: Decimal | None
    sources: list[SourceDocument]
    missing: dict[str, str]


class SentimentAnswer(Document, kw_only=True, frozen=True):
    """What is known of a symbol's sentiment now; null where no source has said anything."""

    success: bool = True
    symbol: str
    sentiment: SentimentDocument | None


TYPES = (EvaluationsAnswer, AdvisorBody, AdvisorAnswer, SentimentAnswer)


def advisor_router(evaluations: Evaluations, authenticate: Authenticate, writes: Writes) -> APIRouter:
    router = APIRouter(tags=["advisor"])

    @router.get(
        "/api/positions/{position_id}/evaluations",
        summary="What the advisor thought of a position, and what became of it",
        **documented(EvaluationsAnswer, examples.EVALUATIONS),
    )
    async def list_evaluations(
        position_id: PositionId,
        caller: Annotated[Caller, Depends(authenticate)],
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Response:
        page = await evaluations.list_evaluations(
            evaluations_pb2.ListEvaluationsRequest(
                user_id=caller.user_id, position_id=position_id, page_size=limit, page_token=cursor
            )
        )
        rows = [evaluation_document(evaluation) for evaluation in page.evaluations]
        return respond(
            EvaluationsAnswer(
                position_id=position_id, evaluations=rows, count=len(rows), next_cursor=page.next_page_token or None
            )
        )

    @router.get(
        "/api/settings/advisor",
        summary="How far the advisor may go",
        **documented(AdvisorAnswer, examples.ADVISOR),
    )
    async def get_advisor(caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        return respond(AdvisorAnswer(advisor=_advisor(await evaluations.get_advisor(caller.user_id))))

    @router.put(
        "/api/settings/advisor",
        summary="Say how far the advisor may go",
        **documented(AdvisorAnswer, examples.ADVISOR, body=AdvisorBody, body_example=examples.ADVISOR_BODY, write=True),
    )
    async def set_advisor(request: Request, caller: Annotated[Caller, Depends(authenticate)]) -> Response:
        async def command(body: AdvisorBody, request_id: str) -> Document:
            settings = await evaluations.set_advisor(
                evaluations_pb2.SetAdvisorSettingsRequest(
                    user_id=caller.user_id, mode=words.ADVISOR_MODES[body.mode], request_id=request_id
                )
            )
            return AdvisorAnswer(advisor=_advisor(settings))

        return await writes.perform(
            request, caller, Action("set_advisor"), AdvisorBody, command, lambda body: {"mode": body.mode}
        )

    @router.get(
        "/api/sentiment/{symbol}",
        summary="The sentiment about a symbol",
        **documented(SentimentAnswer, examples.SENTIMENT),
    )
    async def get_sentiment(symbol: SymbolPath, _: Annotated[Caller, Depends(authenticate)]) -> Response:
        found = await evaluations.get_sentiment(symbol.upper())
        return respond(
            SentimentAnswer(
                symbol=symbol.upper(), sentiment=_sentiment(found.sentiment) if found.HasField("sentiment") else None
            )
        )

    return router


def evaluation_document(evaluation: evaluations_pb2.Evaluation) -> EvaluationDocument:
    asked = bool(evaluation.model)
    return EvaluationDocument(
        id=evaluation.evaluation_id,
        position_id=evaluation.position_id,
        timestamp=optional_instant(evaluation.evaluated_at, present=evaluation.HasField("evaluated_at")),
        action=words.advice_action(evaluation.action),
        price=optional_number(evaluation.price),
        reason=evaluation.reason,
        urgency=words.urgency(evaluation.urgency),
        confidence=evaluation.confidence,
        outcome=words.advice_outcome(evaluation.outcome),
        outcome_reason=evaluation.outcome_reason or None,
        advisor=evaluation.advisor,
        fallback_reason=evaluation.fallback_reason or None,
        mark_price=optional_number(evaluation.mark_price),
        sentiment=optional_number(evaluation.sentiment),
        conditions=raw_object(evaluation.conditions),
        model=evaluation.model or None,
        latency_milliseconds=evaluation.latency_milliseconds if asked else None,
        input_tokens=evaluation.input_tokens if asked else None,
        output_tokens=evaluation.output_tokens if asked else None,
        cost_usd=optional_number(evaluation.cost_usd),
    )


def _advisor(settings: evaluations_pb2.AdvisorSettings) -> AdvisorDocument:
    return AdvisorDocument(
        mode=words.advisor_mode(settings.mode),
        cost_today_usd=optional_number(settings.cost_today_usd),
        budget_today_usd=optional_number(settings.budget_today_usd),
        model=settings.model or None,
    )


def _sentiment(sentiment: evaluations_pb2.Sentiment) -> SentimentDocument:
    return SentimentDocument(
        score=optional_number(sentiment.score),
        sources=[
            SourceDocument(
                name=source.name,
                score=number(source.score),
                count=source.count,
                read_at=optional_instant(source.read_at, present=source.HasField("read_at")),
            )
            for source in sentiment.sources
        ],
        missing=dict(sentiment.missing),
    )
