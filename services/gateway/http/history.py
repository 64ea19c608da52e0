"""History and analytics: from the books alone, which every answer says."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from protos.positions.v1 import history_pb2
from services.gateway.clients import History
from services.gateway.http import examples
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, optional_number, optional_percent, respond
from services.gateway.http.openapi import documented
from services.gateway.http.operations import HistoryRow, history_row

Period = Literal["24h", "7d", "30d", "90d", "1y", "all"]
_LARGEST_PAGE = 200


class HistoryAnswer(Document, kw_only=True, frozen=True):
    """Closed positions, the latest first. `nextCursor` asks for what follows; null at the end."""

    success: bool = True
    positions: list[HistoryRow]
    count: int
    next_cursor: str | None
    period: str
    data_source: str = "database"


class AnalyticsDocument(Document, kw_only=True, frozen=True):
    """Figures over exact exits, in quote currency; null where there is nothing to reckon.

    A trade that nets zero is neither won nor lost. `winRate` is percent. `estimatedExits` are closed and not counted.
    """

    total_trades: int
    winning_trades: int
    losing_trades: int
    win_rate: Decimal | None
    total_pnl: Decimal | None
    average_pnl: Decimal | None
    best_trade: Decimal | None
    worst_trade: Decimal | None
    estimated_exits: int
    period: str


class AnalyticsAnswer(Document, kw_only=True, frozen=True):
    """The figures of a period."""

    success: bool = True
    analytics: AnalyticsDocument
    data_source: str = "database"


def history_router(history: History, authenticate: Authenticate) -> APIRouter:
    router = APIRouter(tags=["history"])

    @router.get(
        "/api/positions/history",
        summary="Closed positions",
        **documented(HistoryAnswer, examples.HISTORY),
    )
    async def list_history(
        caller: Annotated[Caller, Depends(authenticate)],
        period: Period = "all",
        limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 50,
        cursor: Annotated[str, Query(max_length=512)] = "",
    ) -> Response:
        page = await history.list_history(caller.user_id, period, limit, cursor)
        rows = [history_row(position) for position in page.positions]
        return respond(
            HistoryAnswer(positions=rows, count=len(rows), next_cursor=page.next_page_token or None, period=period)
        )

    @router.get(
        "/api/positions/analytics",
        summary="Figures of a period",
        **documented(AnalyticsAnswer, examples.ANALYTICS),
    )
    async def get_analytics(
        caller: Annotated[Caller, Depends(authenticate)],
        period: Period = "all",
    ) -> Response:
        figures = await history.get_analytics(caller.user_id, period)
        return respond(AnalyticsAnswer(analytics=_analytics(figures, period)))

    return router


def _analytics(figures: history_pb2.GetAnalyticsResponse, period: str) -> AnalyticsDocument:
    return AnalyticsDocument(
        total_trades=figures.total_trades,
        winning_trades=figures.winning_trades,
        losing_trades=figures.losing_trades,
        win_rate=optional_percent(figures.win_rate),
        total_pnl=optional_number(figures.total_pnl),
        average_pnl=optional_number(figures.average_pnl),
        best_trade=optional_number(figures.best_trade),
        worst_trade=optional_number(figures.worst_trade),
        estimated_exits=figures.estimated_exits,
        period=period,
    )
