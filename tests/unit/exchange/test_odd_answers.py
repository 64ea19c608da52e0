"""Answers that are valid JSON and yet odd: each is a typed error or a row that cannot be read, never a crash or a 0."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.exchange.account_parts import read_rows
from services.common.exchange.binance import account as binance_account
from services.common.exchange.bybit import account as bybit_account
from services.common.exchange.fields import from_milliseconds, instant, number, optional_instant

BINANCE_ROW: dict[str, Any] = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "1", "entryPrice": "100", "markPrice": "110",
    "unRealizedProfit": "10", "notional": "110", "isolatedWallet": "0", "liquidationPrice": "0",
    "positionInitialMargin": "11", "maintMargin": "1", "updateTime": 1_700_000_000_000,
}  # fmt: skip
BYBIT_ROW: dict[str, Any] = {
    "symbol": "BTCUSDT", "positionIdx": 0, "side": "Buy", "size": "1", "avgPrice": "100", "markPrice": "110",
    "unrealisedPnl": "10", "leverage": "10", "liqPrice": "", "positionIM": "11", "positionMM": "1",
    "tradeMode": 0, "updatedTime": "1700000000000",
}  # fmt: skip
PARSERS = {
    "binance": (binance_account.parse_position, BINANCE_ROW),
    "bybit": (bybit_account.parse_position, BYBIT_ROW),
}
ODD: list[Any] = [
    None, "", " ", "NaN", "Infinity", "-Infinity", "1e400", "1e999999", "1E-999999", True, False, [], {}, [1], {"a": 1},
    0, -1, 10**30, -(10**30), "0", "-0", "-1", "1_0", "null", "0x10",
]  # fmt: skip


@pytest.mark.parametrize("text", ["1e400", "1e20", "-1e999999", "1" * 21])
def test_a_number_that_the_books_cannot_hold_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a number that can be kept"):
        number({"price": text}, "price")


@pytest.mark.parametrize("milliseconds", [10**15, 10**18, 10**22, 10**30, -(10**18), -(10**30)])
def test_a_time_beyond_all_times_is_refused_as_any_other_field(milliseconds: int) -> None:
    with pytest.raises(ValueError, match=r"beyond|range"):
        from_milliseconds(milliseconds)


@pytest.mark.parametrize("stamp", [1_700_000_000, -1, 1_700_000_000_000_000, 10**30])
def test_a_time_in_seconds_or_microseconds_is_no_time(stamp: int) -> None:
    # Taken for milliseconds, a position would have changed last in 1970: all its fills would be news.
    with pytest.raises(ValueError, match="no time in milliseconds"):
        instant({"updateTime": stamp}, "updateTime")
    with pytest.raises(ValueError, match="no time in milliseconds"):
        optional_instant({"updateTime": stamp}, "updateTime")


@pytest.mark.parametrize(
    ("venue", "changes"),
    [
        ("binance", {"positionSide": "LONG", "positionAmt": "-1"}),
        ("binance", {"positionSide": "SHORT", "positionAmt": "1"}),
        ("binance", {"positionSide": "HALF"}),
        ("binance", {"markPrice": "0.00000000"}),
        ("bybit", {"size": "-1"}),
        ("bybit", {"positionIdx": 2}),
        ("bybit", {"positionIdx": 1, "side": "Sell"}),
        ("bybit", {"positionIdx": 3}),
        ("bybit", {"side": "None"}),
        ("bybit", {"markPrice": ""}),
        ("bybit", {"markPrice": "0"}),
    ],
)
def test_a_row_that_contradicts_itself_is_not_read(venue: str, changes: dict[str, Any]) -> None:
    parse, row = PARSERS[venue]
    part = read_rows([{**row, **changes}, {**row, "symbol": "ETHUSDT"}], parse)
    assert [position.symbol for position in part.positions] == ["ETHUSDT"]
    assert len(part.unreadable) == 1


@pytest.mark.parametrize("venue", PARSERS)
def test_a_position_that_is_listed_with_two_quantities_is_not_known(venue: str) -> None:
    parse, row = PARSERS[venue]
    size = "positionAmt" if venue == "binance" else "size"
    part = read_rows([row, {**row, "symbol": "ETHUSDT"}, {**row, size: "2"}], parse)
    assert [position.symbol for position in part.positions] == ["ETHUSDT"]
    assert len(part.unreadable) == 1
    twice = read_rows([row, row], parse)
    assert (len(twice.positions), twice.unreadable) == (1, ())


@pytest.mark.parametrize("venue", PARSERS)
def test_a_symbol_that_is_listed_in_both_position_modes_is_not_known(venue: str) -> None:
    # An account is in one mode or in the other: taken for two positions, one of them would be made up.
    parse, row = PARSERS[venue]
    leg = {"positionSide": "LONG"} if venue == "binance" else {"positionIdx": 1}
    part = read_rows([row, {**row, "symbol": "ETHUSDT"}, {**row, **leg}], parse)
    assert [position.symbol for position in part.positions] == ["ETHUSDT"]
    assert len(part.unreadable) == 1


@pytest.mark.parametrize("venue", PARSERS)
@given(data=st.data())
def test_whatever_a_field_of_a_position_holds_no_reading_ends_in_a_crash(venue: str, data: st.DataObject) -> None:
    parse, row = PARSERS[venue]
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(row)), st.sampled_from(ODD), max_size=3))
    part = read_rows([{**row, **changes}], parse)
    for position in part.positions:
        assert position.quantity > 0
        assert position.mark_price > 0
        assert position.notional >= 0
        assert position.liquidation_price is None or position.liquidation_price > 0
