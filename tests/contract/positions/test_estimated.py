"""A close without fills is estimated until they come; a closed row changes in no other way."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from services.common.database import transaction
from services.common.exchange.prices import PriceKind
from services.common.trading.client_order_id import ClientOrderId, OrderCause
from services.common.trading.exit_reason import ExitReason
from services.common.trading.extremes import TriggerPrice
from services.common.trading.fill import Fill
from services.common.trading.side import OrderSide, Side
from services.positions.domain.account import Account
from services.positions.domain.decision import Adjust, Adopt, Close, CloseEstimated, CompleteExit, Outcome
from services.positions.domain.position import PositionStatus
from services.positions.store.history import Chosen
from services.positions.store.tables import positions
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen


async def estimated(books: Books, account: Account) -> str:
    """A long of 1 BTC from 65 000 that was first missed fifteen seconds after noon."""
    position_id = await books.adopt(account)
    [result] = await books.apply(account, CloseEstimated(position_id, 1, at(15)))
    assert result.outcome is Outcome.APPLIED
    return position_id


async def show(books: Books, account: Account, *seen: object, fills: tuple[Fill, ...] = ()) -> None:
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(*seen, asked_at=at(30), taken_at=at(30.2))  # type: ignore[arg-type]
    books.reader.fills[credentials.api_key] = list(fills)


async def test_an_estimated_close_invents_nothing(books: Books, account: Account) -> None:
    position_id = await estimated(books, account)
    position = await books.queries.get_position(position_id, None)
    assert position.status is PositionStatus.CLOSED
    assert position.exit is not None
    assert position.exit.estimated
    assert (position.exit.price, position.exit.quantity, position.exit.fee) == (None, None, None)
    assert (position.exit.realized_pnl, position.exit.executed_at) == (None, at(15))
    assert position.exit.reason is ExitReason.CLOSED_EXTERNALLY
    assert await books.events(position_id) == ["position_opened", "position_closed"]
    figures = await books.queries.analyze(Chosen(account.user_id))
    assert (figures.trades.totals.total, figures.trades.estimated) == (0, 1)


async def test_an_absence_from_before_the_row_was_settled_closes_nothing(books: Books, account: Account) -> None:
    position_id = await books.adopt(account, updated_at=at(9))
    [result] = await books.apply(account, CloseEstimated(position_id, 1, at(8)))
    assert result.outcome is Outcome.STALE


async def test_later_fills_complete_it(books: Books, account: Account) -> None:
    position_id = await estimated(books, account)
    later = make_fill("other", order_side=OrderSide.BUY, executed_at=at(20))
    [result] = await books.apply(account, CompleteExit(position_id, 2, (make_fill("a", executed_at=at(14)), later)))
    position = await books.queries.get_position(position_id, None)
    assert result.outcome is Outcome.APPLIED
    assert position.exit is not None
    assert not position.exit.estimated
    assert (position.exit.price, position.exit.realized_pnl) == (Decimal(66000), Decimal("973.6"))
    assert (position.exit.executed_at, position.version) == (at(14), 3)
    assert await books.events(position_id) == ["position_opened", "position_closed", "position_exit_completed"]
    assert (await books.queries.analyze(Chosen(account.user_id))).trades.totals.total == 1


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


async def test_fills_that_do_not_reach_its_end_complete_nothing(books: Books, account: Account) -> None:
    position_id = await estimated(books, account)
    half = make_fill("a", quantity=Decimal("0.5"), executed_at=at(14))
    [result] = await books.apply(account, CompleteExit(position_id, 2, (half,)))
    assert result.outcome is Outcome.STALE


async def test_what_is_exact_is_not_completed_again(books: Books, account: Account) -> None:
    position_id = await estimated(books, account)
    act = CompleteExit(position_id, 2, (make_fill("a", executed_at=at(14)),))
    await books.apply(account, act)
    [again] = await books.apply(account, CompleteExit(position_id, 3, (make_fill("b", executed_at=at(14)),)))
    assert again.outcome is Outcome.STALE


async def test_the_monitors_fills_complete_it_too(books: Books, account: Account) -> None:
    position_id = await estimated(books, account)
    position = await books.fills.record_fills(position_id, [make_fill("a", executed_at=at(14))], "intent")
    assert position.exit is not None
    assert position.exit.price == Decimal(66000)
    assert await books.fills.record_fills(position_id, [make_fill("a", executed_at=at(14))], "intent") == position


async def test_an_observation_brings_the_estimated_rows_that_are_asked_for(books: Books, account: Account) -> None:
    position_id = await estimated(books, account)
    await show(books, account)
    assert (await books.observation.observe(account.account_id)).estimated == ()
    [row] = (await books.observation.observe(account.account_id, estimated_ids=[position_id])).estimated
    assert (row.position.position_id, row.fills) == (position_id, ())
    await show(books, account, fills=(make_fill("a", executed_at=at(14)),))
    [row] = (await books.observation.observe(account.account_id, estimated_ids=[position_id])).estimated
    assert (row.position.version, row.fills_complete) == (2, True)
    assert [fill.fill_id for fill in row.fills] == ["a"]


async def test_an_observation_tells_what_opened_an_unknown_position(books: Books, account: Account) -> None:
    opening = make_fill("o", order_side=OrderSide.BUY, quantity=Decimal(2), executed_at=at(10))
    older = make_fill("old", executed_at=at(5))
    await show(books, account, make_seen(quantity=Decimal(2), updated_at=at(10)), fills=(older, opening))
    [unknown] = (await books.observation.observe(account.account_id)).unbooked
    assert [fill.fill_id for fill in unknown.fills] == ["o"]


@pytest.mark.parametrize(("days", "found"), [(0.5, ["o"]), (5, ["o"]), (20, ["o"]), (40, [])])
async def test_what_opened_a_position_is_looked_for_some_weeks_back(
    books: Books, account: Account, days: float, found: list[str]
) -> None:
    opening = make_fill("o", order_side=OrderSide.BUY, executed_at=at(10) - timedelta(days=days))
    await show(books, account, make_seen(updated_at=at(10)), fills=(opening,))
    [unknown] = (await books.observation.observe(account.account_id)).unbooked
    assert [fill.fill_id for fill in unknown.fills] == found


async def test_closed_and_reopened_at_the_same_size_and_entry_is_noticed(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    fills = (
        make_fill("a", price=Decimal(65000), executed_at=at(12)),
        make_fill("b", order_side=OrderSide.BUY, price=Decimal(65000), executed_at=at(13)),
    )
    same = make_seen(updated_at=at(13))
    await show(books, account, same, fills=fills)
    [row] = (await books.observation.observe(account.account_id)).booked
    assert [fill.fill_id for fill in row.fills] == ["a", "b"]
    [result] = await books.apply(account, Adjust(position_id, 1, same, at(30), at(30.2), row.fills))
    assert result.outcome is Outcome.STALE
    closed, adopted = await books.apply(
        account, Close(position_id, 1, row.fills, Decimal(1)), Adopt(same, at(30), at(30.2), row.fills[1:])
    )
    assert (closed.outcome, adopted.outcome) == (Outcome.APPLIED, Outcome.APPLIED)
    new = await books.queries.get_position(adopted.position_id, None)
    assert (new.opened_at, new.entry_fee) == (at(13), Decimal("26.4"))


async def test_where_only_the_time_moved_there_is_no_new_version(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    seen = make_seen(updated_at=at(12))
    [result] = await books.apply(account, Adjust(position_id, 1, seen, at(30), at(30.2)))
    position = await books.queries.get_position(position_id, None)
    assert result.outcome is Outcome.APPLIED
    assert (position.version, position.settlement.until) == (1, at(12))
    assert await books.events(position_id) == ["position_opened"]
    await show(books, account, seen, fills=(make_fill("a", executed_at=at(11)),))
    [row] = (await books.observation.observe(account.account_id)).booked
    assert row.fills == ()


async def test_an_entry_of_more_decimals_than_the_books_keep_is_the_same_entry(books: Books, account: Account) -> None:
    entry = Decimal("65000.1234567890123456789")
    position_id = await books.adopt(account, entry_price=entry)
    position = await books.queries.get_position(position_id, None)
    assert position.agrees_with(make_seen(entry_price=entry))


async def test_a_fill_of_an_earlier_position_is_no_part_of_the_next(books: Books, account: Account) -> None:
    """Closed, reopened two seconds later: the sale that ended the first is within the second's margin of time."""
    first = await books.adopt(account)
    sale, bought, last = (
        make_fill("a", executed_at=at(12)),
        make_fill("b", order_side=OrderSide.BUY, executed_at=at(14)),
        make_fill("c", price=Decimal(67000), executed_at=at(40)),
    )
    await books.apply(account, Close(first, 1, (sale,), Decimal(0)))
    books.clock.set(at(25))
    [adopted] = await books.apply(account, Adopt(make_seen(updated_at=at(14)), at(30), at(30.2)))
    books.clock.set(at(50))
    await show(books, account, fills=(sale, bought, last))
    [row] = (await books.observation.observe(account.account_id)).booked
    assert [fill.fill_id for fill in row.fills] == ["b", "c"]
    await books.apply(account, Close(adopted.position_id, 1, (sale, bought, last), Decimal(0)))
    position = await books.queries.get_position(adopted.position_id, None)
    assert position.exit is not None
    assert (position.exit.quantity, position.exit.price) == (Decimal(1), Decimal(67000))
    assert position.entry_fee == Decimal("26.4")


