"""Prices: the walk, holding, candles; and the limits' arithmetic."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from deploy.sandbox.core.prices import MINUTE_MS, PriceBoard, merge_candles
from deploy.sandbox.core.records import Candle
from deploy.sandbox.core.symbols import list_contracts
from deploy.sandbox.state import State
from deploy.sandbox.weights import MinuteWeight, SlidingCount

START = 1_700_000_000_000


def board_of(directory: Path, seed: int = 7) -> PriceBoard:
    board = PriceBoard("binance", State(directory), seed)
    for contract in list_contracts("binance"):
        board.list_symbol(contract, START, held=False)
    return board


def test_the_walk_is_the_same_for_the_same_seed_and_keeps_its_grid(tmp_path: Path) -> None:
    boards = [board_of(tmp_path / str(number), seed) for number, seed in enumerate((7, 7, 8))]
    for second in range(1, 200):
        for board in boards:
            for symbol in board.quotes:
                before = board.quotes[symbol].last
                assert board.walk(symbol, START + second * 1000)
                quote, tick = board.quotes[symbol], board.contracts[symbol].tick
                assert quote.last % tick == 0
                assert abs(quote.last - before) <= before / 1000 + tick
                assert quote.mark > 0
    same, again, other = ([quote.last for quote in board.quotes.values()] for board in boards)
    assert same == again != other


def test_a_past_leads_to_where_the_price_began_and_changes_nothing_about_the_walk(tmp_path: Path) -> None:
    with_past, without = board_of(tmp_path / "one"), board_of(tmp_path / "two")
    with_past.make_past("BTCUSDT", 90)
    minutes = with_past.candles("BTCUSDT", mark=True)
    assert len(minutes) == 91
    assert all(after.start_ms - before.start_ms == MINUTE_MS for before, after in pairwise(minutes))
    assert all(before.close == after.open for before, after in pairwise(minutes))
    assert all(0 < one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high for one in minutes)
    assert len({one.close for one in minutes}) > 30
    for board in (with_past, without):
        board.walk("BTCUSDT", START + 1000)
    assert with_past.quotes["BTCUSDT"].last == without.quotes["BTCUSDT"].last
    assert len(without.candles("BTCUSDT", mark=True)) == 1


def test_a_held_price_does_not_walk(tmp_path: Path) -> None:
    board = board_of(tmp_path)
    board.set_price("BTCUSDT", Decimal(70000), Decimal(70001), START, held=True)
    assert not board.walk("BTCUSDT", START + 1000)
    assert [board.quotes["BTCUSDT"].last, board.quotes["BTCUSDT"].mark] == [Decimal(70000), Decimal(70001)]
    board.release("BTCUSDT")
    assert board.walk("BTCUSDT", START + 2000)


def test_prices_and_closed_minutes_outlive_the_board(tmp_path: Path) -> None:
    state = State(tmp_path)
    board = PriceBoard("binance", state, 1)
    [bitcoin] = [contract for contract in list_contracts("binance") if contract.symbol == "BTCUSDT"]
    board.list_symbol(bitcoin, START, held=False)
    for minute in range(3):
        price = Decimal(60000 + minute)
        board.set_price("BTCUSDT", price, price, START + minute * MINUTE_MS, held=True)
    state.commit()
    state.close()

    reopened = State(tmp_path)
    again = PriceBoard("binance", reopened, 1)
    again.list_symbol(bitcoin, START + 4 * MINUTE_MS, held=False)
    again.restore_candles()

    assert again.quotes["BTCUSDT"].last == 60002
    assert [candle.close for candle in again.candles("BTCUSDT", mark=False)] == [60000, 60001, 60002]
    reopened.close()


def test_minutes_merge_into_longer_candles_and_quiet_ones_are_flat() -> None:
    def minute(number: int, *prices: int) -> Candle:
        first, high, low, close = (Decimal(price) for price in prices)
        return Candle(number * MINUTE_MS, first, high, low, close)

    five = merge_candles([minute(0, 1, 4, 1, 2), minute(3, 2, 9, 2, 3), minute(12, 7, 8, 6, 7)], 5 * MINUTE_MS)
    assert [(candle.start_ms // MINUTE_MS, int(candle.high), int(candle.close)) for candle in five] == [
        (0, 9, 3),
        (5, 3, 3),
        (10, 8, 7),
    ]


def test_weight_is_refused_beyond_the_minute_and_banned_for_insisting() -> None:
    now = [60_000 * 1000]
    weights = MinuteWeight(10, lambda: now[0])
    assert weights.charge(10).refused is None
    statuses = []
    for _ in range(22):
        charge = weights.charge(1)
        assert charge.refused is not None
        statuses.append(charge.refused[0])
    assert statuses == [429] * 20 + [418] * 2
    now[0] += 60_000
    assert weights.charge(1).refused is not None
    now[0] += 120_000
    assert weights.charge(1).refused is None


def test_a_sliding_count_lets_in_again_when_the_window_has_passed() -> None:
    now = [0]
    count = SlidingCount(3, lambda: now[0])
    assert [count.charge_address() for _ in range(4)] == [True, True, True, False]
    now[0] = 5_000
    assert not count.charge_address(), "the venue bans for ten minutes"
    now[0] = 600_000
    assert count.charge_address()
    charges = [count.charge_endpoint("1", "/v5/order/create", 2) for _ in range(3)]
    assert [charge.headers["X-Bapi-Limit-Status"] for charge in charges] == ["1", "0", "0"]
    assert charges[2].refused is not None
