"""Realised profit stays right through partial closes and additions: by hand, and against a naive reckoning.

The venue's figure per fill is what counts where it states one; here it states none, and the entry is the venue's, which
a reading brings after each addition.
"""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import PositionNotFound
from services.common.trading.fill import Fill
from services.common.trading.reading import ReadingStatus
from services.common.trading.side import OrderSide, Side
from services.positions.domain.account import Account
from services.positions.domain.decision import Adjust, Adopt, Close, CloseEstimated, CompleteExit
from tests.contract.positions.conftest import Books, NewAccount
from tests.factories import at, make_fill, make_reading, make_seen

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def fill(side: OrderSide, quantity: str, price: str, seconds: int, fee: str = "1") -> Fill:
    return make_fill(
        f"f{seconds}",
        order_side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_quote=Decimal(fee),
        executed_at=at(seconds),
    )


async def open_by(books: Books, account: Account, first: Fill, side: Side = Side.LONG) -> str:
    seen = make_seen(side=side, quantity=first.quantity, entry_price=first.price, updated_at=first.executed_at)
    books.clock.set(first.executed_at)
    [result] = await books.apply(account, Adopt(seen, first.executed_at, first.executed_at, (first,)))
    return result.position_id


def money(*numbers: Decimal | None) -> list[float | None]:
    """Small round numbers, plainly."""
    return [None if number is None else float(number) for number in numbers]


async def test_a_position_worked_by_hand(books: Books, account: Account) -> None:
    """Bought 2 at 100, sold 1 at 110 (+10), bought 1 at 120 (entry 110), sold 2 at 130 (+40); five fees of 1, 2."""
    position_id = await open_by(books, account, fill(BUY, "2", "100", 1))
    part = await books.fills.record_fills(position_id, [fill(SELL, "1", "110", 2)], "i1")
    assert money(part.quantity, part.entry_price, part.partial_pnl, part.entry_fee) == [1, 100, 8, 1]
    seen = make_seen(quantity=Decimal(2), entry_price=Decimal(110), updated_at=at(3))
    await books.apply(account, Adjust(position_id, 2, seen, at(4), at(4), (fill(BUY, "1", "120", 3),)))
    added = await books.queries.get_position(position_id, None)
    assert money(added.quantity, added.partial_pnl, added.entry_fee) == [2, 7, 2]
    await books.apply(account, Close(position_id, 3, (fill(SELL, "2", "130", 5, "2"),), Decimal(0)))
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    assert money(position.exit.fee, position.exit.realized_pnl) == [5, 45]
    assert position.exit.quantity == 3
    assert position.exit.realized_pnl_percent == Decimal("13.636363636363636364")


async def test_a_short_worked_by_hand(books: Books, account: Account) -> None:
    position_id = await open_by(books, account, fill(SELL, "3", "100", 1), Side.SHORT)
    await books.fills.record_fills(position_id, [fill(BUY, "1", "90", 2)], "i1")
    position = await books.fills.record_fills(position_id, [fill(BUY, "2", "105", 3)], "i2")
    assert position.exit is not None
    assert position.exit.realized_pnl == 10 - 10 - 3


async def test_the_venues_own_figure_counts(books: Books, account: Account) -> None:
    position_id = await books.adopt(account)
    own = make_fill(realized_pnl=Decimal("999.5"), executed_at=at(15))
    position = await books.fills.record_fills(position_id, [own], "i1")
    assert position.exit is not None
    assert position.exit.realized_pnl == Decimal("999.5") - Decimal("26.4")


async def test_a_zero_trade_nets_its_fees(books: Books, account: Account) -> None:
    position_id = await open_by(books, account, fill(BUY, "1", "100", 1, "0"))
    position = await books.fills.record_fills(position_id, [fill(SELL, "1", "100", 2, "0")], "i1")
    assert position.exit is not None
    assert money(position.exit.realized_pnl, position.exit.realized_pnl_percent) == [0, 0]


