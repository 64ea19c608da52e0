"""Book what an order of Tandem's opened: once by its intent, as one position with what the reconciler adopted of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.clock import Clock
from services.common.exchange.budget import Lane
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill, Settlement, in_order
from services.common.trading.level import INDICATIVE_LEVELS, LevelRules
from services.common.trading.money import format_decimal, to_books
from services.common.trading.reading import PositionKey, ReadingStatus, VenuePosition
from services.common.trading.side import Side
from services.positions.commands.journal import Journal, write_change, write_new
from services.positions.domain.account import Account
from services.positions.domain.care import StatedLevels, manage
from services.positions.domain.errors import IntentReused, OpeningConflict, PriceUnavailable
from services.positions.domain.position import (
    BookedFill,
    Origin,
    Position,
    PositionStatus,
    settlement_of,
    tally,
)
from services.positions.domain.provenance import NO_PROVENANCE, Provenance
from services.positions.domain.timeline import Actor, Change
from services.positions.prices import TriggerPrices
from services.positions.readings import AccountReadings
from services.positions.store import positions as rows
from services.positions.store.accounts import AccountStanding
from services.positions.store.decisions import lock_account
from services.positions.store.fills import find_opened, list_fills, unbooked
from services.positions.store.openings import begin_opening, record_opening

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """What an order of Tandem's opened. `fills` is not empty; `mark_price` is that of now: levels that it triggers
    are armed at it.
    """

    intent_id: str
    user_id: str
    account_id: str
    key: PositionKey
    side: Side
    fills: tuple[Fill, ...]
    leverage: Decimal | None
    origin: Origin
    provenance: Provenance
    stated: StatedLevels
    mark_price: Decimal

    @property
    def actor(self) -> Actor:
        return Actor.FLOW if self.origin is Origin.FLOW else Actor.USER


class OpeningCommands:
    """Openings that the monitor brings."""

    def __init__(self, journal: Journal, readings: AccountReadings, prices: TriggerPrices, clock: Clock) -> None:
        self._journal = journal
        self._readings = readings
        self._prices = prices
        self._clock = clock

    async def record(self, opening: Opening) -> Position:
        """Book an opening; the same intent again changes nothing.

        Size and entry are the venue's where it can be read, else what the fills say until the next reading. Raises
        AccountNotFound, OpeningConflict where the slot holds the other side, and IntentReused where the intent has
        opened something else.
        """
        async with self._journal.reading() as connection:
            start = await begin_opening(connection, opening.intent_id, opening.account_id, opening.user_id)
            if start.position_id is not None:
                return await _opened_before(connection, start.position_id, opening)
        account = start.standing.account
        seen = await self._seen(account, opening)
        last = await self._last_price(account, opening)
        async with self._journal.writing() as connection:
            await lock_account(connection, account.account_id)
            start = await begin_opening(connection, opening.intent_id, opening.account_id, opening.user_id)
            if start.position_id is not None:
                return await _opened_before(connection, start.position_id, opening)
            position = await _Booking(connection, start.standing, opening, seen, last, self._clock.now()).book()
            await record_opening(connection, opening.intent_id, position.position_id, self._clock.now())
        self._readings.drop(account.account_id)
        return position

    async def _last_price(self, account: Account, opening: Opening) -> Decimal:
        """The last price now, where it triggers the account's levels; where none is had, the last fill's was one."""
        if account.trigger_price is TriggerPrice.LAST:
            try:
                return await self._prices.read(account.venue, opening.key.symbol, TriggerPrice.LAST)
            except PriceUnavailable:
                _log.warning("a position is opened without the venue's last price", symbol=opening.key.symbol)
        return in_order(opening.fills)[-1].price

    async def _seen(self, account: Account, opening: Opening) -> VenuePosition | None:
        """What the venue says of the position, if it has these fills in it already."""
        reading = await self._readings.read_now(account.venue, account.account_id, Lane.LIVE)
        if reading.status not in (ReadingStatus.COMPLETE, ReadingStatus.PARTIAL):
            return None
        last = in_order(opening.fills)[-1].executed_at
        for seen in reading.positions:
            if seen.key == opening.key and seen.side is opening.side:
                return seen if seen.updated_at is not None and seen.updated_at >= last else None
        return None


class _Booking:
    """One opening within its transaction."""

    def __init__(
        self,
        connection: AsyncConnection,
        standing: AccountStanding,
        opening: Opening,
        seen: VenuePosition | None,
        last_price: Decimal,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._account = standing.account
        self._plan = standing.plan
        self._opening = opening
        self._seen = seen
        self._price = opening.mark_price if self._account.trigger_price is TriggerPrice.MARK else last_price
        self._now = now

    async def book(self) -> Position:
        found = await rows.look_up_key(self._connection, self._account.account_id, self._opening.key, (), self._now)
        if found.latest is None:
            return await self._book_new(found.new_id)
        # Where they are booked already, they say themselves which position it is: another may have begun since.
        symbol, fills = self._opening.key.symbol, self._opening.fills
        opened = await find_opened(self._connection, self._account.account_id, symbol, fills)
        position = await rows.lock_position(self._connection, opened or found.latest.position.position_id)
        if position.is_open:
            if position.side is not self._opening.side:
                raise OpeningConflict(symbol=position.symbol, position_id=position.position_id)
            return await self._merge(position)
        new = await unbooked(self._connection, self._account.account_id, symbol, fills)
        if not new or self._ended_after(position):
            _log.warning("the opening of a closed position", position_id=position.position_id)
            return await self._tell_closed(position)
        return await self._book_new(found.new_id)

    async def _tell_closed(self, position: Position) -> Position:
        """It was adopted and has ended before this was told: it learns what it came of; its figures stay."""
        opening = self._opening
        adopted = position.origin is Origin.EXTERNAL or position.intent_id == opening.intent_id
        if not adopted or position.provenance != NO_PROVENANCE:
            return position
        changed = replace(
            position,
            origin=opening.origin,
            managed=True,
            intent_id=opening.intent_id,
            provenance=opening.provenance,
            version=position.version + 1,
        )
        await write_change(
            self._connection,
            changed,
            actor=Actor.MONITOR,
            change=Change.MERGED,
            evidence=f"It is the position that order {_orders(opening.fills)} of intent {opening.intent_id} opened.",
            now=self._now,
        )
        return changed

    def _ended_after(self, position: Position) -> bool:
        first = in_order(self._opening.fills)[0].executed_at
        end = position.exit
        return end is not None and position.opened_at <= first < end.executed_at and position.side is self._opening.side

    async def _book_new(self, position_id: str) -> Position:
        opening = self._opening
        fills = in_order(opening.fills)
        quantity, price = _added(Decimal(0), Decimal(0), fills)
        position = Position(
            position_id=position_id,
            user_id=self._account.user_id,
            account_id=self._account.account_id,
            venue=self._account.venue,
            symbol=opening.key.symbol,
            position_side=opening.key.position_side,
            side=opening.side,
            status=PositionStatus.OPEN,
            origin=opening.origin,
            managed=True,
            quantity=quantity,
            entry_price=price,
            leverage=opening.leverage,
            opened_at=fills[0].executed_at,
            settlement=Settlement(fills[-1].executed_at, fills[-1].executed_at),
            levels=INDICATIVE_LEVELS,
            intent_id=opening.intent_id,
            provenance=opening.provenance,
            plan=self._plan,
            trigger_price=self._account.trigger_price,
        )
        position = self._take_care(self._as_the_venue_says(position))
        booked = _opened_by(position, fills)
        position = tally(position, booked)
        await write_new(
            self._connection,
            position,
            fills=booked,
            actor=Actor.MONITOR,
            change=Change.OPENED,
            evidence=f"Order {_orders(fills)} of intent {opening.intent_id} opened {format_decimal(quantity)}"
            f" at {format_decimal(price)}.",
            now=self._now,
        )
        return position

    async def _merge(self, position: Position) -> Position:
        """What was adopted of this order becomes its position; to one of another order its fills are an addition."""
        opening = self._opening
        earlier = await list_fills(self._connection, position.position_id)
        new = await unbooked(self._connection, position.account_id, position.symbol, opening.fills)
        later = [fill for fill in in_order(new) if fill.executed_at > position.settlement.since]
        changed = position
        if later:
            quantity, price = _added(position.quantity, position.entry_price, later)
            last = max(fill.executed_at for fill in later)
            settlement = replace(position.settlement, until=max(last, position.settlement.until))
            changed = replace(changed, quantity=quantity, entry_price=price, settlement=settlement)
        changed = self._as_the_venue_says(changed)
        adopted = position.origin is Origin.EXTERNAL or position.intent_id == opening.intent_id
        if adopted:
            changed = replace(
                changed, origin=opening.origin, intent_id=opening.intent_id, provenance=opening.provenance
            )
            changed = self._take_care(changed)
        booked = _opened_by(position, new)
        changed = tally(replace(changed, version=position.version + 1), (*earlier, *booked))
        what = "It is the position that" if adopted else "It was added to by what"
        await write_change(
            self._connection,
            changed,
            fills=booked,
            actor=Actor.MONITOR,
            change=Change.MERGED if adopted else Change.FILLED,
            evidence=f"{what} order {_orders(opening.fills)} of intent {opening.intent_id} opened.",
            now=self._now,
        )
        return changed

    def _as_the_venue_says(self, position: Position) -> Position:
        """Its entry, where the size agrees. Where it does not, more has happened: the reconciler brings those fills."""
        seen = self._seen
        if seen is None or to_books(seen.quantity) != to_books(position.quantity):
            return position
        return replace(
            position,
            quantity=to_books(seen.quantity),
            entry_price=to_books(seen.entry_price),
            leverage=seen.leverage if seen.leverage is not None else position.leverage,
            settlement=settlement_of(seen, self._now, self._now),
        )

    def _take_care(self, position: Position) -> Position:
        """Managed, with the levels as stated; one that its user has set meanwhile stays."""
        if not self._account.trading_enabled:
            return replace(position, managed=True)
        managed = manage(position, self._opening.stated, self._price, self._opening.actor, self._now)
        before = position.levels
        by_hand = before.stop_loss.enforced and position.stop_set_by in (Actor.USER, Actor.AI)
        # What took it into care until now states no target that can fire: one that is enforced was set by hand.
        target = before.take_profit if before.take_profit.enforced else managed.levels.take_profit
        if not by_hand:
            return replace(managed, levels=replace(managed.levels, take_profit=target))
        levels = LevelRules(before.stop_loss, target, before.floor)
        return replace(managed, stop_set_by=position.stop_set_by, levels=levels)


async def _opened_before(connection: AsyncConnection, position_id: str, opening: Opening) -> Position:
    """What the intent has opened. Raises IntentReused."""
    position = await rows.lock_position(connection, position_id)
    if (position.account_id, position.key, position.side) != (opening.account_id, opening.key, opening.side):
        raise IntentReused(intent_id=opening.intent_id)
    return position


def _opened_by(position: Position, fills: Sequence[Fill]) -> tuple[BookedFill, ...]:
    return tuple(BookedFill(position.position_id, fill, False, Decimal(0)) for fill in in_order(fills))


def _added(quantity: Decimal, price: Decimal, fills: Sequence[Fill]) -> tuple[Decimal, Decimal]:
    """Size and average entry after fills that added."""
    added = sum((fill.quantity for fill in fills), start=Decimal(0))
    notional = quantity * price + sum((fill.quantity * fill.price for fill in fills), start=Decimal(0))
    return quantity + added, to_books(notional / (quantity + added))


def _orders(fills: Sequence[Fill]) -> str:
    return ", ".join(sorted({fill.order_id for fill in fills}))
