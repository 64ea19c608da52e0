"""Which price triggers the levels of an account: its setting, and what a change means for what is open."""

from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text

from protos.positions.v1 import accounts_pb2, events_pb2, live_pb2, types_pb2
from services.common.database import transaction
from services.common.exchange.prices import PriceKind
from services.common.trading.extremes import Extreme, TriggerPrice
from services.common.trading.level import LevelKind, Pinned, Trailing
from services.positions.commands.levels import Request
from services.positions.domain.account import Account
from services.positions.domain.care import DEFAULT_LEVELS, StatedLevels
from services.positions.domain.errors import AccountNotFound, LevelAlreadyCrossed, PriceUnavailable
from services.positions.domain.provenance import CloseAdvice, Plan, Urgency
from services.positions.domain.timeline import Change
from services.positions.queries.live import LiveQueries
from services.positions.rpc.accounts import AccountsRpc
from services.positions.rpc.live import LiveRpc
from services.positions.watermarks import Watermarks
from tests.contract.positions.conftest import Books
from tests.contract.positions.test_live_view import Marks
from tests.contract.positions.test_openings import opening
from tests.contract.positions.test_queries import show
from tests.factories import at, make_seen

MARK, LAST = TriggerPrice.MARK, TriggerPrice.LAST


async def in_care(books: Books, account: Account, stated: StatedLevels = DEFAULT_LEVELS) -> str:
    await show(books, account, make_seen())
    position_id = await books.adopt(account)
    await books.levels.manage(Request(account.user_id, position_id), stated)
    return position_id


async def test_a_change_arms_what_is_enforced_anew_and_tells_of_it(books: Books, account: Account) -> None:
    position_id = await in_care(books, account)
    observed = await books.adopt(account, symbol="ETHUSDT")
    books.reader.prices["BTCUSDT", PriceKind.LAST] = Decimal(66050)
    books.clock.advance(10)
    changed = await books.trigger_prices.set(account.user_id, account.account_id, LAST)
    assert (changed.trigger_price, changed.version) == (LAST, 2)
    position = await books.queries.get_position(position_id, account.user_id)
    stop = position.levels.stop_loss
    assert (position.trigger_price, stop.armed_at, stop.armed_mark) == (LAST, at(30), Decimal(66050))
    other = await books.queries.get_position(observed, account.user_id)
    assert (other.trigger_price, other.version) == (LAST, 1)
    assert await books.events(position_id) == ["position_opened", "position_levels_changed", "position_levels_changed"]
    assert await books.events(observed) == ["position_opened"]
    async with transaction(books.engine) as connection:
        payload = await connection.execute(
            text("SELECT payload FROM outbox WHERE aggregate_id = :id ORDER BY version DESC LIMIT 1"),
            {"id": position_id},
        )
    told = events_pb2.PositionLevelsChanged.FromString(payload.scalar_one()).position
    assert told.trigger_price == types_pb2.TRIGGER_PRICE_LAST
    page = await books.documents.list_timeline(account.user_id, position_id, None, 10)
    assert page.rows[-1].change is Change.TRIGGER_PRICE_SET
    assert "66050" in page.rows[-1].evidence
    enforced = {one.position_id: one for one in await books.queries.list_enforced("", 10_000)}
    assert enforced[position_id].trigger_price is LAST


async def test_the_same_setting_again_changes_nothing(books: Books, account: Account) -> None:
    position_id = await in_care(books, account)
    assert await books.trigger_prices.set(account.user_id, account.account_id, MARK) == account
    assert (await books.queries.get_position(position_id, account.user_id)).version == 2


async def test_without_a_price_nothing_changes(books: Books, account: Account) -> None:
    position_id = await in_care(books, account)
    with pytest.raises(PriceUnavailable):
        await books.trigger_prices.set(account.user_id, account.account_id, LAST)
    assert (await books.queries.get_position(position_id, account.user_id)).trigger_price is MARK
    assert [one.trigger_price for one in await books.accounts.list_accounts(account.user_id)] == [MARK]


@pytest.mark.parametrize("crossed", [Decimal(64000), Decimal(70000)])
async def test_a_level_that_the_other_price_has_passed_refuses_the_change(
    books: Books, account: Account, crossed: Decimal
) -> None:
    position_id = await in_care(books, account, StatedLevels(Pinned(Decimal(65000)), Pinned(Decimal(67000))))
    books.reader.prices["BTCUSDT", PriceKind.LAST] = crossed
    with pytest.raises(LevelAlreadyCrossed):
        await books.trigger_prices.set(account.user_id, account.account_id, LAST)
    assert (await books.queries.get_position(position_id, account.user_id)).trigger_price is MARK


async def test_a_floor_that_the_other_price_has_passed_refuses_it_too(books: Books, account: Account) -> None:
    position_id = await in_care(books, account)
    await books.levels.set_floor(Request(account.user_id, position_id), Decimal(65500))
    books.reader.prices["BTCUSDT", PriceKind.LAST] = Decimal(65400)
    with pytest.raises(LevelAlreadyCrossed):
        await books.trigger_prices.set(account.user_id, account.account_id, LAST)


