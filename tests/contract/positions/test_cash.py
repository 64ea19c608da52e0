"""Funding and transfers over real books: each once, on the position that was open, beside the equity of its day."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update

from services.common.database import transaction
from services.common.exchange.budget import Lane
from services.common.exchange.cash_flows import CashFlowsReading
from services.common.exchange.credentials import Credentials
from services.common.trading.cash_flow import CashFlow, CashFlowKind
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from services.positions.cash.reading import CashReading
from services.positions.commands.journal import Journal
from services.positions.domain.account import Account
from services.positions.domain.decision import Close
from services.positions.domain.provenance import Plan
from services.positions.domain.timeline import Change
from services.positions.store.cash import cash_readings
from services.positions.store.equity import EquitySnapshot, equity_snapshots, write_snapshots
from services.positions.store.tables import accounts
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import NOON, at, make_fill

PAID = CashFlow(CashFlowKind.FUNDING, Decimal("-1.5"), "USDT", "BTCUSDT", at(12), "f1")


class Flows:
    """A venue's cash flows."""

    def __init__(self, *flows: CashFlow) -> None:
        self.flows = flows
        self.status = ReadingStatus.COMPLETE
        self.asked: list[datetime] = []
        self.since: datetime | None = None
        self.until = at(20)

    async def read_cash_flows(
        self,
        venue: Venue,
        credentials: Credentials,
        since: datetime,
        *,
        until: datetime | None = None,
        lane: Lane = Lane.RECONCILIATION,
    ) -> CashFlowsReading:
        self.asked.append(since)
        since = max(since, self.since or since)
        found = tuple(flow for flow in self.flows if flow.at >= since)
        return CashFlowsReading(self.status, found, since, self.until)


async def read(books: Books, account: Account, venue: Flows) -> None:
    """Read this account's flows, and nobody else's."""
    async with transaction(books.engine) as connection:
        await connection.execute(update(cash_readings).values(due_at=books.clock.now() + timedelta(days=1)))
    cash = CashReading(Journal(books.engine, lambda: None), venue, books.keys, books.clock)
    async with transaction(books.engine) as connection:
        mine = cash_readings.c.account_id == account.account_id
        await connection.execute(update(cash_readings).where(mine).values(due_at=at(0)))
    while await cash.read_due():
        pass


