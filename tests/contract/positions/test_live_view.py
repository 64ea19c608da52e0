"""The live view over real books: venues that are down or slow, marks and watermarks, followed accounts."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import update

from protos.positions.v1 import live_pb2, types_pb2
from services.common.database import transaction
from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.exchange.keys import KeyReport
from services.common.trading.extremes import Extreme, TriggerPrice
from services.common.trading.level import Level, LevelKind, NoLevel, Pinned, Trailing
from services.common.trading.partition import partition_of
from services.common.trading.reading import AccountMargin, AccountReading, ReadingStatus
from services.common.trading.side import Venue
from services.positions.domain.account import Account
from services.positions.domain.errors import AccountNotFound
from services.positions.domain.live import NOT_CONFIRMED, RiskLevel
from services.positions.guards import NOT_TAKEN_IN, Guards, LevelPlace, LevelPlaces
from services.positions.queries.live import LiveQueries, LiveView
from services.positions.queries.memory import Memory
from services.positions.readings import AccountReadings, ReadingLimits
from services.positions.rpc.live import LiveRpc
from services.positions.store.levels import levels_to_document
from services.positions.store.tables import accounts, positions
from services.positions.watermarks import Watermarks
from tests.contract.positions.conftest import Books, NewAccount
from tests.contract.positions.test_queries import show
from tests.factories import at, make_reading, make_seen
from tests.fakes.venue_reader import FakeVenueReader


async def key_of(books: Books, account: Account) -> str:
    return (await books.keys.credentials(account.account_id)).api_key


async def fail(books: Books, account: Account) -> None:
    """The venue stops answering about an account; nothing has been dropped."""
    books.reader.readings[await key_of(books, account)] = make_reading(status=ReadingStatus.FAILED, reason="timed out")
    books.clock.advance(6)


def symbols(view: LiveView) -> list[str]:
    return [(live.row.seen or live.row.booked).symbol for live in view.positions]  # type: ignore[union-attr]


async def test_one_venue_down_shows_its_last_known_beside_the_others(books: Books, new_account: NewAccount) -> None:
    first = await new_account()
    second = await new_account(first.user_id)
    await show(books, first, make_seen(symbol="ETHUSDT"))
    await show(books, second, make_seen(), taken_at=at(10))
    await books.adopt(second)
    await show(books, second, make_seen(), taken_at=at(10))
    await books.live.list_live(first.user_id, None)
    await fail(books, second)
    view = await books.live.list_live(first.user_id, None)
    assert view.from_exchange
    assert sorted(symbols(view)) == ["BTCUSDT", "ETHUSDT"]
    [old] = [live for live in view.positions if live.row.account.account_id == second.account_id]
    assert not old.row.confirmed
    assert old.row.differences == (NOT_CONFIRMED,)
    assert old.age_seconds == 16
    [warning] = view.warnings
    assert (warning.account.account_id, warning.reason) == (second.account_id, "timed out")
    assert warning.last_known_at == at(10)


async def test_where_no_venue_answers_the_books_do(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await show(books, account, make_seen(), make_seen(symbol="ETHUSDT"))
    await books.live.list_live(account.user_id, None)
    await fail(books, account)
    view = await books.live.list_live(account.user_id, None)
    assert not view.from_exchange
    [live] = view.positions
    assert live.row.seen is None
    assert live.row.booked is not None
    assert live.row.booked.position_id == position_id
    assert view.warnings[0].last_known_at is None


async def test_after_tandem_changed_it_no_old_word_of_the_venue_is_shown(books: Books, new_account: NewAccount) -> None:
    first = await new_account()
    second = await new_account(first.user_id)
    await show(books, second, make_seen())
    await books.live.list_live(first.user_id, None)
    await fail(books, second)
    await books.adopt(second)
    view = await books.live.list_live(first.user_id, None)
    assert view.from_exchange
    assert [live.row.seen for live in view.positions] == [None]


async def test_a_slow_venue_delays_nobody(books: Books, new_account: NewAccount) -> None:
    fast = await new_account()
    slow = await new_account(fast.user_id)
    never = asyncio.Event()
    slow_key = await key_of(books, slow)

    class OneSlow(FakeVenueReader):
        async def read_account(
            self,
            venue: Venue,
            credentials: Credentials,
            *,
            with_margin: bool = True,
            held: bool = True,
            lane: Lane = Lane.LIVE,
        ) -> AccountReading:
            if credentials.api_key == slow_key:
                await never.wait()
            return make_reading(make_seen())

    readings = AccountReadings(
        OneSlow(), books.keys, books.clock, timedelta(5), limits=ReadingLimits(patience=timedelta(seconds=0.3))
    )
    view = await LiveQueries(books.engine, readings, books.guards, books.clock).list_live(fast.user_id, None)
    never.set()
    assert [live.row.account.account_id for live in view.positions] == [fast.account_id]
    assert [warning.account.account_id for warning in view.warnings] == [slow.account_id]
    assert view.warnings[0].reason == "the venue has not answered within 0.3 s"


async def test_an_account_whose_key_cannot_be_opened_hides_no_other(books: Books, new_account: NewAccount) -> None:
    first = await new_account()
    second = await new_account(first.user_id)
    await show(books, first, make_seen())

    class OneLost:
        async def credentials(self, account_id: str) -> Credentials:
            if account_id == second.account_id:
                raise AccountNotFound(account_id=account_id)
            return await books.keys.credentials(account_id)

    readings = AccountReadings(books.reader, OneLost(), books.clock, timedelta(seconds=5))
    view = await LiveQueries(books.engine, readings, books.guards, books.clock).list_live(first.user_id, None)
    assert symbols(view) == ["BTCUSDT"]
    assert [warning.account.account_id for warning in view.warnings] == [second.account_id]


async def test_an_account_whose_row_was_tampered_with_hides_no_other(books: Books, new_account: NewAccount) -> None:
    first = await new_account()
    second = await new_account(first.user_id)
    await show(books, first, make_seen())
    async with transaction(books.engine) as connection:
        mine = accounts.c.account_id == second.account_id
        await connection.execute(update(accounts).where(mine).values(sealed_credentials=b"tampered with"))
    view = await books.live.list_live(first.user_id, None)
    assert symbols(view) == ["BTCUSDT"]
    assert [(one.account.account_id, one.reason) for one in view.warnings] == [
        (second.account_id, f"The key of account {second.account_id} cannot be opened any more. Add it again.")
    ]


async def test_what_the_books_hold_of_an_account_with_a_refused_key_is_not_hidden(
    books: Books, new_account: NewAccount
) -> None:
    first = await new_account()
    second, flat = await new_account(first.user_id), await new_account(first.user_id)
    await show(books, first, make_seen())
    position_id = await books.adopt(second, symbol="ETHUSDT")
    for one in (second, flat):
        books.reader.reports[await key_of(books, one)] = KeyReport(False, reason="the key has expired")
        await books.accounts.verify(one.user_id, one.account_id)
    view = await books.live.list_live(first.user_id, None)
    assert sorted(symbols(view)) == ["BTCUSDT", "ETHUSDT"]
    [old] = [live.row for live in view.positions if live.row.seen is None]
    assert old.booked is not None
    assert (old.booked.position_id, old.differences, view.from_exchange) == (position_id, (NOT_CONFIRMED,), True)
    assert [(one.account.account_id, one.reason) for one in view.warnings] == [
        (second.account_id, "its key is not verified: the key has expired")
    ]
    assert symbols(await books.live.list_live(first.user_id, Venue.BYBIT)) == []


async def test_risk_and_margin_are_told(books: Books, account: Account) -> None:
    margin = AccountMargin(Decimal(1000), Decimal(2000), Decimal(500), Decimal(100))
    await show(books, account, make_seen(liquidation_price=Decimal(61000)), margin=margin)
    [live] = (await books.live.list_live(account.user_id, None)).positions
    assert (live.risk, live.margin_level) == (RiskLevel.HIGH, Decimal("0.05"))


class Marks:
    """One mark for every symbol, or none."""

    price: Decimal | None = Decimal(67000)

    def mark(self, venue: Venue, symbol: str, now: datetime) -> Decimal | None:
        return self.price

    def last(self, venue: Venue, symbol: str, now: datetime) -> Decimal | None:
        return self.price + 100 if self.price is not None else None


async def test_a_followed_account_is_priced_by_the_stream_and_not_asked(books: Books, account: Account) -> None:
    marks = Marks()
    live = LiveQueries(books.engine, books.readings, books.guards, books.clock, marks=marks)
    margin = AccountMargin(Decimal(1000), Decimal(2000), Decimal(500), Decimal(100))
    await show(books, account, make_seen(), margin=margin)
    books.readings.follow(account.account_id, lambda: True)
    await books.readings.refresh(account.venue, account.account_id)
    asked = len(books.reader.asked)
    books.clock.advance(60)
    [row] = (await live.list_live(account.user_id, None)).positions
    assert row.row.seen is not None
    assert (row.row.seen.mark_price, row.row.seen.unrealized_pnl) == (Decimal(67000), Decimal(2000))
    assert row.margin_level == Decimal(100) / Decimal(3000)
    assert row.age_seconds == 0
    assert len(books.reader.asked) == asked
    marks.price = None
    await live.list_live(account.user_id, None)
    assert len(books.reader.asked) == asked + 1, "without a mark the venue is asked"


async def test_an_enforced_trail_is_shown_from_the_extremes_that_the_monitor_told(
    books: Books, account: Account
) -> None:
    watermarks = Watermarks()
    live = LiveQueries(books.engine, books.readings, books.guards, books.clock, watermarks=watermarks)
    position_id = await books.adopt(account)
    position = await books.queries.get_position(position_id, account.user_id)
    stop = Level(Trailing(Decimal("0.02")), armed_at=at(15), armed_mark=Decimal(66000))
    rules = type(position.levels)(stop, Level(NoLevel()))
    async with transaction(books.engine) as connection:
        document = levels_to_document(rules)
        await connection.execute(
            update(positions).where(positions.c.position_id == position_id).values(levels=document, enforced=True)
        )
    await show(books, account, make_seen())

    async def stop_shown() -> Decimal | None:
        [row] = (await live.list_live(account.user_id, None)).positions
        assert row.row.levels is not None
        return row.row.levels.stop_loss

    assert await stop_shown() == Decimal(66000) * Decimal("0.98")
    for price, moment in ((Decimal(90000), at(14)), (Decimal(68000), at(16)), (Decimal(67000), at(17))):
        watermarks.take(account.venue, "BTCUSDT", TriggerPrice.MARK, [Extreme(price, moment)], [])
    assert await stop_shown() == Decimal(68000) * Decimal("0.98")


async def test_a_level_is_guarded_once_the_monitor_has_followed_its_fact(books: Books, account: Account) -> None:
    places = LevelPlaces(at(0))
    guards = Guards(timedelta(seconds=5), places)
    live = LiveQueries(books.engine, books.readings, guards, books.clock)
    position_id = await books.adopt(account)
    await show(books, account, make_seen())
    await books.levels.set_level(account.user_id, position_id, LevelKind.STOP_LOSS, Pinned(Decimal(64000)), None)
    partition = partition_of(account.account_id)

    async def reason() -> str:
        [row] = (await live.list_live(account.user_id, None)).positions
        return row.guard.reason

    guards.hear([partition], {}, books.clock.now(), 41)
    assert await reason() == NOT_TAKEN_IN
    places.put(position_id, LevelPlace(2, b"stop", 42, books.clock.now()))
    assert await reason() == NOT_TAKEN_IN
    guards.hear([partition], {}, books.clock.now(), 42)
    assert await reason() == ""


async def test_the_contract_carries_all_of_it(books: Books, new_account: NewAccount) -> None:
    first = await new_account()
    second = await new_account(first.user_id)
    margin = AccountMargin(Decimal(1000), Decimal(2000), Decimal(500), Decimal(100))
    await show(books, first, make_seen(symbol="ETHUSDT", liquidation_price=Decimal(1)), margin=margin)
    await show(books, second, make_seen(), taken_at=at(10))
    memory: Memory[object] = Memory(60)
    rpc = LiveRpc(books.live, memory)  # type: ignore[arg-type]
    request = live_pb2.ListLivePositionsRequest(user_id=first.user_id)

    async def ask() -> live_pb2.ListLivePositionsResponse:
        return await rpc.ListLivePositions(request, None)  # type: ignore[arg-type]

    before = await ask()
    assert await ask() is before
    await fail(books, second)
    memory.forget(first.user_id)
    answer = await ask()
    by_symbol = {row.symbol: row for row in answer.positions}
    now, old = by_symbol["ETHUSDT"], by_symbol["BTCUSDT"]
    assert answer.data_source == live_pb2.DATA_SOURCE_EXCHANGE
    assert (now.data_source, now.risk_level) == (live_pb2.DATA_SOURCE_EXCHANGE, live_pb2.RISK_LEVEL_LOW)
    assert (now.margin_level, now.notional) == ("0.05", "66000")
    assert list(now.out_of_sync_reasons) == ["the books do not have it yet"]
    assert (old.data_source, old.age_seconds) == (live_pb2.DATA_SOURCE_LAST_KNOWN, 16)
    [warning] = answer.warnings
    assert warning.last_known_at.ToDatetime() == at(10).replace(tzinfo=None)
    alone = live_pb2.ListLivePositionsRequest(user_id=first.user_id, exchange=types_pb2.EXCHANGE_BYBIT)
    assert not (await rpc.ListLivePositions(alone, None)).positions  # type: ignore[arg-type]


async def test_an_answer_is_not_given_again_once_more_is_known(books: Books, account: Account) -> None:
    rpc = LiveRpc(books.live, Memory(60))
    request = live_pb2.ListLivePositionsRequest(user_id=account.user_id)
    await show(books, account, make_seen())
    before = await rpc.ListLivePositions(request, None)  # type: ignore[arg-type]
    await show(books, account, make_seen(quantity=Decimal(2)))
    after = await rpc.ListLivePositions(request, None)  # type: ignore[arg-type]
    assert [row.quantity for row in (*before.positions, *after.positions)] == ["1", "2"]
