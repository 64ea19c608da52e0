"""A level that its user sets is enforced, that one alone; one that the price has passed is refused."""

from decimal import Decimal

import pytest

from services.common.errors import PositionAlreadyClosed, PositionNotFound, TradingNotEnabled, VersionConflict
from services.common.trading.level import LevelKind, NoLevel, Pinned
from services.common.trading.reading import ReadingStatus
from services.positions.domain.account import Account
from services.positions.domain.decision import Close
from services.positions.domain.errors import LevelAlreadyCrossed, PriceUnavailable
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen

STOP, TARGET = LevelKind.STOP_LOSS, LevelKind.TAKE_PROFIT
AT_64000 = Pinned(Decimal(64000))


async def adopted(books: Books, account: Account) -> str:
    """A long of 1 BTC, marked at 66 000 by its venue."""
    await _show(books, account)
    return await books.adopt(account)


async def _show(books: Books, account: Account, **changes: object) -> None:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(make_seen(**changes))


async def test_the_level_that_is_set_is_enforced_and_no_other(books: Books, account: Account) -> None:
    position_id = await adopted(books, account)
    position = await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, None)
    assert position.levels.stop_loss.rule == AT_64000
    assert (position.levels.stop_loss.enforced, position.levels.take_profit.enforced) == (True, False)
    assert (position.levels.stop_loss.armed_at, position.levels.stop_loss.armed_mark) == (at(20), Decimal(66000))
    assert not position.managed
    assert await books.events(position_id) == ["position_opened", "position_levels_changed"]
    assert position_id in {one.position_id for one in await books.queries.list_enforced("", 500)}


async def test_the_same_level_again_is_no_change(books: Books, account: Account) -> None:
    position_id = await adopted(books, account)
    first = await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, None)
    assert await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, None) == first


async def test_a_level_can_be_taken_away(books: Books, account: Account) -> None:
    position_id = await adopted(books, account)
    await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, None)
    position = await books.levels.set_level(account.user_id, position_id, STOP, NoLevel(), None)
    assert not position.enforced
    assert position_id not in {one.position_id for one in await books.queries.list_enforced("", 500)}


@pytest.mark.parametrize(("kind", "price"), [(STOP, "66000"), (STOP, "70000"), (TARGET, "66000"), (TARGET, "1")])
async def test_a_level_that_the_price_has_passed_is_refused(
    books: Books, account: Account, kind: LevelKind, price: str
) -> None:
    position_id = await adopted(books, account)
    with pytest.raises(LevelAlreadyCrossed, match="price is 66000 already"):
        await books.levels.set_level(account.user_id, position_id, kind, Pinned(Decimal(price)), None)


async def test_without_a_current_price_no_level_is_taken(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(status=ReadingStatus.FAILED, reason="down")
    with pytest.raises(PriceUnavailable):
        await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, None)


async def test_another_users_position_is_not_found(books: Books, account: Account) -> None:
    position_id = await adopted(books, account)
    with pytest.raises(PositionNotFound):
        await books.levels.set_level("somebody-else", position_id, STOP, AT_64000, None)


async def test_two_writers_meet_by_version(books: Books, account: Account) -> None:
    position_id = await adopted(books, account)
    await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, 1)
    with pytest.raises(VersionConflict):
        await books.levels.set_level(account.user_id, position_id, STOP, Pinned(Decimal(65000)), 1)


async def test_a_closed_position_takes_no_level(books: Books, account: Account) -> None:
    position_id = await adopted(books, account)
    await books.apply(account, Close(position_id, 1, (make_fill(),), Decimal(0)))
    with pytest.raises(PositionAlreadyClosed):
        await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, None)


async def test_where_trading_is_off_nothing_is_enforced(books: Books, new_account: NewAccount) -> None:
    account = await new_account(trading_enabled=False)
    position_id = await adopted(books, account)
    with pytest.raises(TradingNotEnabled):
        await books.levels.set_level(account.user_id, position_id, STOP, AT_64000, None)