async def test_what_was_added_on_the_way_to_the_end_moves_the_entry(books: Books, account: Account) -> None:
    """Bought 1 at 100; then, between two readings, 1 more at 200 (entry 150), and all sold at 160: +20, not +120."""
    position_id = await open_by(books, account, fill(BUY, "1", "100", 1, "0"))
    run = (fill(BUY, "1", "200", 2, "0"), fill(SELL, "2", "160", 3, "0"))
    await books.apply(account, Close(position_id, 1, run, Decimal(0)))
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    assert money(position.entry_price, position.exit.realized_pnl) == [150, 20]
    assert position.exit.realized_pnl_percent == Decimal("6.666666666666666667")


@pytest.mark.parametrize("opening_known", [True, False])
async def test_a_part_whose_fills_were_listed_late_counts_when_it_is_over(
    books: Books, account: Account, opening_known: bool
) -> None:
    """Sold 0.6 of 1 in two parts; the venue said so at once and listed them a minute later. The rest is sold at 120."""
    first, rest = fill(BUY, "1", "100", 1), fill(SELL, "0.4", "120", 90)
    parts = (fill(SELL, "0.3", "110", 10), fill(SELL, "0.3", "115", 18))
    if opening_known:
        position_id = await open_by(books, account, first)
    else:
        position_id = await books.adopt(account, entry_price=Decimal(100), updated_at=at(1))
    left = make_seen(quantity=Decimal("0.4"), entry_price=Decimal(100), updated_at=at(18))
    await books.apply(account, Adjust(position_id, 1, left, at(20), at(20.2)))
    credentials = await books.keys.credentials(account.account_id)
    books.reader.readings[credentials.api_key] = make_reading(asked_at=at(100), taken_at=at(100.2))
    books.reader.fills[credentials.api_key] = [first, *parts, rest]
    [row] = (await books.observation.observe(account.account_id)).booked
    await books.apply(account, Close(position_id, 2, row.fills, Decimal(0)))
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    assert position.exit.quantity == 1
    assert money(position.exit.realized_pnl, position.exit.fee) == [3 + 4.5 + 8 - 4, 4]


@pytest.mark.parametrize("opening_known", [True, False])
async def test_a_part_whose_fills_were_listed_late_counts_when_our_own_order_ends_the_rest(
    books: Books, account: Account, opening_known: bool
) -> None:
    """As above, but the rest is sold by an order of ours, which the monitor brings: no reconciliation comes between."""
    first, rest = fill(BUY, "1", "100", 1), fill(SELL, "0.4", "120", 90)
    parts = (fill(SELL, "0.3", "110", 10), fill(SELL, "0.3", "115", 18))
    if opening_known:
        position_id = await open_by(books, account, first)
    else:
        position_id = await books.adopt(account, entry_price=Decimal(100), updated_at=at(1))
    left = make_seen(quantity=Decimal("0.4"), entry_price=Decimal(100), updated_at=at(18))
    await books.apply(account, Adjust(position_id, 1, left, at(20), at(20.2)))
    credentials = await books.keys.credentials(account.account_id)
    books.reader.fills[credentials.api_key] = [first, *parts, rest]
    position = await books.fills.record_fills(position_id, [rest], "intent")
    assert position.exit is not None
    assert position.exit.quantity == 1
    assert money(position.exit.realized_pnl, position.exit.fee) == [3 + 4.5 + 8 - 4, 4]


async def test_what_is_listed_late_is_not_asked_for_where_nothing_is_missing(books: Books, account: Account) -> None:
    position_id = await open_by(books, account, fill(BUY, "1", "100", 1))
    credentials = await books.keys.credentials(account.account_id)
    books.reader.fills[credentials.api_key] = [fill(SELL, "0.3", "110", 0)]
    assert await books.observation.read_late(position_id) == ()
    with pytest.raises(PositionNotFound):
        await books.observation.read_late("OP_1_999999")


