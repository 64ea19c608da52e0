"""LivePositionsService."""

from dataclasses import dataclass

from protos.positions.v1 import live_pb2, live_pb2_grpc, types_pb2
from services.common.server import Registration
from services.common.trading.pnl import percent_of_entry, price_pnl
from services.common.trading.side import Venue
from services.positions.domain.live import RiskLevel
from services.positions.queries.live import AccountWarning, LivePosition, LiveQueries, LiveView
from services.positions.queries.memory import Memory
from services.positions.rpc import vocabulary as words
from services.positions.rpc.stated import advice_to_proto, provenance_to_proto
from services.positions.rpc.vocabulary import Context, required, stamp_of, text_of

_RISK_LEVELS = {
    None: live_pb2.RISK_LEVEL_UNSPECIFIED,
    RiskLevel.LOW: live_pb2.RISK_LEVEL_LOW,
    RiskLevel.MEDIUM: live_pb2.RISK_LEVEL_MEDIUM,
    RiskLevel.HIGH: live_pb2.RISK_LEVEL_HIGH,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A view and how it is told."""

    view: LiveView
    message: live_pb2.ListLivePositionsResponse


class LiveRpc(live_pb2_grpc.LivePositionsServiceServicer):
    """What is true now. With a memory, an answer is given again while it is current and a fraction of a second old."""

    def __init__(self, queries: LiveQueries, memory: Memory[Answer] | None = None) -> None:
        self._queries = queries
        self._memory = memory or Memory(0)

    async def ListLivePositions(
        self, request: live_pb2.ListLivePositionsRequest, context: Context
    ) -> live_pb2.ListLivePositionsResponse:
        user_id = required(request.user_id, "user_id")
        every = request.exchange == types_pb2.EXCHANGE_UNSPECIFIED
        venue = None if every else words.EXCHANGE.to_domain(request.exchange)

        async def ask() -> Answer:
            return await self._answer(user_id, venue)

        answer = await self._memory.get(user_id, venue, ask, lambda one: self._queries.is_current(one.view))
        return answer.message

    async def _answer(self, user_id: str, venue: Venue | None) -> Answer:
        view = await self._queries.list_live(user_id, venue)
        source = live_pb2.DATA_SOURCE_EXCHANGE if view.from_exchange else live_pb2.DATA_SOURCE_DATABASE
        message = live_pb2.ListLivePositionsResponse(
            positions=[_live_to_proto(position) for position in view.positions],
            data_source=source,
            warnings=[_warning_to_proto(warning) for warning in view.warnings],
            taken_at=stamp_of(view.taken_at),
        )
        return Answer(view, message)


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
        out_of_sync_reasons=row.differences,
        risk_level=_RISK_LEVELS[live.risk],
        margin_level=text_of(live.margin_level),
        age_seconds=live.age_seconds or 0.0,
        trigger_price=words.TRIGGER_PRICE.to_proto(row.trigger_price),
    )
    if booked is not None:
        message.position_id = booked.position_id
        message.managed = booked.managed
        message.stop_loss_enforced = booked.levels.stop_loss.enforced
        message.take_profit_enforced = booked.levels.take_profit.enforced
        message.opened_at.FromDatetime(booked.opened_at)
        message.version = booked.version
        message.origin = words.ORIGIN.to_proto(booked.origin)
        message.provenance.CopyFrom(provenance_to_proto(booked.provenance))
        message.commission = text_of(row.commission)
        if booked.plan is not None:
            message.plan = booked.plan.name
        if booked.close_advice is not None:
            message.should_close.CopyFrom(advice_to_proto(booked.close_advice))
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
        old = not row.confirmed
        message.data_source = live_pb2.DATA_SOURCE_LAST_KNOWN if old else live_pb2.DATA_SOURCE_EXCHANGE
        message.current_price = text_of(seen.mark_price)
        message.pnl = text_of(pnl)
        message.pnl_percent = text_of(percent_of_entry(pnl, seen.entry_price, seen.quantity))
        message.liquidation_price = text_of(seen.liquidation_price)
        message.notional = text_of(seen.quantity * seen.mark_price)
        message.initial_margin = text_of(seen.initial_margin)
    levels = row.levels
    if levels is not None:
        message.stop_loss = text_of(levels.stop_loss)
        message.take_profit = text_of(levels.take_profit)
    return message


def _warning_to_proto(warning: AccountWarning) -> live_pb2.AccountWarning:
    message = live_pb2.AccountWarning(
        account_id=warning.account.account_id,
        exchange=words.EXCHANGE.to_proto(warning.account.venue),
        code=f"READING_{warning.status.name}",
        message=warning.reason,
    )
    if warning.last_known_at is not None:
        message.last_known_at.FromDatetime(warning.last_known_at)
    return message
