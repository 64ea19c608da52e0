"""HistoryService."""

import base64
import binascii
from datetime import datetime

from protos.positions.v1 import history_pb2, history_pb2_grpc
from services.common.server import Registration
from services.common.trading.money import to_books
from services.positions.domain.errors import InvalidPageToken
from services.positions.queries.books import BookQueries
from services.positions.rpc.messages import position_to_proto
from services.positions.rpc.vocabulary import Context, page_size_of, required, text_of
from services.positions.store.history import Cursor


class HistoryRpc(history_pb2_grpc.HistoryServiceServicer):
    """What happened."""

    def __init__(self, queries: BookQueries) -> None:
        self._queries = queries

    async def ListHistory(
        self, request: history_pb2.ListHistoryRequest, context: Context
    ) -> history_pb2.ListHistoryResponse:
        page = await self._queries.list_history(
            required(request.user_id, "user_id"),
            request.period,
            _cursor_of(request.page_token) if request.page_token else None,
            page_size_of(request.page_size),
        )
        return history_pb2.ListHistoryResponse(
            positions=[position_to_proto(position) for position in page.positions],
            next_page_token=_token_of(page.next_cursor) if page.next_cursor else "",
        )

    async def GetAnalytics(
        self, request: history_pb2.GetAnalyticsRequest, context: Context
    ) -> history_pb2.GetAnalyticsResponse:
        figures = await self._queries.analyze(required(request.user_id, "user_id"), request.period)
        return history_pb2.GetAnalyticsResponse(
            total_trades=figures.total,
            winning_trades=figures.winning,
            losing_trades=figures.losing,
            win_rate="" if figures.win_rate is None else f"{figures.win_rate:.2f}",
            total_pnl=text_of(figures.total_pnl),
            average_pnl="" if figures.average_pnl is None else text_of(to_books(figures.average_pnl)),
            best_trade=text_of(figures.best),
            worst_trade=text_of(figures.worst),
            estimated_exits=figures.estimated,
        )


def registration(servicer: HistoryRpc) -> Registration:
    """How a server takes it on."""
    return Registration(history_pb2_grpc.add_HistoryServiceServicer_to_server, servicer, "positions.v1.HistoryService")


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
