"""Files of what happened: history as CSV, streamed, and performance as PDF.

Invariants: a CSV is never whole in memory; a PDF is drawn away from the event loop, one at a time, from a bounded
number of rows; the first page of either is read before the answer begins, so that an error is an answer.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response, StreamingResponse

from protos.positions.v1 import history_pb2, types_pb2
from services.common.clock import Clock
from services.common.errors import Exhausted
from services.gateway.clients import History
from services.gateway.http import words
from services.gateway.http.history import Choice, Chosen
from services.gateway.http.history_csv import HEAD, PAGE_SIZE, write_history
from services.gateway.http.identity import Authenticate, Caller
from services.gateway.http.json import number, optional_number, optional_percent
from services.gateway.http.openapi import documented_file
from services.gateway.report.content import CurvePoint, Figure, Part, Report, Trade, shown
from services.gateway.report.pages import write_pdf

_MOST_TRADES = 200
_MOST_PARTS = 40
_WAITING = 8
_RETRY_SECONDS = 5
_CSV = "text/csv"
_PDF = "application/pdf"


class ReportsBusy(Exhausted):
    """Too many reports are being drawn: try again in {retry_after_seconds} s."""


class ReportQueue:
    """Lets one report be drawn at a time, and few wait for it."""

    def __init__(self, waiting: int = _WAITING) -> None:
        self._waiting = waiting
        self._inside = 0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One's turn. Raises ReportsBusy where too many wait."""
        if self._inside > self._waiting:
            raise ReportsBusy(retry_after_seconds=_RETRY_SECONDS)
        self._inside += 1
        try:
            async with self._turn:
                yield
        finally:
            self._inside -= 1


def exports_router(history: History, authenticate: Authenticate, clock: Clock) -> APIRouter:
    """Include it before the router of /api/positions/{id}."""
    router = APIRouter(tags=["history"])
    queue = ReportQueue()

    @router.get(
        "/api/positions/history.csv",
        summary="Closed positions as CSV, with the filters of /api/positions/history",
        **documented_file(_CSV, "One row for each closed position, the latest first.", ",".join(HEAD) + "\r\n"),
    )
    async def get_csv(caller: Annotated[Caller, Depends(authenticate)], choice: Chosen) -> Response:
        request = history_pb2.ListHistoryRequest(
            user_id=caller.user_id, period=choice.period, filter=choice.filter, page_size=PAGE_SIZE
        )
        lines = write_history(history, request)
        first = await anext(lines)
        return StreamingResponse(
            _after(first, lines), media_type=_CSV, headers=_attached(f"tandem-history-{choice.name}.csv")
        )

    @router.get(
        "/api/performance/report.pdf",
        summary="The figures of a period with charts, as PDF",
        **documented_file(_PDF, "Figures, equity with drawdown, profit by symbol, and the latest closed positions."),
    )
    async def get_report(caller: Annotated[Caller, Depends(authenticate)], choice: Chosen) -> Response:
        async with queue.turn():
            report = await _gather(history, caller.user_id, choice, clock)
            pdf = await asyncio.to_thread(write_pdf, report)
        return Response(pdf, media_type=_PDF, headers=_attached(f"tandem-performance-{choice.name}.pdf"))

    return router


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for lines in rest:
        yield lines


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


async def _gather(history: History, user_id: str, choice: Choice, clock: Clock) -> Report:
    figures, curve, parts, page = await asyncio.gather(
        history.get_analytics(
            history_pb2.GetAnalyticsRequest(user_id=user_id, period=choice.period, filter=choice.filter)
        ),
        history.get_equity_curve(
            history_pb2.GetEquityCurveRequest(user_id=user_id, period=choice.period, filter=choice.filter)
        ),
        history.get_breakdown(
            history_pb2.GetBreakdownRequest(user_id=user_id, period=choice.period, filter=choice.filter)
        ),
        history.list_history(
            history_pb2.ListHistoryRequest(
                user_id=user_id, period=choice.period, filter=choice.filter, page_size=_MOST_TRADES
            )
        ),
    )
    return Report(
        period=choice.name,
        made_at=clock.now(),
        figures=_figures(figures),
        curve=[_point(point) for point in curve.points],
        by_symbol=_parts(parts.by_symbol),
        parts=[
            ("By exchange", _parts(parts.by_exchange)),
            ("By side", _parts(parts.by_side)),
            ("By exit reason", _parts(parts.by_exit_reason)),
            ("By flow", _parts(parts.by_flow)),
        ],
        trades=[_trade(position) for position in page.positions],
        more_trades=bool(page.next_page_token),
    )


def _figures(figures: history_pb2.GetAnalyticsResponse) -> list[Figure]:
    def money(text: str, *, signed: bool = False) -> str:
        return shown(optional_number(text), signed=signed)

    won = optional_percent(figures.win_rate)
    return [
        Figure("Trades", str(figures.total_trades)),
        Figure("Won", "\N{EN DASH}" if won is None else f"{won} %"),
        Figure("Profit", money(figures.total_pnl, signed=True)),
        Figure("Average", money(figures.average_pnl, signed=True)),
        Figure("Best", money(figures.best_trade, signed=True)),
        Figure("Worst", money(figures.worst_trade, signed=True)),
        Figure("Profit factor", money(figures.profit_factor)),
        Figure("Fees", money(figures.fees)),
        Figure("Sharpe", money(figures.sharpe_ratio)),
        Figure("Sortino", money(figures.sortino_ratio)),
        Figure("Largest drawdown", money(figures.max_drawdown.amount)),
        Figure("Estimated exits, not counted", str(figures.estimated_exits)),
    ]


def _point(point: history_pb2.EquityPoint) -> CurvePoint:
    return CurvePoint(
        day=point.day.ToDatetime(tzinfo=UTC).date(),
        profit=number(point.cumulative_pnl),
        drawdown=number(point.drawdown),
        equity=optional_number(point.equity),
    )


def _parts(groups: Sequence[history_pb2.TradeGroup]) -> list[Part]:
    return [
        Part(
            key=group.key or "none",
            trades=group.total_trades,
            win_rate=optional_percent(group.win_rate),
            pnl=optional_number(group.total_pnl),
        )
        for group in groups[:_MOST_PARTS]
    ]


def _trade(position: types_pb2.Position) -> Trade:
    end = position.exit
    return Trade(
        position_id=position.position_id,
        exchange=words.exchange(position.exchange),
        symbol=position.symbol,
        side=words.side(position.side),
        closed_at=end.executed_at.ToDatetime(tzinfo=UTC) if end.HasField("executed_at") else None,
        quantity=number(end.quantity or position.quantity),
        entry_price=number(position.entry_price),
        exit_price=optional_number(end.price),
        pnl=optional_number(end.realized_pnl),
        pnl_percent=optional_percent(end.realized_pnl_percent),
        reason=words.exit_reason(end.reason),
        estimated=end.estimated,
    )
