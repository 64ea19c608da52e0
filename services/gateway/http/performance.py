"""Performance: the same figures as analytics, day by day, and apart by what trades have in common."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from protos.positions.v1 import history_pb2
from services.gateway.clients import History
from services.gateway.http import history_examples
from services.gateway.http.history import AnalyticsAnswer, Chosen, analytics_document
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import Document, number, optional_instant, optional_number, optional_percent, respond
from services.gateway.http.openapi import documented


class PointDocument(Document, kw_only=True, frozen=True):
    """A UTC day. `drawdown` is of realised profit; `drawdownPercent` of equity less transfers, null where not known."""

    day: str | None
    trades: int
    realized_pnl: Decimal
    cumulative_pnl: Decimal
    drawdown: Decimal
    equity: Decimal | None
    drawdown_percent: Decimal | None


class EquityAnswer(Document, kw_only=True, frozen=True):
    """The days of a period of which anything is known, in order of time."""

    success: bool = True
    points: list[PointDocument]
    count: int
    period: str
    data_source: str = "database"


class GroupDocument(Document, kw_only=True, frozen=True):
    """The figures of a part of the trades; a null `key` holds what no flow opened."""

    key: str | None
    total_trades: int
    winning_trades: int
    losing_trades: int
    win_rate: Decimal | None
    total_pnl: Decimal | None
    average_pnl: Decimal | None
    best_trade: Decimal | None
    worst_trade: Decimal | None
    profit_factor: Decimal | None
    fees: Decimal | None


class BreakdownAnswer(Document, kw_only=True, frozen=True):
    """The trades of a period apart, the most frequent part first."""

    success: bool = True
    by_symbol: list[GroupDocument]
    by_exchange: list[GroupDocument]
    by_side: list[GroupDocument]
    by_exit_reason: list[GroupDocument]
    by_flow: list[GroupDocument]
    period: str
    data_source: str = "database"


def performance_router(history: History, authenticate: Authenticate) -> APIRouter:
    router = APIRouter(prefix="/api/performance", tags=["performance"])

    @router.get("/summary", summary="Figures of a period", **documented(AnalyticsAnswer, history_examples.ANALYTICS))
    async def get_summary(caller: Annotated[Caller, Depends(authenticate)], choice: Chosen) -> Response:
        figures = await history.get_analytics(
            history_pb2.GetAnalyticsRequest(user_id=caller.user_id, period=choice.period, filter=choice.filter)
        )
        return respond(AnalyticsAnswer(analytics=analytics_document(figures, choice.name)))

    @router.get("/equity", summary="The equity curve", **documented(EquityAnswer, history_examples.EQUITY))
    async def get_equity(caller: Annotated[Caller, Depends(authenticate)], choice: Chosen) -> Response:
        curve = await history.get_equity_curve(
            history_pb2.GetEquityCurveRequest(user_id=caller.user_id, period=choice.period, filter=choice.filter)
        )
        points = [_point(point) for point in curve.points]
        return respond(EquityAnswer(points=points, count=len(points), period=choice.name))

    @router.get("/breakdown", summary="Figures by part", **documented(BreakdownAnswer, history_examples.BREAKDOWN))
    async def get_breakdown(caller: Annotated[Caller, Depends(authenticate)], choice: Chosen) -> Response:
        parts = await history.get_breakdown(
            history_pb2.GetBreakdownRequest(user_id=caller.user_id, period=choice.period, filter=choice.filter)
        )
        return respond(
            BreakdownAnswer(
                by_symbol=_groups(parts.by_symbol),
                by_exchange=_groups(parts.by_exchange),
                by_side=_groups(parts.by_side),
                by_exit_reason=_groups(parts.by_exit_reason),
                by_flow=_groups(parts.by_flow),
                period=choice.name,
            )
        )

    return router


def _point(point: history_pb2.EquityPoint) -> PointDocument:
    return PointDocument(
        day=optional_instant(point.day, present=point.HasField("day")),
        trades=point.trades,
        realized_pnl=number(point.realized_pnl),
        cumulative_pnl=number(point.cumulative_pnl),
        drawdown=number(point.drawdown),
        equity=optional_number(point.equity),
        drawdown_percent=optional_percent(point.drawdown_percent),
    )


def _groups(groups: Iterable[history_pb2.TradeGroup]) -> list[GroupDocument]:
    return [
        GroupDocument(
            key=group.key or None,
            total_trades=group.total_trades,
            winning_trades=group.winning_trades,
            losing_trades=group.losing_trades,
            win_rate=optional_percent(group.win_rate),
            total_pnl=optional_number(group.total_pnl),
            average_pnl=optional_number(group.average_pnl),
            best_trade=optional_number(group.best_trade),
            worst_trade=optional_number(group.worst_trade),
            profit_factor=optional_number(group.profit_factor),
            fees=optional_number(group.fees),
        )
        for group in groups
    ]
