"""The live view of a user: every account that can be read, at once, merged with the books."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.clock import Clock
from services.common.database import transaction
from services.common.errors import DomainError, NoVerifiedApiKeys, Unavailable
from services.common.trading.extremes import TriggerPrice
from services.common.trading.reading import AccountReading, ReadingStatus, VenuePosition
from services.common.trading.side import Venue
from services.positions.domain.account import Account
from services.positions.domain.live import LiveRow, RiskLevel, margin_level, merge, risk_level
from services.positions.domain.position import Position
from services.positions.guards import NOT_ENFORCED, Guard, Guards
from services.positions.readings import READABLE, AccountReadings
from services.positions.store import accounts
from services.positions.store import positions as rows
from services.positions.watermarks import WatermarkSource


class MarkSource(Protocol):
    """Knows prices without asking."""

    def mark(self, venue: Venue, symbol: str, now: datetime) -> Decimal | None:
        """None where there is none that is young enough."""
        ...

    def last(self, venue: Venue, symbol: str, now: datetime) -> Decimal | None:
        """The price that was paid last. None where there is none that is young enough."""
        ...


@dataclass(frozen=True, slots=True)
class AccountWarning:
    """An account whose venue could not be read in full just now. `last_known_at`: when its rows were read, if shown."""

    account: Account
    status: ReadingStatus
    reason: str
    last_known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LivePosition:
    """A row of the live view, whether its enforced levels are watched, and how its account stands.

    `age_seconds` is how old the venue's word is; None where the row is from the books alone.
    """

    row: LiveRow
    guard: Guard
    risk: RiskLevel | None = None
    margin_level: Decimal | None = None
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LiveView:
    """All of it. `from_exchange` is False where no venue answered: then every row is from the books."""

    positions: tuple[LivePosition, ...]
    warnings: tuple[AccountWarning, ...]
    from_exchange: bool
    taken_at: datetime
    basis: tuple[tuple[str, int], ...] = ()
    """The accounts that were looked at, and which of all that was ever known of them this is."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What one account's venue said. `shown`: a reading to be shown; None where the books must answer."""

    account: Account
    reading: AccountReading
    shown: AccountReading | None

    @property
    def confirmed(self) -> bool:
        return self.shown is self.reading or (self.shown is not None and self.reading.status in READABLE)


