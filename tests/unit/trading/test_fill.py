"""What fills do to a position: an exit is what they say, in whatever order they come."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.fill import (
    Fill,
    Settlement,
    in_order,
    net_quantity,
    run_fills,
    run_to,
    summarize_exit,
)
from services.common.trading.side import OrderSide, Side
from tests.factories import NOON, at, make_fill

BUY, SELL = OrderSide.BUY, OrderSide.SELL
SETTLED = Settlement(NOON, NOON)

FILLS = st.lists(
    st.tuples(
        st.sampled_from(OrderSide),
        st.decimals(min_value="0.001", max_value="5", places=3),
        st.decimals(min_value="1", max_value="1000", places=2),
        st.integers(min_value=-3, max_value=20),
    ),
    max_size=8,
).map(
    lambda rows: [
        make_fill(str(number), order_side=side, quantity=quantity, price=price, executed_at=at(seconds))
        for number, (side, quantity, price, seconds) in enumerate(rows)
    ]
)


def sell(quantity: str, seconds: float, fill_id: str = "1", price: str = "100") -> Fill:
    return make_fill(
        fill_id, order_side=SELL, quantity=Decimal(quantity), executed_at=at(seconds), price=Decimal(price)
    )


def buy(quantity: str, seconds: float, fill_id: str = "1", price: str = "100") -> Fill:
    return make_fill(fill_id, order_side=BUY, quantity=Decimal(quantity), executed_at=at(seconds), price=Decimal(price))


@given(FILLS, st.randoms())
def test_any_order_of_fills_pages_and_duplicates_is_one_run(fills: list[Fill], random: object) -> None:
    shuffled = [*fills, *fills]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert in_order(shuffled) == in_order(fills)
    assert run_fills(Side.LONG, Decimal(2), shuffled) == run_fills(Side.LONG, Decimal(2), fills)
    assert summarize_exit(shuffled) == summarize_exit(fills)


@given(st.sampled_from(Side), FILLS)
def test_a_run_loses_and_invents_no_quantity(side: Side, fills: list[Fill]) -> None:
    run = run_fills(side, Decimal(2), fills)
    signed = side.sign * run.quantity + net_quantity(run.after)
    assert signed == side.sign * 2 + net_quantity(fills)
    assert run.quantity >= 0
    assert not run.after or run.ended


def test_partial_closes_add_up_to_one_exit() -> None:
    run = run_fills(Side.LONG, Decimal(3), [sell("1", 1, "a", "100"), sell("2", 2, "b", "103")])
    summary = summarize_exit(run.reducing)
    assert run.ended
    assert summary is not None
    assert (summary.price, summary.quantity, summary.executed_at) == (Decimal(102), Decimal(3), at(2))


def test_a_run_that_crosses_zero_ends_one_position_and_begins_another() -> None:
    run = run_fills(Side.LONG, Decimal(1), [sell("3", 1)])
    assert run.ended
    assert [fill.quantity for fill in run.reducing] == [Decimal(1)]
    assert [fill.quantity for fill in run.after] == [Decimal(2)]
    assert run.reducing[0].fee + run.after[0].fee == make_fill().fee


def test_closed_and_reopened_between_two_readings() -> None:
    fills = [sell("1", 1, "a"), buy("2", 2, "b")]
    run = run_to(Side.LONG, Decimal(1), fills, SETTLED, Decimal(2))
    assert run is not None
    assert run.ended
    assert [fill.fill_id for fill in run.after] == ["b"]


def test_fills_that_do_not_lead_to_what_the_venue_says_explain_nothing() -> None:
    assert run_to(Side.LONG, Decimal(2), [sell("1", 1)], SETTLED, Decimal(0)) is None


def test_a_row_that_is_merely_missing_is_not_closed_by_what_went_before_it() -> None:
    """Bought 2, sold 1, adopted with 1; the next reading lacks the row: the earlier sale does not explain it."""
    fills = [buy("2", -2, "a"), sell("1", -1, "b")]
    assert run_to(Side.LONG, Decimal(1), fills, SETTLED, Decimal(0)) is None


def test_a_fill_within_the_reading_is_counted_once() -> None:
    """Sold 1 while the reading was under way: it may be in the quantity or not; what follows tells."""
    settlement = Settlement(at(0), at(2))
    in_it = run_to(Side.LONG, Decimal(1), [sell("1", 1, "a"), sell("1", 5, "b", "90")], settlement, Decimal(0))
    assert in_it is not None
    assert [fill.fill_id for fill in in_it.settled] == ["a"]
    assert [fill.fill_id for fill in in_it.reducing] == ["b"]
    not_in_it = run_to(Side.LONG, Decimal(2), [sell("1", 1, "a"), sell("1", 5, "b")], settlement, Decimal(0))
    assert not_in_it is not None
    assert [fill.fill_id for fill in not_in_it.reducing] == ["a", "b"]


def test_a_short_is_mirrored() -> None:
    run = run_to(Side.SHORT, Decimal(1), [buy("1", 1)], SETTLED, Decimal(0))
    assert run is not None
    assert run.ended


def test_a_fee_that_cannot_be_converted_leaves_the_exits_fee_unknown() -> None:
    summary = summarize_exit([sell("1", 1), make_fill("2", fee_currency="BNB", fee_quote=None)])
    assert summary is not None
    assert summary.fee is None


def test_no_fills_no_exit() -> None:
    assert summarize_exit([]) is None
