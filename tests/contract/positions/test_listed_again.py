"""What a venue lists again after it ended in the books: the same position going on, another one, or a stale list."""

from decimal import Decimal
from uuid import uuid4

import pytest

from services.common.exchange.prices import PriceKind
from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill
from services.common.trading.side import OrderSide, Side
from services.positions.domain.account import Account
from services.positions.domain.decision import Adopt, Close, CloseEstimated, CompleteExit, Outcome
from tests.contract.positions.conftest import Books
from tests.contract.positions.test_estimated import show
from tests.factories import at, make_fill, make_seen


async def test_a_position_that_was_there_all_along_is_adopted_again(books: Books, account: Account) -> None:
    """It was missed for so long that its end was estimated; now the venue lists it, unchanged since before that."""
    opening = make_fill("o", order_side=OrderSide.BUY, executed_at=at(0))
    seen = make_seen(updated_at=at(0))
    [first] = await books.apply(account, Adopt(seen, at(10), at(10.2), (opening,)))
    await books.apply(account, CloseEstimated(first.position_id, 1, at(15)))
    books.clock.set(at(90))
    [again] = await books.apply(account, Adopt(seen, at(100), at(100.2), (opening,)))
    assert again.outcome is Outcome.APPLIED
    fees = [(await books.queries.get_position(one.position_id, None)).entry_fee for one in (first, again)]
    assert fees == [Decimal("26.4"), None]  # a fill opens one position


async def test_what_is_listed_again_waits_for_no_fills_of_its_end(books: Books, account: Account) -> None:
    """It goes on in another row, whose fills are that row's alone."""
    first = await books.adopt(account, updated_at=at(0))
    await books.apply(account, CloseEstimated(first, 1, at(15)))
    await show(books, account)
    assert (await books.observation.observe(account.account_id, estimated_ids=[first])).estimated
    books.clock.set(at(90))
    [again] = await books.apply(account, Adopt(make_seen(updated_at=at(0)), at(100), at(100.2)))
    history = await books.documents.list_timeline(None, again.position_id, None, 10)
    assert f"It is what {first} was" in history.rows[0].evidence
    await show(books, account, make_seen(updated_at=at(0)), fills=(make_fill("a", executed_at=at(110)),))
    assert (await books.observation.observe(account.account_id, estimated_ids=[first])).estimated == ()
    ended = await books.fills.record_fills(again.position_id, [make_fill("a", executed_at=at(110))], "intent")
    assert ended.exit is not None
    assert (await books.observation.observe(account.account_id, estimated_ids=[first])).estimated == ()


@pytest.mark.parametrize("added", [False, True])
async def test_what_was_missed_and_is_listed_again_keeps_its_stop(books: Books, account: Account, added: bool) -> None:
    """It never ended: whose it is, and the levels that guard it, are what they were, also where it has grown since."""
    intent_id = uuid4()
    ours = str(ClientOrderId(OrderCause.OPEN, intent_id))
    opening = make_fill("o", order_side=OrderSide.BUY, executed_at=at(0), client_order_id=ours)
    [first] = await books.apply(account, Adopt(make_seen(updated_at=at(0)), at(10), at(10.2), (opening,)))
    before = await books.queries.get_position(first.position_id, None)
    assert (before.managed, before.enforced) == (True, True)
    await books.apply(account, CloseEstimated(first.position_id, 1, at(15)))
    books.clock.set(at(90))
    fills: tuple[Fill, ...] = (opening,)
    seen = make_seen(updated_at=at(0))
    if added:
        fills = (opening, make_fill("b", order_side=OrderSide.BUY, executed_at=at(60)))
        seen = make_seen(quantity=Decimal(2), updated_at=at(60))
    [again] = await books.apply(account, Adopt(seen, at(100), at(100.2), fills))
    after = await books.queries.get_position(again.position_id, None)
    assert (after.managed, after.origin, after.intent_id) == (True, before.origin, str(intent_id))
    assert (after.levels, after.stop_set_by, after.opened_at) == (before.levels, before.stop_set_by, at(0))
    assert after.quantity == seen.quantity
    await show(books, account, seen)
    asked = await books.observation.observe(account.account_id, estimated_ids=[first.position_id])
    assert asked.estimated == ()


async def test_levels_of_what_goes_on_are_armed_anew_where_another_price_triggers_them(
    books: Books, account: Account
) -> None:
    position_id = await books.adopt(account, updated_at=at(0))
    books.reader.prices["BTCUSDT", PriceKind.LAST] = Decimal(65900)
    await books.apply(account, CloseEstimated(position_id, 1, at(15)))
    await books.trigger_prices.set(account.user_id, account.account_id, TriggerPrice.LAST)
    books.clock.set(at(90))
    [again] = await books.apply(account, Adopt(make_seen(updated_at=at(0)), at(100), at(100.2)))
    after = await books.queries.get_position(again.position_id, None)
    assert (after.trigger_price, after.version, after.managed) == (TriggerPrice.LAST, 1, False)


async def test_a_stale_list_brings_nothing_back_that_ended_in_its_second_row(books: Books, account: Account) -> None:
    first = await books.adopt(account, updated_at=at(0))
    await books.apply(account, CloseEstimated(first, 1, at(15)))
    books.clock.set(at(90))
    [again] = await books.apply(account, Adopt(make_seen(updated_at=at(0)), at(100), at(100.2)))
    ended = make_fill("a", executed_at=at(110))
    await books.apply(account, Close(again.position_id, 1, (ended,), Decimal(0)))
    books.clock.set(at(120))
    [ghost] = await books.apply(account, Adopt(make_seen(updated_at=at(0)), at(130), at(130.2)))
    assert ghost.outcome is Outcome.STALE


