"""HistoryService."""

import base64
import binascii
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Protocol

from protos.positions.v1 import history_pb2, history_pb2_grpc
from services.common.clock import Clock
from services.common.server import Registration
from services.common.trading.money import to_books
from services.positions.domain.analytics import Totals
from services.positions.domain.equity import CurvePoint
from services.positions.domain.errors import InvalidPageToken
from services.positions.domain.period import span_of
from services.positions.queries.books import Analytics, BookQueries
from services.positions.rpc import vocabulary as words
from services.positions.rpc.messages import moment_from, position_to_proto
from services.positions.rpc.vocabulary import Context as CallContext
from services.positions.rpc.vocabulary import page_size_of, required, stamp_of, text_of
from services.positions.store.history import Chosen, Cursor

# Ratios are statistics: eight digits say more than anybody can know.
_RATIO = Context(prec=8, rounding=ROUND_HALF_EVEN)


class _Asking(Protocol):
    """What every request of this service has."""

    user_id: str
    period: str

    @property
    def filter(self) -> history_pb2.TradeFilter: ...


class HistoryRpc(history_pb2_grpc.HistoryServiceServicer):
    """What happened."""

    def __init__(self, queries: BookQueries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock

    async def ListHistory(
        self, request: history_pb2.ListHistoryRequest, context: CallContext
    ) -> history_pb2.ListHistoryResponse:
        page = await self._queries.list_history(
            self._chosen(request),
            _cursor_of(request.page_token) if request.page_token else None,
            page_size_of(request.page_size),
        )
        return history_pb2.ListHistoryResponse(
            positions=[position_to_proto(position) for position in page.positions],
            next_page_token=_token_of(page.next_cursor) if page.next_cursor else "",
        )

    async def GetAnalytics(
        self, request: history_pb2.GetAnalyticsRequest, context: CallContext
    ) -> history_pb2.GetAnalyticsResponse:
        return _analytics_to_proto(await self._queries.analyze(self._chosen(request)))

    async def GetBreakdown(
        self, request: history_pb2.GetBreakdownRequest, context: CallContext
    ) -> history_pb2.GetBreakdownResponse:
        parts = await self._queries.break_down(self._chosen(request))
        return history_pb2.GetBreakdownResponse(
            by_symbol=_groups(parts.by_symbol),
            by_exchange=_groups(parts.by_exchange),
            by_side=_groups(parts.by_side),
            by_exit_reason=_groups(parts.by_exit_reason),
            by_flow=_groups(parts.by_flow),
        )

    async def GetEquityCurve(
        self, request: history_pb2.GetEquityCurveRequest, context: CallContext
    ) -> history_pb2.GetEquityCurveResponse:
        points = await self._queries.draw_curve(self._chosen(request))
        return history_pb2.GetEquityCurveResponse(points=[_point_to_proto(point) for point in points])

    def _chosen(self, request: _Asking) -> Chosen:
        """Raises FieldInvalid and InvalidPeriod."""
        given = request.filter
        return Chosen(
            user_id=required(request.user_id, "user_id"),
            span=span_of(request.period, _moment(given, "since"), _moment(given, "until"), self._clock.now()),
            venue=words.EXCHANGE.to_domain(given.exchange) if given.exchange else None,
            symbol=given.symbol or None,
            flow_id=given.flow_id or None,
        )


def registration(servicer: HistoryRpc) -> Registration:
    """How a server takes it on."""
    return Registration(history_pb2_grpc.add_HistoryServiceServicer_to_server, servicer, "positions.v1.HistoryService")


def _moment(given: history_pb2.TradeFilter, field: str) -> datetime | None:
    return moment_from(given, field) if given.HasField(field) else None  # type: ignore[arg-type]


def _analytics_to_proto(figures: Analytics) -> history_pb2.GetAnalyticsResponse:
    trades, totals, ratios = figures.trades, figures.trades.totals, figures.ratios
    message = history_pb2.GetAnalyticsResponse(
        total_trades=totals.total,
        winning_trades=totals.winning,
        losing_trades=totals.losing,
        win_rate=_percent(totals.win_rate),
        total_pnl=text_of(totals.total_pnl),
        average_pnl=_money(totals.average_pnl),
        best_trade=text_of(totals.best),
        worst_trade=text_of(totals.worst),
        estimated_exits=trades.estimated,
        profit_factor=_ratio(totals.profit_factor),
        expectancy=_money(totals.expectancy),
        expectancy_ratio=_ratio(totals.expectancy_ratio),
        average_hold_seconds="" if trades.average_hold is None else f"{trades.average_hold.total_seconds():.0f}",
        fees=text_of(totals.fees),
        gross_profit=text_of(totals.gross_profit) if totals.total else "",
        gross_loss=text_of(-totals.gross_loss) if totals.total else "",
        longest_winning_streak=trades.longest_winning_streak,
        longest_losing_streak=trades.longest_losing_streak,
        sharpe_ratio=_ratio(ratios.sharpe),
        sortino_ratio=_ratio(ratios.sortino),
        calmar_ratio=_ratio(ratios.calmar),
        equity_days=ratios.days,
    )
    if totals.total:
        fall = trades.fall
        message.max_drawdown.CopyFrom(
            history_pb2.MaxDrawdown(
                amount=text_of(fall.amount),
                percent=_fraction(ratios.max_drawdown),
                duration_seconds=int(fall.duration(figures.as_of).total_seconds()),
                began_at=stamp_of(fall.began_at),
                regained_at=stamp_of(fall.regained_at),
            )
        )
    return message


def _groups(parts: Iterable[tuple[str, Totals]]) -> list[history_pb2.TradeGroup]:
    return [
        history_pb2.TradeGroup(
            key=key,
            total_trades=totals.total,
            winning_trades=totals.winning,
            losing_trades=totals.losing,
            win_rate=_percent(totals.win_rate),
            total_pnl=text_of(totals.total_pnl),
            average_pnl=_money(totals.average_pnl),
            best_trade=text_of(totals.best),
            worst_trade=text_of(totals.worst),
            profit_factor=_ratio(totals.profit_factor),
            fees=text_of(totals.fees),
        )
        for key, totals in parts
    ]


def _point_to_proto(point: CurvePoint) -> history_pb2.EquityPoint:
    return history_pb2.EquityPoint(
        day=stamp_of(datetime.combine(point.day, time(), UTC)),
        trades=point.trades,
        realized_pnl=text_of(point.pnl),
        cumulative_pnl=text_of(point.cumulative_pnl),
        drawdown=text_of(point.drawdown),
        equity=text_of(point.equity),
        drawdown_percent=_fraction(point.drawdown_fraction),
    )


def _optional(write: Callable[[Decimal], str]) -> Callable[[Decimal | None], str]:
    return lambda number: "" if number is None else write(number)


_percent = _optional(lambda number: f"{number:.2f}")
_fraction = _optional(lambda number: f"{number * 100:.2f}")
_money = _optional(lambda number: text_of(to_books(number)))
_ratio = _optional(lambda number: text_of(_RATIO.plus(number)))


def _token_of(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(f"{cursor.closed_at.isoformat()} {cursor.position_id}".encode()).decode()


def _cursor_of(token: str) -> Cursor:
    try:
        moment, position_id = base64.urlsafe_b64decode(token.encode()).decode().split(" ", 1)
        closed_at = datetime.fromisoformat(moment)
    except (ValueError, binascii.Error):
        raise InvalidPageToken from None
    if closed_at.tzinfo is None:
        raise InvalidPageToken
    return Cursor(closed_at, position_id)
