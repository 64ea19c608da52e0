"""PositionsService."""

from typing import Protocol

from protos.positions.v1 import positions_pb2, positions_pb2_grpc, types_pb2
from services.common.clock import Clock
from services.common.errors import FieldInvalid
from services.common.fields import rule_from
from services.common.identity import current_peer
from services.common.server import Registration
from services.common.trading.level import LevelKind
from services.positions.commands.fills import FillCommands
from services.positions.commands.levels import Changed, LevelCommands, Request
from services.positions.commands.openings import OpeningCommands
from services.positions.commands.orders import OrderCommands
from services.positions.commands.requests import Requests
from services.positions.domain.timeline import Actor, TimelineEntry
from services.positions.queries.books import BookQueries
from services.positions.queries.documents import DocumentQueries
from services.positions.rpc import vocabulary as words
from services.positions.rpc.documents import timeline_to_proto, transaction_to_proto
from services.positions.rpc.messages import fills_from_proto, position_to_proto
from services.positions.rpc.once import once
from services.positions.rpc.openings import opening_from, order_from
from services.positions.rpc.paging import moment_of, number_in, parts_of, token_of
from services.positions.rpc.stated import advice_from, author_from, stated_from
from services.positions.rpc.vocabulary import (
    Context,
    amount_of,
    expected_version_of,
    held,
    optional_text,
    page_size_of,
    required,
)
from services.positions.store.fills import TransactionCursor, TransactionFilter
from services.positions.store.positions import PageCursor, PositionFilter
from services.positions.store.timeline import TimelineCursor, cursor_after


class _OfPosition(Protocol):
    user_id: str
    position_id: str