async def test_a_venue_that_does_not_tell_keeps_no_order_from_being_booked(books: Books, account: Account) -> None:
    position_id = await open_by(books, account, fill(BUY, "1", "100", 1))
    left = make_seen(quantity=Decimal("0.4"), entry_price=Decimal(100), updated_at=at(18))
    await books.apply(account, Adjust(position_id, 1, left, at(20), at(20.2)))
    books.reader.fills_status = ReadingStatus.FAILED
    position = await books.fills.record_fills(position_id, [fill(SELL, "0.4", "120", 90)], "intent")
    assert position.exit is not None


async def test_later_fills_of_an_estimated_exit_are_reckoned_alike(books: Books, account: Account) -> None:
    position_id = await open_by(books, account, fill(BUY, "1", "100", 1, "0"))
    await books.apply(account, CloseEstimated(position_id, 1, at(15)))
    run = (fill(BUY, "1", "200", 2, "0"), fill(SELL, "2", "160", 3, "0"))
    await books.apply(account, CompleteExit(position_id, 2, run))
    position = await books.queries.get_position(position_id, None)
    assert position.exit is not None
    assert money(position.entry_price, position.exit.realized_pnl) == [150, 20]


@pytest.mark.parametrize("side", list(Side))
async def test_an_entry_of_eighteen_decimals_closes_by_a_fill_of_many(
    books: Books, account: Account, side: Side
) -> None:
    """A third has no end, and a price times a quantity has the decimals of both: the books keep eighteen."""
    entry = Decimal("0.333333333333333333")
    position_id = await books.adopt(account, side=side, quantity=Decimal("0.003"), entry_price=entry)
    last = fill(side.closing, "0.003", "0.4567", 15, "0")
    position = await books.fills.record_fills(position_id, [last], "i1")
    assert position.exit is not None
    assert position.exit.realized_pnl == side.sign * Decimal("0.000370100000000000")


MOVES = st.lists(
    st.tuples(st.booleans(), st.integers(1, 5), st.integers(90, 110), st.integers(0, 3)), min_size=1, max_size=6
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(Side), st.integers(1, 5), st.integers(90, 110), MOVES)
async def test_cash_in_less_cash_out_is_the_oracle(
    books: Books,
    new_account: NewAccount,
    side: Side,
    first_quantity: int,
    first_price: int,
    moves: list[tuple[bool, int, int, int]],
) -> None:
    """What a trade has made when it is over is the cash that came in less the cash that went out, fees included."""
    account = await new_account()
    first = fill(side.opening, str(first_quantity), str(first_price), 1)
    position_id = await open_by(books, account, first, side)
    fills, held, entry, version = [first], Decimal(first_quantity), Decimal(first_price), 1
    for place, (adds, quantity, price, fee) in enumerate(moves, start=2):
        size = Decimal(quantity) if adds else min(Decimal(quantity), held)
        if not adds and size == held:
            continue
        one = fill(side.opening if adds else side.closing, str(size), str(price), place, str(fee))
        fills.append(one)
        if adds:
            entry = (held * entry + size * price) / (held + size)
            held += size
            seen = make_seen(side=side, quantity=held, entry_price=entry, updated_at=at(place))
            await books.apply(account, Adjust(position_id, version, seen, at(place), at(place), (one,)))
        else:
            held -= size
            await books.fills.record_fills(position_id, [one], "i")
        version += 1
    last = fill(side.closing, str(held), "101", 50)
    position = await books.fills.record_fills(position_id, [last], "i")
    cash = sum(
        (one.price * one.quantity * (1 if one.order_side is SELL else -1) - one.fee for one in (*fills, last)),
        start=Decimal(0),
    )
    assert position.exit is not None
    assert position.exit.realized_pnl is not None
    assert abs(position.exit.realized_pnl - cash) < Decimal("1e-12")
    assert position.version == version + 1