async def test_another_users_account_is_not_found(books: Books, account: Account) -> None:
    with pytest.raises(AccountNotFound):
        await books.trigger_prices.set("another", account.account_id, LAST)


async def test_a_level_set_later_is_judged_and_armed_by_the_last_price(books: Books, account: Account) -> None:
    await books.trigger_prices.set(account.user_id, account.account_id, LAST)
    await show(books, account, make_seen())
    position_id = await books.adopt(account)
    books.reader.prices["BTCUSDT", PriceKind.LAST] = Decimal(64900)
    request = Request(account.user_id, position_id)
    with pytest.raises(LevelAlreadyCrossed, match="64900"):
        await books.levels.set(request, LevelKind.STOP_LOSS, Pinned(Decimal(65000)))
    changed = await books.levels.set(request, LevelKind.STOP_LOSS, Trailing(Decimal("0.02")))
    assert changed.position.levels.stop_loss.armed_mark == Decimal(64900)
    page = await books.documents.list_timeline(account.user_id, position_id, None, 10)
    assert "the last price was 64900" in page.rows[-1].evidence


@pytest.mark.parametrize(("last", "armed"), [(Decimal(66100), Decimal(66100)), (None, Decimal(65000))])
async def test_an_opening_is_armed_by_the_last_price(
    books: Books, account: Account, last: Decimal | None, armed: Decimal
) -> None:
    """Where the venue does not say one, that of its own last fill was one."""
    await books.trigger_prices.set(account.user_id, account.account_id, LAST)
    if last is not None:
        books.reader.prices["BTCUSDT", PriceKind.LAST] = last
    position = await books.openings.record(opening(account, uuid4()))
    assert (position.trigger_price, position.levels.stop_loss.armed_mark) == (LAST, armed)


async def test_what_is_managed_from_its_adoption_on_is_armed_by_the_last_price(books: Books, account: Account) -> None:
    await books.trigger_prices.set(account.user_id, account.account_id, LAST)
    await books.accounts.set_auto_manage(account.user_id, account.account_id, enabled=True)
    books.reader.prices["BTCUSDT", PriceKind.LAST] = Decimal(66200)
    position = await books.queries.get_position(await books.adopt(account), account.user_id)
    assert position.levels.stop_loss.armed_mark == Decimal(66200)


async def test_the_live_view_follows_the_extremes_of_that_price(books: Books, account: Account) -> None:
    watermarks = Watermarks()
    live = LiveQueries(books.engine, books.readings, books.guards, books.clock, marks=Marks(), watermarks=watermarks)
    books.reader.prices["BTCUSDT", PriceKind.LAST] = Decimal(66000)
    await in_care(books, account)
    await books.trigger_prices.set(account.user_id, account.account_id, LAST)
    watermarks.take(account.venue, "BTCUSDT", MARK, [Extreme(Decimal(90000), at(25))], [])
    watermarks.take(account.venue, "BTCUSDT", LAST, [Extreme(Decimal(68000), at(25))], [])
    [row] = (await live.list_live(account.user_id, None)).positions
    assert row.row.levels is not None
    assert row.row.levels.stop_loss == Decimal(68000) * Decimal("0.98")
    assert row.row.levels.take_profit == Decimal(67100) * Decimal("1.04"), "a projection from the last price now"


async def test_the_live_view_tells_all_that_the_books_know(books: Books, account: Account) -> None:
    await books.accounts.set_plan(account.user_id, Plan("pro", Decimal(10)), "admin")
    await show(books, account, make_seen())
    position = await books.openings.record(opening(account, uuid4()))
    advice = CloseAdvice("momentum is gone", Urgency.HIGH, Decimal("0.9"), books.clock.now())
    await books.levels.advise(Request(account.user_id, position.position_id), advice)
    [row] = (
        await LiveRpc(books.live).ListLivePositions(
            live_pb2.ListLivePositionsRequest(user_id=account.user_id),
            None,  # type: ignore[arg-type]
        )
    ).positions
    assert (row.plan, row.provenance.agent, row.origin) == ("pro", "scalper", types_pb2.ORIGIN_FLOW)
    assert Decimal(row.commission) == (Decimal(1000) - Decimal("26.4")) / 10
    assert row.should_close.reason == "momentum is gone"
    assert row.trigger_price == types_pb2.TRIGGER_PRICE_MARK


async def test_the_contract_sets_it(books: Books, account: Account) -> None:
    rpc = AccountsRpc(books.accounts, books.trigger_prices, books.requests)
    request = accounts_pb2.SetTriggerPriceRequest(
        user_id=account.user_id, account_id=account.account_id, trigger_price=types_pb2.TRIGGER_PRICE_LAST
    )
    answer = await rpc.SetTriggerPrice(request, None)  # type: ignore[arg-type]
    assert answer.account.trigger_price == types_pb2.TRIGGER_PRICE_LAST
