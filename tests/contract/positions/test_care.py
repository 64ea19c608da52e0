"""Care of positions: both levels stated and enforced, floors, giving back; who may state what; the timeline of it."""

from decimal import Decimal

import pytest

from services.common.errors import PositionAlreadyClosed, PositionNotFound, TradingNotEnabled, VersionConflict
from services.common.trading.level import INDICATIVE_LEVELS, LevelKind, NoLevel, Pinned, Trailing
from services.positions.commands.levels import Request
from services.positions.domain.account import Account
from services.positions.domain.care import DEFAULT_LEVELS, StatedLevels
from services.positions.domain.decision import Close
from services.positions.domain.errors import (
    FloorWithoutTrailingStop,
    LevelAlreadyCrossed,
    StopBeyondLiquidation,
)
from services.positions.domain.provenance import CloseAdvice, Urgency
from services.positions.domain.timeline import Actor
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen

STOP, TARGET = LevelKind.STOP_LOSS, LevelKind.TAKE_PROFIT
TWO_PERCENT = Trailing(Decimal("0.02"))


async def adopted(books: Books, account: Account, **changes: object) -> Request:
    """A long of 1 BTC, marked at 66 000 by its venue."""
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(make_seen(**changes))
    return Request(account.user_id, await books.adopt(account))


