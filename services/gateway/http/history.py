"""History and analytics: from the books alone, which every answer says."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import AwareDatetime
from starlette.responses import Response

from protos.positions.v1 import history_pb2
from services.common.errors import FieldInvalid
from services.gateway.clients import History
from services.gateway.http import history_examples, words
from services.gateway.http.body import in_utc
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import (
    Document,
    number,
    optional_instant,
    optional_number,
    optional_percent,
    respond,
)
from services.gateway.http.openapi import documented
from services.gateway.http.operations import HistoryRow, history_row

Period = Literal["24h", "7d", "30d", "90d", "1y", "all"]
_LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """Which closed positions are asked for."""

    period: str
    """As the contract has it: empty beside a beginning or an end."""
    filter: history_pb2.TradeFilter
    name: str
    """As the answer says it: the period, or `custom`."""


async def choose(
    period: Period | None = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="closed at or after; not with period")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="closed before; not with period")] = None,
    exchange: Literal["binance", "bybit"] | None = None,
    symbol: Annotated[str, Query(max_length=64)] = "",
    flow: Annotated[str, Query(max_length=128, description="a flow's id")] = "",
) -> Choice:
    """The query parameters that all of history takes. Raises FieldInvalid for a period beside a beginning or an end."""
    narrowed = history_pb2.TradeFilter(
        since=_stamp("from", since),
        until=_stamp("to", until),
        exchange=words.EXCHANGES[exchange] if exchange else words.EVERY_EXCHANGE,
        symbol=symbol.upper(),
        flow_id=flow,
    )
    if since is None and until is None:
        return Choice(period or "all", narrowed, period or "all")
    if period is not None:
        raise FieldInvalid(field="period", problem="cannot be given with from or to")
    return Choice("", narrowed, "custom")


Chosen = Annotated[Choice, Depends(choose)]


class DrawdownDocument(Document, kw_only=True, frozen=True):
    """The largest fall of realised profit from its highest point, and its duration until regained or until now.

    `percent` is the largest fall of daily equity less transfers; null where equity is not known.
    """

    amount: Decimal
    percent: Decimal | None
    duration_seconds: int
    began_at: str | None
    regained_at: str | None


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
    Ratios are annualised and stand on `equityDays` daily returns of equity less transfers: null where that is not
    known, and for a symbol or a flow. `expectancyRatio` is in average losses.
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
    profit_factor: Decimal | None
    expectancy: Decimal | None
    expectancy_ratio: Decimal | None
    average_hold_seconds: Decimal | None
    fees: Decimal | None
    gross_profit: Decimal | None
    gross_loss: Decimal | None
    longest_winning_streak: int
    longest_losing_streak: int
    max_drawdown: DrawdownDocument | None
    sharpe_ratio: Decimal | None
    sortino_ratio: Decimal | None
    calmar_ratio: Decimal | None
    equity_days: int


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
        **documented(HistoryAnswer, history_examples.HISTORY),
    )
    async def list_history(
        caller: Annotated[Caller, Depends(authenticate)],
        choice: Chosen,
        limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 50,
        cursor: Annotated[str, Query(max_length=512)] = "",
    ) -> Response:
        page = await history.list_history(
            history_pb2.ListHistoryRequest(
                user_id=caller.user_id,
                period=choice.period,
                filter=choice.filter,
                page_size=limit,
                page_token=cursor,
            )
        )
        rows = [history_row(position) for position in page.positions]
        return respond(
            HistoryAnswer(positions=rows, count=len(rows), next_cursor=page.next_page_token or None, period=choice.name)
        )

    @router.get(
        "/api/positions/analytics",
        summary="Figures of a period",
        **documented(AnalyticsAnswer, history_examples.ANALYTICS),
    )
    async def get_analytics(
        caller: Annotated[Caller, Depends(authenticate)],
        choice: Chosen,
    ) -> Response:
        figures = await history.get_analytics(
            history_pb2.GetAnalyticsRequest(user_id=caller.user_id, period=choice.period, filter=choice.filter)
        )
        return respond(AnalyticsAnswer(analytics=analytics_document(figures, choice.name)))

    return router


def analytics_document(figures: history_pb2.GetAnalyticsResponse, period: str) -> AnalyticsDocument:
    """The figures as the routes say them."""
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
        profit_factor=optional_number(figures.profit_factor),
        expectancy=optional_number(figures.expectancy),
        expectancy_ratio=optional_number(figures.expectancy_ratio),
        average_hold_seconds=optional_number(figures.average_hold_seconds),
        fees=optional_number(figures.fees),
        gross_profit=optional_number(figures.gross_profit),
        gross_loss=optional_number(figures.gross_loss),
        longest_winning_streak=figures.longest_winning_streak,
        longest_losing_streak=figures.longest_losing_streak,
        max_drawdown=_drawdown(figures.max_drawdown) if figures.HasField("max_drawdown") else None,
        sharpe_ratio=optional_number(figures.sharpe_ratio),
        sortino_ratio=optional_number(figures.sortino_ratio),
        calmar_ratio=optional_number(figures.calmar_ratio),
        equity_days=figures.equity_days,
    )


def _drawdown(fall: history_pb2.MaxDrawdown) -> DrawdownDocument:
    return DrawdownDocument(
        amount=number(fall.amount),
        percent=optional_percent(fall.percent),
        duration_seconds=fall.duration_seconds,
        began_at=optional_instant(fall.began_at, present=fall.HasField("began_at")),
        regained_at=optional_instant(fall.regained_at, present=fall.HasField("regained_at")),
    )


def _stamp(field: str, moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(in_utc(field, moment))
    return stamp
