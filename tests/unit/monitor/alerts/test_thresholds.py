"""The heaps against a loop over everything: the same is reached, always."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.monitor.domain.alerts.thresholds import ThresholdBook

PRICES = st.one_of(
    st.integers(90, 110).map(Decimal),
    st.decimals("99.9", "100.1", places=18),
    # Neighbours that are one float.
    st.integers(-3, 3).map(lambda n: Decimal(100) + n * Decimal("1e-17")),
)
KEYS = st.integers(0, 6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, PRICES, st.booleans()),
        st.tuples(st.just("remove"), KEYS),
        st.tuples(st.just("price"), PRICES),
    ),
    max_size=60,
)


class Loop:
    """Asks every one at each price."""

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[Decimal, bool]] = {}

    def reached(self, price: Decimal) -> set[int]:
        found = {key for key, (level, rising) in self.waiting.items() if (price >= level if rising else price <= level)}
        for key in found:
            del self.waiting[key]
        return found


@given(STEPS)
def test_the_same_is_reached_as_by_a_loop_over_everything(steps: list[tuple[object, ...]]) -> None:
    book, loop = ThresholdBook[int](), Loop()
    for step in steps:
        match step:
            case ("put", int(key), Decimal() as level, bool(rising)):
                book.put(key, level, rising=rising)
                loop.waiting[key] = (level, rising)
            case ("remove", int(key)):
                book.remove(key)
                loop.waiting.pop(key, None)
            case ("price", Decimal() as price):
                reached = book.reached(price)
                assert len(reached) == len(set(reached))
                assert set(reached) == loop.reached(price)
        assert len(book) == len(loop.waiting)
        assert all(key in book for key in loop.waiting)


def test_what_is_left_over_does_not_pile_up() -> None:
    book = ThresholdBook[int]()
    for turn in range(10_000):
        book.put(turn % 3, Decimal(100 + turn), rising=True)
    assert len(book._rising._heap) < 200
    assert sorted(book.reached(Decimal(20_000))) == [0, 1, 2]