async def test_a_trailing_stop_is_armed_at_the_mark(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    position = (await books.levels.set(request, STOP, TWO_PERCENT)).position
    stop = position.levels.stop_loss
    assert (stop.rule, stop.armed_at, stop.armed_mark) == (TWO_PERCENT, at(20), Decimal(66000))
    assert (position.stop_set_by, position.managed) == (Actor.USER, False)


async def test_a_trailing_target_is_shown_and_never_enforced(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    position = (await books.levels.set(request, TARGET, Trailing(Decimal("0.1")))).position
    assert position.levels.take_profit.rule == Trailing(Decimal("0.1"))
    assert not position.enforced


async def test_care_states_and_enforces_both(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    stated = StatedLevels(TWO_PERCENT, Pinned(Decimal(70000)))
    position = (await books.levels.manage(request, stated)).position
    assert position.managed
    assert (position.levels.stop_loss.enforced, position.levels.take_profit.enforced) == (True, True)
    assert await books.events(position.position_id) == ["position_opened", "position_levels_changed"]


async def test_care_by_default_trails(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    position = (await books.levels.manage(request, DEFAULT_LEVELS)).position
    assert position.levels.stop_loss.rule == TWO_PERCENT
    assert position.levels.take_profit.rule == Trailing(Decimal("0.04"))


async def test_care_again_keeps_what_a_trailing_stop_has_won(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    first = (await books.levels.manage(request, DEFAULT_LEVELS)).position
    books.clock.advance(60)
    again = (await books.levels.manage(request, DEFAULT_LEVELS)).position
    assert again == first


async def test_what_is_given_back_is_observed(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    await books.levels.manage(request, DEFAULT_LEVELS)
    position = (await books.levels.release(request)).position
    assert (position.managed, position.enforced, position.levels) == (False, False, INDICATIVE_LEVELS)
    assert (await books.levels.release(request)).position == position


async def test_a_floor_lies_under_an_enforced_trailing_stop(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    with pytest.raises(FloorWithoutTrailingStop):
        await books.levels.set_floor(request, Decimal(65000))
    await books.levels.set(request, STOP, TWO_PERCENT)
    position = (await books.levels.set_floor(request, Decimal(65000))).position
    assert position.levels.floor == Decimal(65000)
    with pytest.raises(LevelAlreadyCrossed):
        await books.levels.set_floor(request, Decimal(66000))
    assert (await books.levels.set_floor(request, None)).position.levels.floor is None


async def test_a_floor_goes_with_its_trailing_stop(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    await books.levels.set(request, STOP, TWO_PERCENT)
    await books.levels.set_floor(request, Decimal(65000))
    assert (await books.levels.set(request, STOP, Pinned(Decimal(64000)))).position.levels.floor is None


@pytest.mark.parametrize("author", [Actor.FLOW, Actor.AI])
async def test_a_stop_beyond_liquidation_is_refused_to_flows(books: Books, account: Account, author: Actor) -> None:
    found = await adopted(books, account, liquidation_price=Decimal(60000))
    request = Request(found.user_id, found.position_id, author=author)
    with pytest.raises(StopBeyondLiquidation):
        await books.levels.set(request, STOP, Pinned(Decimal(59000)))
    with pytest.raises(StopBeyondLiquidation):
        await books.levels.manage(request, StatedLevels(Trailing(Decimal("0.2")), NoLevel()))


async def test_a_person_is_warned_of_it(books: Books, account: Account) -> None:
    request = await adopted(books, account, liquidation_price=Decimal(60000))
    changed = await books.levels.set(request, STOP, Pinned(Decimal(59000)))
    assert changed.position.levels.stop_loss.enforced
    assert ["beyond the liquidation price 60000" in warning for warning in changed.warnings] == [True]
    assert (await books.levels.set(request, STOP, Pinned(Decimal(61000)))).warnings == ()


async def test_levels_that_the_price_has_passed_are_refused_together(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    with pytest.raises(LevelAlreadyCrossed):
        await books.levels.manage(request, StatedLevels(Pinned(Decimal(67000)), NoLevel()))
    assert not (await books.queries.get_position(request.position_id, None)).managed


async def test_care_needs_an_open_position_of_ones_own_and_the_right_to_trade(
    books: Books, account: Account, new_account: NewAccount
) -> None:
    request = await adopted(books, account)
    with pytest.raises(PositionNotFound):
        await books.levels.manage(Request("somebody-else", request.position_id), DEFAULT_LEVELS)
    with pytest.raises(VersionConflict):
        await books.levels.manage(Request(account.user_id, request.position_id, 7), DEFAULT_LEVELS)
    await books.apply(account, Close(request.position_id, 1, (make_fill(),), Decimal(0)))
    for act in (books.levels.manage(request, DEFAULT_LEVELS), books.levels.release(request)):
        with pytest.raises(PositionAlreadyClosed):
            await act
    idle = await new_account(trading_enabled=False)
    with pytest.raises(TradingNotEnabled):
        await books.levels.manage(await adopted(books, idle), DEFAULT_LEVELS)


async def test_an_account_may_have_what_is_adopted_later_managed(books: Books, account: Account) -> None:
    before = await books.adopt(account)
    await books.accounts.set_auto_manage(account.user_id, account.account_id, enabled=True)
    after = await books.adopt(account, symbol="ETHUSDT")
    assert not (await books.queries.get_position(before, None)).managed
    managed = await books.queries.get_position(after, None)
    assert (managed.managed, managed.levels.stop_loss.rule) == (True, TWO_PERCENT)
    assert (managed.levels.stop_loss.enforced, managed.levels.stop_loss.armed_mark) == (True, Decimal(66000))


async def test_advice_is_kept_and_closes_nothing(books: Books, account: Account) -> None:
    request = await adopted(books, account)
    advice = CloseAdvice("momentum is gone", Urgency.HIGH, Decimal("0.9"), at(20))
    position = (await books.levels.advise(request, advice)).position
    assert position.is_open
    assert (await books.queries.get_position(request.position_id, None)).close_advice == advice
    assert (await books.levels.advise(request, None)).position.close_advice is None


async def test_the_timeline_says_who_what_why_and_the_levels_after_it(books: Books, account: Account) -> None:
    found = await adopted(books, account)
    request = Request(found.user_id, found.position_id, author=Actor.AI, reason="the trend has turned")
    await books.levels.set(request, STOP, Pinned(Decimal(64000)))
    await books.levels.release(found)
    await books.fills.record_fills(found.position_id, [make_fill(executed_at=at(25))], "intent-1")
    page = await books.documents.list_timeline(account.user_id, found.position_id, None, 10)
    assert [(entry.version, entry.actor.value, entry.change.value) for entry in page.rows] == [
        (1, "reconciler", "adopted"),
        (2, "ai", "level_set"),
        (3, "user", "released"),
        (4, "monitor", "closed"),
    ]
    level_set = page.rows[1]
    assert level_set.reason == "the trend has turned"
    assert "stop-loss to 64000 while the mark price was 66000" in level_set.evidence
    assert level_set.levels is not None
    assert level_set.levels.stop_loss.rule == Pinned(Decimal(64000))
    with pytest.raises(PositionNotFound):
        await books.documents.list_timeline("somebody-else", found.position_id, None, 10)
