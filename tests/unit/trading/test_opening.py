"""Which fills opened what is held now, and where a run of fills ended."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.fill import Fill, Settlement, in_order, net_quantity, run_to_end
from services.common.trading.opening import fills_that_led_to, fills_within
from services.common.trading.side import OrderSide, Side
from tests.factories import NOON, at, make_fill

BUY, SELL = OrderSide.BUY, OrderSide.SELL
SETTLED = Settlement(NOON, NOON)


def fill(side: OrderSide, quantity: str, seconds: float, fill_id: str, **changes: object) -> Fill:
    return make_fill(fill_id, order_side=side, quantity=Decimal(quantity), executed_at=at(seconds), **changes)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8, unique=True), st.randoms())
def test_fills_of_one_moment_are_in_the_venues_sequence(places: list[tuple[int, int]], random: object) -> None:
    """Ids that are random say nothing; any order of arrival gives the venue's."""
    fills = [
        fill(BUY, "1", moment, f"{hash((moment, sequence)) % 10**9:x}-{moment}-{sequence}", sequence=sequence)
        for moment, sequence in places
    ]
    random.shuffle(fills)  # type: ignore[attr-defined]
    assert [(one.executed_at, one.sequence) for one in in_order(fills)] == sorted(
        (at(moment), sequence) for moment, sequence in places
    )


def test_a_flip_within_a_millisecond_is_told_by_the_sequence() -> None:
    closing = fill(SELL, "1", 1, "ffff", sequence=1)
    opening = fill(BUY, "2", 1, "aaaa", sequence=2)
    run = run_to_end(Side.LONG, Decimal(1), [opening, closing], SETTLED)
    assert run is not None
    assert [one.fill_id for one in run.after] == ["aaaa"]


def test_what_opened_a_position_starts_from_zero() -> None:
    fills = [fill(BUY, "1", 1, "a"), fill(SELL, "3", 2, "b"), fill(SELL, "1", 3, "c")]
    opened = fills_that_led_to(fills, Decimal(-3))
    assert [(one.fill_id, one.quantity) for one in opened] == [("b", Decimal(2)), ("c", Decimal(1))]


def test_a_position_that_is_older_than_its_fills_shows_no_opening() -> None:
    assert fills_that_led_to([fill(BUY, "1", 1, "a")], Decimal(5)) == ()
    assert [one.fill_id for one in fills_within([fill(BUY, "1", 1, "a")], Decimal(5))] == ["a"]


def test_an_older_position_that_closed_meanwhile_does_not_count() -> None:
    """Five were held, all were sold, two were bought: those two opened what is held."""
    fills = [fill(SELL, "5", 1, "a"), fill(BUY, "2", 2, "b")]
    assert [one.fill_id for one in fills_that_led_to(fills, Decimal(2))] == ["b"]


@given(
    st.integers(-3, 3),
    st.lists(st.tuples(st.sampled_from(OrderSide), st.integers(1, 4)), max_size=8),
)
def test_the_opening_adds_up_to_what_is_held_or_is_empty(start: int, moves: list[tuple[OrderSide, int]]) -> None:
    fills = [fill(side, str(quantity), place, str(place)) for place, (side, quantity) in enumerate(moves)]
    final = Decimal(start) + net_quantity(fills)
    opened = fills_that_led_to(fills, final)
    assert opened == () or net_quantity(opened) == final
    if start == 0:
        assert net_quantity(opened) == final


def test_a_run_ends_at_its_first_zero() -> None:
    fills = [fill(SELL, "1", 1, "a"), fill(SELL, "1", 2, "b"), fill(BUY, "5", 3, "c")]
    run = run_to_end(Side.LONG, Decimal(2), fills, SETTLED)
    assert run is not None
    assert [one.fill_id for one in run.reducing] == ["a", "b"]
    assert [one.fill_id for one in run.after] == ["c"]
    assert run_to_end(Side.LONG, Decimal(3), fills[:2], SETTLED) is None


def test_fills_that_the_quantity_held_already_end_nothing() -> None:
    assert run_to_end(Side.LONG, Decimal(1), [fill(SELL, "1", -1, "a")], SETTLED) is None
