"""How orders of Tandem's stand that have no fills yet, or never get any, as the monitor tells it."""

from dataclasses import dataclass
from decimal import Decimal

from services.common.clock import Clock
from services.common.errors import FieldInvalid, PositionNotFound
from services.common.trading.side import OrderSide, PositionSide, Side
from services.positions.commands.journal import Journal
from services.positions.domain.order import OrderStatus, SentOrder
from services.positions.store import accounts
from services.positions.store import positions as rows
from services.positions.store.orders import record_order


@dataclass(frozen=True, slots=True)
class OpeningOrder:
    """Where an order is to open."""

    account_id: str
    symbol: str
    position_side: PositionSide
    side: Side


@dataclass(frozen=True, slots=True)
class OrderNews:
    """How an order stands. `of` is the position that it is about, or where it is to open one."""

    intent_id: str
    of: str | OpeningOrder
    client_order_id: str
    order_id: str
    order_side: OrderSide
    quantity: Decimal
    status: OrderStatus
    reason: str


class OrderCommands:
    """Orders that the monitor tells of."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def record(self, news: OrderNews) -> None:
        """Take in how an order stands: the same again changes nothing, and what has ended stays as it is.

        Raises PositionNotFound, AccountNotFound, and FieldInvalid for an order that neither opens nor closes.
        """
        async with self._journal.writing() as connection:
            if isinstance(news.of, str):
                position = await rows.find_position(connection, news.of, None)
                if position is None:
                    raise PositionNotFound(position_id=news.of)
                account_id, position_id = position.account_id, position.position_id
                place = OpeningOrder(account_id, position.symbol, position.position_side, position.side)
            else:
                place, position_id = news.of, None
            if place.position_side not in (PositionSide.BOTH, PositionSide(place.side.value)):
                raise FieldInvalid(field="position_side", problem="is the leg of the other side")
            account = await accounts.get_account(connection, place.account_id)
            order = SentOrder(
                intent_id=news.intent_id,
                user_id=account.user_id,
                account_id=account.account_id,
                position_id=position_id,
                venue=account.venue,
                symbol=place.symbol,
                position_side=place.position_side,
                side=place.side,
                client_order_id=news.client_order_id,
                order_id=news.order_id,
                order_side=news.order_side,
                quantity=news.quantity,
                status=news.status,
                reason=news.reason,
                changed_at=self._clock.now(),
            )
            await record_order(connection, order)
