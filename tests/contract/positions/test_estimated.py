"""A close without fills is estimated until they come; a closed row changes in no other way."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from services.common.database import transaction
from services.common.trading.exit_reason import ExitReason
from services.common.trading.fill import Fill
from services.common.trading.side import OrderSide
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