class PositionsRpc(positions_pb2_grpc.PositionsServiceServicer):
    """The books."""

    def __init__(
        self,
        queries: BookQueries,
        levels: LevelCommands,
        fills: FillCommands,
        openings: OpeningCommands,
        orders: OrderCommands,
        documents: DocumentQueries,
        requests: Requests,
        clock: Clock,
    ) -> None:
        self._queries = queries
        self._levels = levels
        self._fills = fills
        self._openings = openings
        self._orders = orders
        self._documents = documents
        self._requests = requests
        self._clock = clock

    async def GetPosition(
        self, request: positions_pb2.GetPositionRequest, context: Context
    ) -> positions_pb2.GetPositionResponse:
        user_id = _user_of(request.user_id)
        position = await self._queries.get_position(required(request.position_id, "position_id"), user_id)
        return positions_pb2.GetPositionResponse(position=position_to_proto(position))

    async def ListPositions(
        self, request: positions_pb2.ListPositionsRequest, context: Context
    ) -> positions_pb2.ListPositionsResponse:
        after = None
        if request.page_token:
            opened_at, position_id = parts_of(request.page_token, 2)
            after = PageCursor(moment_of(opened_at), position_id)
        every = request.exchange == types_pb2.EXCHANGE_UNSPECIFIED
        page = await self._documents.list_positions(
            _user_of(request.user_id),
            PositionFilter(
                is_open=_open_or_closed(request.filter),
                venue=None if every else words.EXCHANGE.to_domain(request.exchange),
                symbol=optional_text(request.symbol, "symbol"),
                flow_id=optional_text(request.flow_id, "flow_id"),
            ),
            after,
            page_size_of(request.page_size),
        )
        last = page.rows[-1] if page.more else None
        return positions_pb2.ListPositionsResponse(
            positions=[position_to_proto(position) for position in page.rows],
            next_page_token="" if last is None else token_of(last.opened_at.isoformat(), last.position_id),
        )

    async def SetLevel(
        self, request: positions_pb2.SetLevelRequest, context: Context
    ) -> positions_pb2.SetLevelResponse:
        async def work() -> positions_pb2.SetLevelResponse:
            wanted = _request_of(request, request.author)
            kind = words.LEVEL_KIND.to_domain(request.kind)
            name = request.WhichOneof("rule") or ""
            if name == "floor":
                changed = await self._set_floor(wanted, kind, request.floor)
            else:
                rule = rule_from(name, request.pinned.price, request.trailing.distance)
                changed = await self._levels.set(wanted, kind, rule)
            return positions_pb2.SetLevelResponse(
                position=position_to_proto(changed.position), warnings=changed.warnings
            )

        async def now() -> positions_pb2.SetLevelResponse:
            return positions_pb2.SetLevelResponse(position=await self._now(request))

        return await once(self._requests, request, positions_pb2.SetLevelResponse, work, now)

    async def _now(self, request: _OfPosition) -> types_pb2.Position:
        """A position of the request's user as it is."""
        return position_to_proto(await self._queries.get_position(request.position_id, request.user_id))

    async def _set_floor(self, wanted: Request, kind: LevelKind, floor: positions_pb2.Floor) -> Changed:
        if kind is not LevelKind.STOP_LOSS:
            raise FieldInvalid(field="kind", problem="is the stop-loss where a floor is set")
        return await self._levels.set_floor(wanted, amount_of(floor.price, "price") if floor.price else None)

    async def ManagePosition(
        self, request: positions_pb2.ManagePositionRequest, context: Context
    ) -> positions_pb2.ManagePositionResponse:
        async def work() -> positions_pb2.ManagePositionResponse:
            changed = await self._levels.manage(
                _request_of(request, request.author), stated_from(request.stop_loss, request.take_profit)
            )
            return positions_pb2.ManagePositionResponse(
                position=position_to_proto(changed.position), warnings=changed.warnings
            )

        async def now() -> positions_pb2.ManagePositionResponse:
            return positions_pb2.ManagePositionResponse(position=await self._now(request))

        return await once(self._requests, request, positions_pb2.ManagePositionResponse, work, now)

    async def ReleasePosition(
        self, request: positions_pb2.ReleasePositionRequest, context: Context
    ) -> positions_pb2.ReleasePositionResponse:
        async def work() -> positions_pb2.ReleasePositionResponse:
            changed = await self._levels.release(_request_of(request, request.author))
            return positions_pb2.ReleasePositionResponse(position=position_to_proto(changed.position))

        async def now() -> positions_pb2.ReleasePositionResponse:
            return positions_pb2.ReleasePositionResponse(position=await self._now(request))

        return await once(self._requests, request, positions_pb2.ReleasePositionResponse, work, now)

    async def RecordCloseAdvice(
        self, request: positions_pb2.RecordCloseAdviceRequest, context: Context
    ) -> positions_pb2.RecordCloseAdviceResponse:
        async def work() -> positions_pb2.RecordCloseAdviceResponse:
            wanted = Request(
                required(request.user_id, "user_id"), required(request.position_id, "position_id"), author=Actor.AI
            )
            advice = advice_from(request.advice, self._clock.now()) if request.HasField("advice") else None
            changed = await self._levels.advise(wanted, advice)
            return positions_pb2.RecordCloseAdviceResponse(position=position_to_proto(changed.position))

        async def now() -> positions_pb2.RecordCloseAdviceResponse:
            return positions_pb2.RecordCloseAdviceResponse(position=await self._now(request))

        return await once(self._requests, request, positions_pb2.RecordCloseAdviceResponse, work, now)

    async def ListEnforcedPositions(
        self, request: positions_pb2.ListEnforcedPositionsRequest, context: Context
    ) -> positions_pb2.ListEnforcedPositionsResponse:
        size = page_size_of(request.page_size)
        found = await self._queries.list_enforced(held(request.page_token, "page_token"), size)
        return positions_pb2.ListEnforcedPositionsResponse(
            positions=[position_to_proto(position) for position in found],
            next_page_token=found[-1].position_id if len(found) == size else "",
        )

    async def RecordFills(
        self, request: positions_pb2.RecordFillsRequest, context: Context
    ) -> positions_pb2.RecordFillsResponse:
        position = await self._fills.record_fills(
            required(request.position_id, "position_id"),
            fills_from_proto(request.fills),
            required(request.intent_id, "intent_id"),
            request.evidence,
        )
        return positions_pb2.RecordFillsResponse(position=position_to_proto(position))

    async def RecordOpening(
        self, request: positions_pb2.RecordOpeningRequest, context: Context
    ) -> positions_pb2.RecordOpeningResponse:
        position = await self._openings.record(opening_from(request))
        return positions_pb2.RecordOpeningResponse(position=position_to_proto(position))

    async def RecordOrder(
        self, request: positions_pb2.RecordOrderRequest, context: Context
    ) -> positions_pb2.RecordOrderResponse:
        await self._orders.record(order_from(request))
        return positions_pb2.RecordOrderResponse()

    async def ListTimeline(
        self, request: positions_pb2.ListTimelineRequest, context: Context
    ) -> positions_pb2.ListTimelineResponse:
        after = None
        if request.page_token:
            version, sampled, happened_at = parts_of(request.page_token, 3)
            after = TimelineCursor(number_in(version), sampled == "1", moment_of(happened_at))
        page = await self._documents.list_timeline(
            _user_of(request.user_id),
            required(request.position_id, "position_id"),
            after,
            page_size_of(request.page_size),
        )
        return positions_pb2.ListTimelineResponse(
            entries=[timeline_to_proto(entry) for entry in page.rows],
            next_page_token=_token_after(page.rows[-1]) if page.more else "",
        )

    async def ListTransactions(
        self, request: positions_pb2.ListTransactionsRequest, context: Context
    ) -> positions_pb2.ListTransactionsResponse:
        after = None
        if request.page_token:
            happened_at, name = parts_of(request.page_token, 2)
            after = TransactionCursor(moment_of(happened_at), name)
        every = request.exchange == types_pb2.EXCHANGE_UNSPECIFIED
        which = TransactionFilter(
            position_id=optional_text(request.position_id, "position_id"),
            venue=None if every else words.EXCHANGE.to_domain(request.exchange),
            symbol=optional_text(request.symbol, "symbol"),
            status=words.ORDER_STATUS.to_domain(request.status) if request.status else None,
        )
        page = await self._documents.list_transactions(
            required(request.user_id, "user_id"), which, after, page_size_of(request.page_size)
        )
        last = page.rows[-1] if page.more else None
        return positions_pb2.ListTransactionsResponse(
            transactions=[transaction_to_proto(one) for one in page.rows],
            next_page_token="" if last is None else token_of(last.happened_at.isoformat(), last.transaction_id),
        )

    async def GetTransaction(
        self, request: positions_pb2.GetTransactionRequest, context: Context
    ) -> positions_pb2.GetTransactionResponse:
        found = await self._documents.get_transaction(
            required(request.user_id, "user_id"), required(request.transaction_id, "transaction_id")
        )
        return positions_pb2.GetTransactionResponse(transaction=transaction_to_proto(found))