class LiveQueries:
    """Answers for people who look. Without `marks` and `watermarks`, readings alone say what prices are."""

    def __init__(
        self,
        engine: AsyncEngine,
        readings: AccountReadings,
        guards: Guards,
        clock: Clock,
        *,
        marks: MarkSource | None = None,
        watermarks: WatermarkSource | None = None,
    ) -> None:
        self._engine = engine
        self._readings = readings
        self._guards = guards
        self._clock = clock
        self._marks = marks
        self._watermarks = watermarks

    async def list_live(self, user_id: str, venue: Venue | None) -> LiveView:
        """What is open now. An account whose venue does not answer shows what it said last, with a warning; where none
        of them answers, the books do. What they hold of an account without a verified key is shown, with a warning.

        Raises NoVerifiedApiKeys.
        """
        async with transaction(self._engine) as connection:
            all_accounts = await accounts.list_accounts(connection, user_id)
            booked = await rows.list_open(connection, user_id=user_id)
        readable = [one for one in all_accounts if one.verified]
        if not readable:
            raise NoVerifiedApiKeys
        asked = [one for one in readable if venue in (None, one.venue)]
        looks = await asyncio.gather(*(self._look(one) for one in asked))
        now = self._clock.now()
        from_exchange = not asked or any(look.reading.status in READABLE for look in looks)
        held = {row.account_id for row in booked}
        looks += [_unread(one, now) for one in all_accounts if venue in (None, one.venue) and _is_unread(one, held)]
        live: list[LivePosition] = []
        warnings = []
        for look in looks:
            own = [row for row in booked if row.account_id == look.account.account_id]
            shown = look.shown if from_exchange else None
            live.extend(self._rows(look, shown, own, now))
            if not look.reading.complete:
                last_known_at = shown.taken_at if shown is not None and not look.confirmed else None
                reading = look.reading
                warnings.append(AccountWarning(look.account, reading.status, reading.reason, last_known_at))
        return LiveView(
            positions=tuple(live),
            warnings=tuple(warnings),
            from_exchange=from_exchange,
            taken_at=now,
            basis=tuple((one.account_id, self._readings.generation(one.account_id)) for one in asked),
        )

    def is_current(self, view: LiveView) -> bool:
        """Whether nothing else has become known of the view's accounts since."""
        return all(self._readings.generation(account_id) == generation for account_id, generation in view.basis)

    async def _look(self, account: Account) -> _Look:
        followed = self._readings.followed(account.account_id)
        if followed is not None:
            marked = self._with_marks(account.venue, followed)
            if marked is not None:
                return _Look(account, marked, marked)
        try:
            reading = await self._readings.read(account.venue, account.account_id)
        except Unavailable:
            raise
        except DomainError as error:
            now = self._clock.now()
            reading = AccountReading(ReadingStatus.FAILED, now, now, reason=error.message)
        if reading.status in READABLE:
            return _Look(account, reading, reading)
        return _Look(account, reading, self._readings.last_known(account.account_id))

    def _with_marks(self, venue: Venue, reading: AccountReading) -> AccountReading | None:
        """A followed account's reading at the marks of now; None where one of them is missing."""
        now = self._clock.now()
        positions = []
        for seen in reading.positions:
            mark = None if self._marks is None else self._marks.mark(venue, seen.symbol, now)
            if mark is None:
                return None
            positions.append(seen if mark == seen.mark_price else _at_mark(seen, mark))
        margin = reading.margin
        if margin is not None:
            gained = sum((one.unrealized_pnl for one in positions), start=Decimal(0))
            before = sum((one.unrealized_pnl for one in reading.positions), start=Decimal(0))
            margin = replace(margin, equity=margin.equity + gained - before)
        # The stream would have told of a change: this is the venue's word of now.
        return replace(reading, positions=tuple(positions), margin=margin, taken_at=max(now, reading.taken_at))

    def _rows(
        self, look: _Look, shown: AccountReading | None, booked: list[Position], now: datetime
    ) -> list[LivePosition]:
        """The venue's rows, then those of the books that it did not list. Absence is believed of a complete reading."""
        if shown is None:
            return [self._row(LiveRow(look.account, None, one, confirmed=False), None, None, now) for one in booked]
        complete = look.confirmed and look.reading.complete
        margin = margin_level(shown)
        merged = merge(look.account, shown.positions, booked, complete=complete, confirmed=look.confirmed)
        return [self._row(row, margin, shown.taken_at, now) for row in merged]

    def _row(self, row: LiveRow, margin: Decimal | None, taken_at: datetime | None, now: datetime) -> LivePosition:
        booked, seen = row.booked, row.seen
        guard = _UNENFORCED if booked is None else self._guards.guard_of_position(booked, now)
        if seen is None:
            return LivePosition(row, guard)
        watermark = None if booked is None else self._watermark(booked)
        last_price = None
        if self._marks is not None and row.trigger_price is TriggerPrice.LAST:
            last_price = self._marks.last(row.account.venue, seen.symbol, now)
        if watermark is not None or last_price is not None:
            row = replace(row, watermark=watermark, last_price=last_price)
        age = None if taken_at is None else max(0.0, (now - taken_at).total_seconds())
        return LivePosition(row, guard, risk_level(seen, margin), margin, age)

    def _watermark(self, booked: Position) -> Decimal | None:
        armed_at = booked.levels.stop_loss.armed_at
        if self._watermarks is None or armed_at is None:
            return None
        return self._watermarks.watermark(booked.venue, booked.symbol, booked.side, armed_at, booked.trigger_price)


_UNENFORCED = Guard(False, NOT_ENFORCED)


def _is_unread(account: Account, held: Collection[str]) -> bool:
    """Whether the books hold positions of an account that nobody can read: they are not hidden for that."""
    return not account.verified and account.account_id in held


def _unread(account: Account, now: datetime) -> _Look:
    why = f": {account.refusal}" if account.refusal else ""
    reading = AccountReading(ReadingStatus.FAILED, now, now, reason=f"its key is not verified{why}")
    return _Look(account, reading, None)


def _at_mark(seen: VenuePosition, mark: Decimal) -> VenuePosition:
    moved = (mark - seen.mark_price) * seen.quantity * seen.side.sign
    return replace(seen, mark_price=mark, unrealized_pnl=seen.unrealized_pnl + moved, notional=seen.quantity * mark)


async def open_rows(engine: AsyncEngine, account_id: str) -> list[Position]:
    """What the books hold open of an account now."""
    async with transaction(engine) as connection:
        return await rows.list_open(connection, account_id=account_id)
