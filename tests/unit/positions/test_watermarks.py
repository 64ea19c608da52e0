"""The extremes that are shown are those that were told, in whatever order."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.extremes import Extreme, TriggerPrice
from services.common.trading.side import Side, Venue
from services.positions.watermarks import Watermarks
from tests.factories import NOON, at

facts = st.lists(
    st.tuples(st.integers(0, 50), st.integers(90, 110)).map(
        lambda pair: Extreme(Decimal(pair[1]), NOON + timedelta(seconds=pair[0]))
    ),
    max_size=30,
    unique_by=lambda extreme: extreme.at,
)


def take(watermarks: Watermarks, extreme: Extreme) -> None:
    watermarks.take(Venue.BINANCE, "BTCUSDT", TriggerPrice.MARK, [extreme], [extreme])


@given(facts, st.randoms(), st.integers(0, 50))
def test_order_and_repetition_make_no_difference(told: list[Extreme], random: object, since: int) -> None:
    watermarks, shuffled = Watermarks(), Watermarks()
    for extreme in told:
        take(watermarks, extreme)
    again = [*told, *told]
    random.shuffle(again)  # type: ignore[attr-defined]
    for extreme in again:
        take(shuffled, extreme)
    moment = NOON + timedelta(seconds=since)
    prices = [extreme.price for extreme in told if extreme.at >= moment]
    for side, best in ((Side.LONG, max(prices, default=None)), (Side.SHORT, min(prices, default=None))):
        assert watermarks.watermark(Venue.BINANCE, "BTCUSDT", side, moment) == best
        assert shuffled.watermark(Venue.BINANCE, "BTCUSDT", side, moment) == best


def test_symbols_venues_and_sources_are_apart() -> None:
    watermarks = Watermarks()
    take(watermarks, Extreme(Decimal(100), at(1)))
    assert watermarks.watermark(Venue.BYBIT, "BTCUSDT", Side.LONG, NOON) is None
    assert watermarks.watermark(Venue.BINANCE, "ETHUSDT", Side.LONG, NOON) is None
    assert watermarks.watermark(Venue.BINANCE, "BTCUSDT", Side.LONG, NOON, TriggerPrice.LAST) is None


def test_a_stack_is_bounded() -> None:
    watermarks = Watermarks(points_kept=10)
    for second in range(100):
        take(watermarks, Extreme(Decimal(1000 - second), at(second)))
    newest = watermarks.watermark(Venue.BINANCE, "BTCUSDT", Side.LONG, at(99))
    assert newest == Decimal(901)
    assert watermarks.watermark(Venue.BINANCE, "BTCUSDT", Side.LONG, at(97)) == Decimal(903)