def registration(servicer: PositionsRpc) -> Registration:
    """How a server takes it on."""
    return Registration(
        positions_pb2_grpc.add_PositionsServiceServicer_to_server, servicer, "positions.v1.PositionsService"
    )


def _token_after(entry: TimelineEntry) -> str:
    place = cursor_after(entry)
    return token_of(str(place.version), "1" if place.sampled else "0", place.happened_at.isoformat())


def _user_of(user_id: str) -> str | None:
    """The gateway speaks for one user always; a service that acts for the system may leave the user out."""
    return required(user_id, "user_id") if current_peer().service == "gateway" else optional_text(user_id, "user_id")


def _request_of(
    request: positions_pb2.SetLevelRequest | positions_pb2.ManagePositionRequest | positions_pb2.ReleasePositionRequest,
    author: "types_pb2.Author.ValueType",
) -> Request:
    return Request(
        required(request.user_id, "user_id"),
        required(request.position_id, "position_id"),
        expected_version_of(request.expected_version),
        author_from(author),
        held(request.reason, "reason"),
    )


def _open_or_closed(which: "positions_pb2.PositionFilter.ValueType") -> bool | None:
    match which:
        case positions_pb2.POSITION_FILTER_OPEN:
            return True
        case positions_pb2.POSITION_FILTER_CLOSED:
            return False
        case positions_pb2.POSITION_FILTER_ALL | positions_pb2.POSITION_FILTER_UNSPECIFIED:
            return None
        case _:
            raise FieldInvalid(field="filter", problem="is not known")
