"""What is shown: the venue beside the books, and the books alone."""

from decimal import Decimal

import pytest

from services.common.errors import NoVerifiedApiKeys
from services.common.trading.level import LevelKind, Pinned
from services.common.trading.partition import partition_of
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import Venue
from services.positions.domain.account import Account
from services.positions.domain.decision import Close
from services.positions.store.history import Chosen
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen


async def show(books: Books, account: Account, *seen: object, **changes: object) -> None:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(*seen, **changes)  # type: ignore[arg-type]
    books.readings.drop(account.account_id)


async def test_without_a_key_there_is_nothing_to_show(books: Books) -> None:
    with pytest.raises(NoVerifiedApiKeys, match=r"^No verified API keys found$"):
        await books.live.list_live("nobody", None)


async def test_what_the_books_do_not_know_is_shown_with_default_levels(books: Books, account: Account) -> None:
    await show(books, account, make_seen())
    view = await books.live.list_live(account.user_id, None)
    [live] = view.positions
    assert live.row.booked is None
    assert not live.row.in_sync
    assert live.row.levels is not None
    assert live.row.levels.stop_loss == Decimal(64680)


async def test_in_sync_is_side_size_and_entry(books: Books, account: Account) -> None:
    await books.adopt(account)
    for seen, expected in [
        (make_seen(), True),
        (make_seen(quantity=Decimal(2)), False),
        (make_seen(entry_price=Decimal(1)), False),
    ]:
        await show(books, account, seen)
        view = await books.live.list_live(account.user_id, None)
        assert [live.row.in_sync for live in view.positions] == [expected]


async def test_a_venue_that_is_down_leaves_the_books(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await show(books, account, status=ReadingStatus.FAILED, reason="timed out")
    view = await books.live.list_live(account.user_id, None)
    assert not view.from_exchange
    assert [live.row.booked and live.row.booked.position_id for live in view.positions] == [position_id]
    assert [warning.reason for warning in view.warnings] == ["timed out"]


async def test_a_partial_reading_hides_no_position(books: Books, account: Account) -> None:
    await books.adopt(account)
    await show(books, account, make_seen(symbol="ETHUSDT"), status=ReadingStatus.PARTIAL, reason="page 2 failed")
    view = await books.live.list_live(account.user_id, None)
    assert {(live.row.seen or live.row.booked).symbol for live in view.positions} == {"BTCUSDT", "ETHUSDT"}  # type: ignore[union-attr]


async def test_one_exchange_alone_can_be_asked_for(books: Books, account: Account) -> None:
    await show(books, account, make_seen())
    assert len((await books.live.list_live(account.user_id, Venue.BINANCE)).positions) == 1
    assert len((await books.live.list_live(account.user_id, Venue.BYBIT)).positions) == 0


async def test_guarded_is_what_the_monitor_says(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    await show(books, account, make_seen())
    await books.levels.set_level(account.user_id, position_id, LevelKind.STOP_LOSS, Pinned(Decimal(64000)), None)

    async def guarded() -> tuple[bool, str]:
        [live] = (await books.live.list_live(account.user_id, None)).positions
        return live.guard.guarded, live.guard.reason

    assert await guarded() == (False, "the monitor is not heard from")
    partition = partition_of(account.account_id)
    books.guards.hear([partition], {}, books.clock.now())
    assert await guarded() == (True, "")
    books.guards.hear([partition], {account.account_id: "the price feed is stale"}, books.clock.now())
    assert await guarded() == (False, "the price feed is stale")
    books.guards.hear([partition], {}, books.clock.now())
    books.clock.advance(6)
    assert await guarded() == (False, "the monitor is not heard from")


async def test_an_observation_brings_the_fills_of_what_is_not_confirmed(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    credentials = await books.keys.credentials(account.account_id)
    books.reader.fills[credentials.api_key] = [
        make_fill("new", executed_at=at(4)),
        make_fill("old", executed_at=at(-60)),
    ]
    seen = await books.observation.observe(account.account_id)
    [row] = seen.booked
    assert (row.position.position_id, row.position.version) == (position_id, 1)
    assert [fill.fill_id for fill in row.fills] == ["new"]
    assert row.fills_complete


async def test_a_confirmed_row_costs_no_question_about_fills(books: Books, account: Account) -> None:
    await books.adopt(account)
    credentials = await books.keys.credentials(account.account_id)
    books.reader.fills[credentials.api_key] = [make_fill("new", executed_at=at(4))]
    await show(books, account, make_seen())
    [row] = (await books.observation.observe(account.account_id)).booked
    assert row.fills == ()


async def close_all(books: Books, account: Account, profits: list[str]) -> None:
    for number, profit in enumerate(profits):
        moment = at(30 + 10 * number)
        books.clock.set(moment)
        position_id = await books.adopt(account, symbol=f"C{number}USDT", updated_at=moment)
        fill = make_fill(
            f"{number}",
            symbol=f"C{number}USDT",
            price=Decimal(65000) + Decimal(profit),
            fee=Decimal(0),
            fee_quote=Decimal(0),
            executed_at=at(31 + 10 * number),
        )
        await books.apply(account, Close(position_id, 1, (fill,), Decimal(0)))


async def test_closes_become_figures(books: Books, account: Account) -> None:
    await close_all(books, account, ["100", "-40", "0", "60"])
    totals = (await books.queries.analyze(Chosen(account.user_id))).trades.totals
    assert (totals.total, totals.winning, totals.losing) == (4, 2, 1)
    assert totals.win_rate == Decimal(50)
    assert (totals.total_pnl, totals.average_pnl) == (Decimal(120), Decimal(30))
    assert (totals.best, totals.worst) == (Decimal(100), Decimal(-40))


async def test_history_is_paged_from_the_latest(books: Books, new_account: NewAccount) -> None:
    account = await new_account()
    await close_all(books, account, ["1", "2", "3"])
    first = await books.queries.list_history(Chosen(account.user_id), None, 2)
    second = await books.queries.list_history(Chosen(account.user_id), first.next_cursor, 2)
    assert [one.symbol for one in (*first.positions, *second.positions)] == ["C2USDT", "C1USDT", "C0USDT"]
    assert second.next_cursor is None


async def test_of_an_account_that_holds_nothing_an_empty_list_is_read_alone_and_shown_to_nobody(
    books: Books, account: Account
) -> None:
    await show(books, account)
    assert (await books.observation.observe(account.account_id, with_margin=False)).reading.complete
    assert books.readings.last_known(account.account_id) is None
    await books.adopt(account)
    await books.observation.observe(account.account_id, with_margin=False)
    assert books.reader.held == [False, True]