@pytest.mark.parametrize(
    "illegal",
    [
        {"status": "open", "closed_at": None, "exit_reason": None, "exit_estimated": None, "version": 3},
        {"realized_pnl": Decimal(1), "version": 3},
        {"quantity": Decimal(2)},
        {"version": 4},
        {"symbol": "ETHUSDT"},
    ],
)
@pytest.mark.parametrize("exact", [True, False])
async def test_a_closed_row_cannot_be_rewritten(
    books: Books, account: Account, illegal: dict[str, object], exact: bool
) -> None:
    position_id = await books.adopt(account)
    act = Close(position_id, 1, (make_fill(),), Decimal(0)) if exact else CloseEstimated(position_id, 1, at(15))
    await books.apply(account, act)
    with pytest.raises(DBAPIError, match="violates check constraint"):
        async with transaction(books.engine) as connection:
            await connection.execute(update(positions).where(positions.c.position_id == position_id).values(**illegal))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.randoms())
async def test_estimated_then_completed_is_what_a_close_would_have_been(
    books: Books, new_account: NewAccount, parts: list[int], random: object
) -> None:
    size = Decimal(sum(parts))
    fills = [
        make_fill(str(place), quantity=Decimal(part), price=Decimal(65000 + 100 * place), executed_at=at(11 + place))
        for place, part in enumerate(parts)
    ]
    exits = []
    for late in (False, True):
        account = await new_account()
        position_id = await books.adopt(account, quantity=size)
        random.shuffle(fills)  # type: ignore[attr-defined]
        if late:
            await books.apply(account, CloseEstimated(position_id, 1, at(18)))
            await books.apply(account, CompleteExit(position_id, 2, tuple(fills)))
        else:
            await books.apply(account, Close(position_id, 1, tuple(fills), Decimal(0)))
        exits.append((await books.queries.get_position(position_id, None)).exit)
    assert exits[0] is not None
    assert exits[0] == exits[1]
