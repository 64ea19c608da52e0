"""The books as opening and executions need them, over gRPC: the typed error, or ServiceUnavailable."""

from protos.positions.v1 import accounts_pb2, positions_pb2, types_pb2
from protos.positions.v1.accounts_pb2_grpc import AccountsServiceStub
from protos.positions.v1.positions_pb2_grpc import PositionsServiceStub
from services.common.channels import ServiceChannel
from services.common.errors import AccountNotFound
from services.common.trading.extremes import TriggerPrice
from services.common.trading.level import LevelRule, NoLevel, Pinned, Trailing
from services.common.trading.money import format_decimal
from services.common.trading.side import PositionSide, Side
from services.monitor.clients.messages import VENUES, read_position, write_fill
from services.monitor.clients.pages import answer_of, every_position
from services.monitor.domain.execution import PositionSeen
from services.monitor.domain.opening import Opening, OpeningOrigin, OpeningProvenance, OpeningState
from services.monitor.domain.position import Position
from services.monitor.events.executions import read_seen
from services.monitor.opening.ports import AccountFacts

_EXCHANGES = {venue: exchange for exchange, venue in VENUES.items()}
_SIDES = {Side.LONG: types_pb2.SIDE_LONG, Side.SHORT: types_pb2.SIDE_SHORT}
_ORDER_SIDES = {Side.LONG: types_pb2.ORDER_SIDE_BUY, Side.SHORT: types_pb2.ORDER_SIDE_SELL}
_SLOTS = {
    PositionSide.BOTH: types_pb2.POSITION_SIDE_BOTH,
    PositionSide.LONG: types_pb2.POSITION_SIDE_LONG,
    PositionSide.SHORT: types_pb2.POSITION_SIDE_SHORT,
}
_ORIGINS = {OpeningOrigin.FLOW: types_pb2.ORIGIN_FLOW, OpeningOrigin.MANUAL: types_pb2.ORIGIN_MANUAL}


class PositionsOpenings:
    """`OpeningBooks` and `SeenPositions`."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._accounts = AccountsServiceStub(channel)
        self._positions = PositionsServiceStub(channel)

    async def find_account(self, user_id: str, account_id: str) -> AccountFacts:
        """An account of a user. Raises AccountNotFound, for another user's as well."""
        answer = await answer_of(self._accounts.ListAccounts(accounts_pb2.ListAccountsRequest(user_id=user_id)))
        for account in answer.accounts:
            if account.account_id == account_id:
                by_last = account.trigger_price == types_pb2.TRIGGER_PRICE_LAST
                trigger_price = TriggerPrice.LAST if by_last else TriggerPrice.MARK
                return AccountFacts(account_id, VENUES[account.exchange], account.trading_enabled, trigger_price)
        raise AccountNotFound(account_id=account_id)

    async def list_open(self, user_id: str, account: AccountFacts, symbol: str) -> tuple[Position, ...]:
        """The account's open positions of a symbol, as booked."""
        request = positions_pb2.ListPositionsRequest(
            user_id=user_id,
            filter=positions_pb2.POSITION_FILTER_OPEN,
            exchange=_EXCHANGES[account.venue],
            symbol=symbol,
        )
        found = [read_position(one) async for one in every_position(self._positions.ListPositions, request)]
        return tuple(position for position in found if position.account_id == account.account_id)

    async def record_opening(self, opening: Opening) -> Position:
        """Book what an order opened; the same opening again changes nothing."""
        wish = opening.wish
        request = positions_pb2.RecordOpeningRequest(
            intent_id=str(opening.intent_id),
            user_id=wish.user_id,
            account_id=wish.account_id,
            symbol=wish.symbol,
            position_side=_SLOTS[opening.plan.position_side],
            side=_SIDES[wish.side],
            fills=[write_fill(fill) for fill in opening.fills],
            leverage=format_decimal(opening.plan.leverage),
            origin=_ORIGINS[wish.origin],
            provenance=_provenance(wish.provenance),
            stop_loss=_level(wish.stop_loss),
            take_profit=_level(wish.take_profit),
            mark_price=format_decimal(opening.plan.price),
            request_id=str(opening.intent_id),
        )
        answer = await answer_of(self._positions.RecordOpening(request))
        return read_position(answer.position)

    async def record_order(self, opening: Opening) -> None:
        """Note where the order of an opening stands."""
        wish = opening.wish
        request = positions_pb2.RecordOrderRequest(
            intent_id=str(opening.intent_id),
            client_order_id=opening.client_order_id,
            order_side=_ORDER_SIDES[wish.side],
            quantity=format_decimal(opening.plan.quantity),
            status=_order_status(opening.state),
            account_id=wish.account_id,
            symbol=wish.symbol,
            position_side=_SLOTS[opening.plan.position_side],
            side=_SIDES[wish.side],
            reason=opening.reason or "open",
            order_id=opening.order_id or "",
            request_id=f"{opening.intent_id} {opening.state}",
        )
        await answer_of(self._positions.RecordOrder(request))

    async def see(self, position_id: str) -> PositionSeen | None:
        """A position as executions follow it. Raises PositionNotFound."""
        return read_seen(await self.read("", position_id))

    async def read(self, user_id: str, position_id: str) -> types_pb2.Position:
        """A position as the books tell it. Raises PositionNotFound, for another user's as well."""
        request = positions_pb2.GetPositionRequest(user_id=user_id, position_id=position_id)
        return (await answer_of(self._positions.GetPosition(request))).position


def _order_status(state: OpeningState) -> "positions_pb2.TransactionStatus.ValueType":
    match state:
        case OpeningState.FAILED:
            return positions_pb2.TRANSACTION_STATUS_CANCELLED
        case OpeningState.FILLED | OpeningState.BOOKED:
            return positions_pb2.TRANSACTION_STATUS_FILLED
        case _:
            return positions_pb2.TRANSACTION_STATUS_PENDING


def _level(rule: LevelRule) -> types_pb2.Level:
    match rule:
        case Trailing(distance):
            return types_pb2.Level(trailing=types_pb2.Trailing(distance=format_decimal(distance)))
        case Pinned(price):
            return types_pb2.Level(pinned=types_pb2.Pinned(price=format_decimal(price)))
        case NoLevel():
            return types_pb2.Level(none=types_pb2.NoLevel())


def _provenance(provenance: OpeningProvenance) -> types_pb2.Provenance:
    confidence = provenance.ai_confidence
    return types_pb2.Provenance(
        flow_id=provenance.flow_id,
        node_id=provenance.node_id,
        execution_id=provenance.execution_id,
        agent=provenance.agent,
        ai_reasoning=provenance.ai_reasoning,
        ai_confidence="" if confidence is None else format_decimal(confidence),
        market_conditions=provenance.market_conditions,
    )
