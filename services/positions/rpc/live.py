"""LivePositionsService."""

from protos.positions.v1 import live_pb2, live_pb2_grpc, types_pb2
from services.common.server import Registration
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.positions.queries.live import AccountWarning, LivePosition, LiveQueries
from services.positions.rpc import vocabulary as words
from services.positions.rpc.vocabulary import Context, required, stamp_of, text_of


class LiveRpc(live_pb2_grpc.LivePositionsServiceServicer):
    """What is true now."""

    def __init__(self, queries: LiveQueries) -> None:
        self._queries = queries

    async def ListLivePositions(
        self, request: live_pb2.ListLivePositionsRequest, context: Context
    ) -> live_pb2.ListLivePositionsResponse:
        every = request.exchange == types_pb2.EXCHANGE_UNSPECIFIED
        view = await self._queries.list_live(
            required(request.user_id, "user_id"), None if every else words.EXCHANGE.to_domain(request.exchange)
        )
        source = live_pb2.DATA_SOURCE_EXCHANGE if view.from_exchange else live_pb2.DATA_SOURCE_DATABASE
        return live_pb2.ListLivePositionsResponse(
            positions=[_live_to_proto(position) for position in view.positions],
            data_source=source,
            warnings=[_warning_to_proto(warning) for warning in view.warnings],
            taken_at=stamp_of(view.taken_at),
        )


def registration(servicer: LiveRpc) -> Registration:
    """How a server takes it on."""
    return Registration(
        live_pb2_grpc.add_LivePositionsServiceServicer_to_server, servicer, "positions.v1.LivePositionsService"
    )


def _live_to_proto(live: LivePosition) -> live_pb2.LivePosition:
    row, booked, seen = live.row, live.row.booked, live.row.seen
    message = live_pb2.LivePosition(
        account_id=row.account.account_id,
        exchange=words.EXCHANGE.to_proto(row.account.venue),
        guarded=live.guard.guarded,
        unguarded_reason=live.guard.reason,
        in_sync=row.in_sync,
    )
    if booked is not None:
        message.position_id = booked.position_id
        message.managed = booked.managed
        message.stop_loss_enforced = booked.levels.stop_loss.enforced
        message.take_profit_enforced = booked.levels.take_profit.enforced
        message.opened_at.FromDatetime(booked.opened_at)
        message.version = booked.version
    fact = seen if seen is not None else booked
    if fact is not None:
        message.symbol = fact.symbol
        message.position_side = words.POSITION_SIDE.to_proto(fact.position_side)
        message.side = words.SIDE.to_proto(fact.side)
        message.quantity = text_of(fact.quantity)
        message.entry_price = text_of(fact.entry_price)
        message.leverage = text_of(fact.leverage)
    message.data_source = live_pb2.DATA_SOURCE_DATABASE
    if seen is not None:
        pnl = price_pnl(seen.side, seen.entry_price, seen.mark_price, seen.quantity)
        message.data_source = live_pb2.DATA_SOURCE_EXCHANGE
        message.current_price = text_of(seen.mark_price)
        message.pnl = text_of(pnl)
        message.pnl_percent = text_of(percent_of_entry(pnl, seen.entry_price, seen.quantity))
        message.liquidation_price = text_of(seen.liquidation_price)
    levels = row.levels
    if levels is not None:
        message.stop_loss = text_of(levels.stop_loss)
        message.take_profit = text_of(levels.take_profit)
    return message


def _warning_to_proto(warning: AccountWarning) -> live_pb2.AccountWarning:
    return live_pb2.AccountWarning(
        account_id=warning.account.account_id,
        exchange=words.EXCHANGE.to_proto(warning.account.venue),
        code=f"READING_{warning.status.name}",
        message=warning.reason,
    )