async def test_funding_is_booked_once_on_what_was_open(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    venue = Flows(PAID, replace(PAID, flow_id="f2", amount=Decimal("0.5"), at=at(13)))
    await read(books, account, venue)
    await read(books, account, venue)
    position = await books.queries.get_position(position_id, account.user_id)
    assert (position.funding, position.version) == (Decimal(-1), 2)
    page = await books.documents.list_timeline(account.user_id, position_id, None, 10)
    assert page.rows[-1].change is Change.FUNDED
    assert page.rows[-1].evidence.startswith("1 USDT paid in 2 funding payments")
    assert await books.events(position_id) == ["position_opened", "position_levels_changed"]


async def test_an_account_whose_key_does_not_open_ends_nothing_and_delays_nobody(
    books: Books, new_account: NewAccount
) -> None:
    """What is not a domain error ends the task, and with it the process, at every start."""
    broken, sound = await new_account(), await new_account()
    async with transaction(books.engine) as connection:
        mine = accounts.c.account_id == broken.account_id
        await connection.execute(update(accounts).where(mine).values(sealed_credentials=b"tampered with"))
    position_id = await books.adopt(sound)
    venue = Flows(PAID)
    async with transaction(books.engine) as connection:
        await connection.execute(update(cash_readings).values(due_at=books.clock.now() + timedelta(days=1)))
    cash = CashReading(Journal(books.engine, lambda: None), venue, books.keys, books.clock)
    while await cash.read_due():
        pass
    assert (await books.queries.get_position(position_id, sound.user_id)).funding == PAID.amount
    async with transaction(books.engine) as connection:
        await connection.execute(update(accounts).where(mine).values(verified=False))


async def test_a_later_reading_goes_on_where_the_last_one_ended(books: Books, account: Account) -> None:
    await books.adopt(account)
    venue = Flows(PAID)
    await read(books, account, venue)
    await read(books, account, venue)
    mine = venue.asked[-1]
    assert mine == at(20) - timedelta(minutes=10)


async def test_net_profit_is_price_less_fees_plus_funding(books: Books, account: Account) -> None:
    await books.accounts.set_plan(account.user_id, Plan("pro", Decimal(10)), "admin")
    position_id = await books.adopt(account)
    await read(books, account, Flows(PAID))
    await books.apply(account, Close(position_id, 2, (make_fill(executed_at=at(15)),), Decimal(0)))
    end = (await books.queries.get_position(position_id, None)).exit
    assert end is not None
    assert end.realized_pnl == Decimal(1000) - Decimal("26.4") - Decimal("1.5")


async def test_funding_that_is_told_after_the_close_counts_too(books: Books, account: Account) -> None:
    await books.accounts.set_plan(account.user_id, Plan("pro", Decimal(10)), "admin")
    position_id = await books.adopt(account)
    await books.apply(account, Close(position_id, 1, (make_fill(executed_at=at(15)),), Decimal(0)))
    await read(books, account, Flows(PAID))
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    net = Decimal(1000) - Decimal("26.4") - Decimal("1.5")
    assert (position.exit.realized_pnl, position.commission, position.version) == (net, net / 10, 3)
    assert position.partial_pnl == net
    assert (await books.events(position_id))[-1] == "position_exit_completed"


async def test_a_payment_waits_for_its_position_to_be_in_the_books(books: Books, account: Account) -> None:
    venue = Flows(PAID)
    await read(books, account, venue)
    position_id = await books.adopt(account)
    await read(books, account, venue)
    assert (await books.queries.get_position(position_id, None)).funding == Decimal("-1.5")


@pytest.mark.parametrize("status", [ReadingStatus.PARTIAL, ReadingStatus.FAILED])
async def test_what_was_not_read_in_full_is_asked_for_again(
    books: Books, account: Account, status: ReadingStatus
) -> None:
    position_id = await books.adopt(account)
    venue = Flows(PAID)
    venue.status = status
    await read(books, account, venue)
    assert (await books.queries.get_position(position_id, None)).funding is None
    venue.status = ReadingStatus.COMPLETE
    await read(books, account, venue)
    assert (await books.queries.get_position(position_id, None)).funding == Decimal("-1.5")


def moved(amount: int, seconds: float, flow_id: str) -> CashFlow:
    return CashFlow(CashFlowKind.TRANSFER, Decimal(amount), "USDT", None, at(seconds), flow_id)


DAY = 86_400


async def keep_equity(books: Books, account: Account, *closings: tuple[int, float]) -> None:
    """The equity of so many days after today, read last so many seconds after noon of today."""
    async with transaction(books.engine) as connection:
        await write_snapshots(
            connection,
            [
                EquitySnapshot(
                    account.account_id,
                    NOON.date() + timedelta(days=day),
                    Decimal(1),
                    at(second),
                    Decimal(1),
                    at(second),
                )
                for day, second in closings
            ],
        )


async def transfers_kept(books: Books, account: Account) -> list[Decimal | None]:
    async with transaction(books.engine) as connection:
        kept = equity_snapshots.c
        rows = await connection.execute(
            select(kept.transfers).where(kept.account_id == account.account_id).order_by(kept.day)
        )
        return [row.transfers for row in rows]


async def test_transfers_stand_beside_the_equity_in_which_they_show_first(books: Books, account: Account) -> None:
    """A deposit after the last reading of a day shows in the equity of the next, as does one of a day without any."""
    await keep_equity(books, account, (0, 1), (1, DAY), (4, 4 * DAY))
    venue = Flows(
        moved(1, -5, "before"),
        moved(100, 5, "late today"),
        moved(30, 2 * DAY, "unread day"),
        moved(-7, 4 * DAY, "last"),
    )
    venue.until = at(4 * DAY + 10)
    await read(books, account, venue)
    assert await transfers_kept(books, account) == [None, Decimal(100), Decimal(23)]


async def test_what_a_venue_no_longer_tells_is_not_taken_for_nothing(books: Books, account: Account) -> None:
    """It was not read for longer than the venue goes back: of what was moved in between nobody knows."""
    await keep_equity(books, account, (0, 1), (1, DAY))
    venue = Flows()
    venue.until = at(DAY + 10)
    await read(books, account, venue)
    assert await transfers_kept(books, account) == [None, Decimal(0)]
    await keep_equity(books, account, (50, 50 * DAY), (51, 51 * DAY))
    venue.since, venue.until = at(40 * DAY), at(51 * DAY + 10)
    await read(books, account, venue)
    assert await transfers_kept(books, account) == [None, Decimal(0), None, Decimal(0)]