async def test_a_row_whose_fills_another_row_of_it_took_waits_for_none(books: Books, account: Account) -> None:
    """Our own order ended the first row after all, while the second, of the same position, was missed again."""
    first = await books.adopt(account, updated_at=at(0))
    await books.apply(account, CloseEstimated(first, 1, at(15)))
    books.clock.set(at(90))
    [again] = await books.apply(account, Adopt(make_seen(updated_at=at(0)), at(100), at(100.2)))
    await books.fills.record_fills(first, [make_fill("a", executed_at=at(110))], "intent")
    await books.apply(account, CloseEstimated(again.position_id, 1, at(120)))
    await show(books, account)
    asked = [first, again.position_id]
    assert (await books.observation.observe(account.account_id, estimated_ids=asked)).estimated == ()


async def test_what_ended_the_next_position_does_not_complete_the_one_before(books: Books, account: Account) -> None:
    """An order of ours has just ended it; before that is booked, the fills of the one before are asked for."""
    first = await books.adopt(account, updated_at=at(0))
    await books.apply(account, CloseEstimated(first, 1, at(15)))
    books.clock.set(at(90))
    bought = make_fill("b", order_side=OrderSide.BUY, executed_at=at(50))
    [second] = await books.apply(account, Adopt(make_seen(updated_at=at(50)), at(100), at(100.2), (bought,)))
    ended = make_fill("f", executed_at=at(110))
    [result] = await books.apply(account, CompleteExit(first, 2, (ended,)))
    assert result.outcome is Outcome.STALE
    position = await books.fills.record_fills(second.position_id, [ended], "intent")
    assert position.exit is not None
    [late] = await books.apply(account, CompleteExit(first, 2, (make_fill("a", executed_at=at(14)), ended)))
    assert late.outcome is Outcome.APPLIED


async def test_what_began_after_an_estimated_end_settles_nothing_of_it(books: Books, account: Account) -> None:
    first = await books.adopt(account, updated_at=at(0))
    await books.apply(account, CloseEstimated(first, 1, at(15)))
    books.clock.set(at(90))
    [_] = await books.apply(account, Adopt(make_seen(updated_at=at(50)), at(100), at(100.2)))
    await show(books, account, make_seen(updated_at=at(50)))
    [row] = (await books.observation.observe(account.account_id, estimated_ids=[first])).estimated
    assert row.position.position_id == first


async def test_two_estimated_rows_of_one_position_leave_the_later_one_waiting(books: Books, account: Account) -> None:
    first = await books.adopt(account, updated_at=at(0))
    await books.apply(account, CloseEstimated(first, 1, at(15)))
    books.clock.set(at(90))
    [again] = await books.apply(account, Adopt(make_seen(updated_at=at(0)), at(100), at(100.2)))
    await books.apply(account, CloseEstimated(again.position_id, 1, at(120)))
    await show(books, account, fills=(make_fill("a", executed_at=at(110)),))
    asked = [first, again.position_id]
    [row] = (await books.observation.observe(account.account_id, estimated_ids=asked)).estimated
    assert (row.position.position_id, [fill.fill_id for fill in row.fills]) == (again.position_id, ["a"])


async def test_a_stale_list_brings_no_position_back_that_fills_ended(books: Books, account: Account) -> None:
    position_id = await books.adopt(account, updated_at=at(9))
    await books.apply(account, Close(position_id, 1, (make_fill("a", executed_at=at(12)),), Decimal(0)))
    books.clock.set(at(90))
    [again] = await books.apply(account, Adopt(make_seen(updated_at=at(9)), at(100), at(100.2)))
    assert again.outcome is Outcome.STALE


async def test_what_a_fill_across_zero_began_is_adopted_though_its_time_is_a_little_before_the_fills(
    books: Books, account: Account
) -> None:
    """A venue's positions and its fills have clocks of their own."""
    position_id = await books.adopt(account, updated_at=at(9))
    across = make_fill("a", quantity=Decimal(3), executed_at=at(12))
    seen = make_seen(side=Side.SHORT, quantity=Decimal(2), updated_at=at(11.997))
    closed, adopted = await books.apply(
        account,
        Close(position_id, 1, (across,), Decimal(-2)),
        Adopt(seen, at(30), at(30.2), (across.part(Decimal(2)),)),
    )
    assert (closed.outcome, adopted.outcome) == (Outcome.APPLIED, Outcome.APPLIED)
    books.clock.set(at(40))
    await books.apply(account, CloseEstimated(adopted.position_id, 1, at(35)))
    books.clock.set(at(50))
    [again] = await books.apply(account, Adopt(seen, at(60), at(60.2)))
    assert again.outcome is Outcome.APPLIED


async def test_a_position_begun_as_its_predecessor_ended_is_adopted_at_the_next_look(
    books: Books, account: Account
) -> None:
    position_id = await books.adopt(account, updated_at=at(9))
    await books.apply(account, Close(position_id, 1, (make_fill("a", executed_at=at(12)),), Decimal(0)))
    books.clock.set(at(25))
    [adopted] = await books.apply(account, Adopt(make_seen(updated_at=at(11.997)), at(30), at(30.2)))
    assert adopted.outcome is Outcome.APPLIED
