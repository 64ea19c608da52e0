"""How far an account's parts agree."""

from decimal import Decimal

import pytest

from services.common.exchange.account_parts import MarginPart, PositionsPart, assemble, read_rows
from services.common.exchange.binance.account import parse_margin, parse_position
from services.common.exchange.bybit.account import parse_margin as parse_bybit_margin
from services.common.exchange.bybit.account import parse_position as parse_bybit_position
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.trading.reading import (
    AccountMargin,
    AccountReading,
    PositionKey,
    ReadingStatus,
    VenuePosition,
)
from services.common.trading.side import PositionSide, Side, Venue
from tests.factories import at

FAILURE = VenueError(Venue.BYBIT, VenueErrorKind.TIMEOUT, "no answer")


def position(symbol: str = "BTCUSDT", initial_margin: str | None = "10") -> VenuePosition:
    return VenuePosition(
        symbol=symbol,
        position_side=PositionSide.BOTH,
        side=Side.LONG,
        quantity=Decimal(1),
        entry_price=Decimal(100),
        mark_price=Decimal(100),
        unrealized_pnl=Decimal(0),
        notional=Decimal(100),
        initial_margin=None if initial_margin is None else Decimal(initial_margin),
    )


def margin(in_use: str | None, *symbols: str) -> MarginPart:
    zero = Decimal(0)
    keys = frozenset(PositionKey(symbol, PositionSide.BOTH) for symbol in symbols) if symbols else None
    amount = None if in_use is None else Decimal(in_use)
    return MarginPart(AccountMargin(zero, zero, amount or zero, zero), amount, keys)


def test_an_empty_list_needs_no_margin_where_nothing_is_held() -> None:
    assert assemble(PositionsPart(pages=1), None, at(0), at(1), held=False).status is ReadingStatus.COMPLETE
    in_use = assemble(PositionsPart(pages=1), margin("10"), at(0), at(1), held=False)
    assert in_use.status is ReadingStatus.SUSPICIOUS
    assert assemble(PositionsPart(failure=FAILURE), None, at(0), at(1), held=False).status is ReadingStatus.FAILED


def judge(part: PositionsPart, margin_part: MarginPart | VenueError | None) -> AccountReading:
    return assemble(part, margin_part, at(0), at(1))


@pytest.mark.parametrize(
    ("positions", "margin_part", "status"),
    [
        ((), margin("0"), ReadingStatus.COMPLETE),
        ((), margin("10"), ReadingStatus.SUSPICIOUS),
        ((), FAILURE, ReadingStatus.SUSPICIOUS),
        ((), None, ReadingStatus.SUSPICIOUS),
        ((position(),), None, ReadingStatus.COMPLETE),
        ((position(),), FAILURE, ReadingStatus.COMPLETE),
        ((position(),), margin("11"), ReadingStatus.COMPLETE),
        ((position(),), margin("20"), ReadingStatus.SUSPICIOUS),
        ((position(initial_margin=None),), margin("20"), ReadingStatus.COMPLETE),
        ((position(),), margin(None), ReadingStatus.COMPLETE),
        ((position(),), margin("10", "BTCUSDT", "ETHUSDT"), ReadingStatus.SUSPICIOUS),
        ((position(),), margin("10", "BTCUSDT"), ReadingStatus.COMPLETE),
        ((position(), position("ETHUSDT")), margin("20", "BTCUSDT"), ReadingStatus.SUSPICIOUS),
        ((position(),), margin("0"), ReadingStatus.SUSPICIOUS),
        ((position(initial_margin="0"),), margin("0"), ReadingStatus.COMPLETE),
    ],
)
def test_what_a_list_is_worth_beside_the_margin(
    positions: tuple[VenuePosition, ...], margin_part: MarginPart | VenueError | None, status: ReadingStatus
) -> None:
    reading = judge(PositionsPart(positions, pages=1), margin_part)
    assert reading.status is status
    assert bool(reading.reason) == (status is not ReadingStatus.COMPLETE or margin_part is FAILURE)


def test_a_failure_before_the_first_page_is_failed_and_after_it_partial() -> None:
    assert judge(PositionsPart(failure=FAILURE), margin("0")).status is ReadingStatus.FAILED
    partial = judge(PositionsPart((position(),), pages=1, failure=FAILURE), margin("10"))
    assert partial.status is ReadingStatus.PARTIAL
    assert len(partial.positions) == 1


def test_a_row_that_cannot_be_read_costs_no_other_row() -> None:
    good = {
        "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "1", "entryPrice": "1", "markPrice": "1",
        "unRealizedProfit": "0", "notional": "1",
    }  # fmt: skip
    bad = {**good, "symbol": "ETHUSDT", "entryPrice": "NaN"}
    part = read_rows([bad, good], parse_position)
    assert [one.symbol for one in part.positions] == ["BTCUSDT"]
    assert judge(part, margin("0")).status is ReadingStatus.PARTIAL


def test_a_row_that_comes_on_two_pages_is_one_position() -> None:
    row = {
        "symbol": "BTCUSDT", "positionSide": "SHORT", "positionAmt": "-1", "entryPrice": "1", "markPrice": "1",
        "unRealizedProfit": "0", "notional": "-1",
    }  # fmt: skip
    part = read_rows([row, row], parse_position)
    assert len(part.positions) == 1
    assert part.positions[0].side is Side.SHORT


def test_a_row_whose_entry_price_is_zero_is_a_position_all_the_same() -> None:
    row = {
        "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "1", "entryPrice": "0", "markPrice": "1",
        "unRealizedProfit": "0", "notional": "1",
    }  # fmt: skip
    assert [one.entry_price for one in read_rows([row], parse_position).positions] == [Decimal(0)]


def test_a_profit_of_zero_is_zero_and_not_absent() -> None:
    row = {
        "symbol": "BTCUSDT", "positionIdx": 0, "side": "Buy", "size": "1", "avgPrice": "100", "markPrice": "100",
        "unrealisedPnl": "0", "liqPrice": "0", "leverage": "10", "positionIM": "",
    }  # fmt: skip
    found = parse_bybit_position(row)
    assert found is not None
    assert found.unrealized_pnl == 0
    assert found.liquidation_price is None
    assert found.initial_margin is None


@pytest.mark.parametrize("row", [{}, {"size": "x"}, {"size": "1", "side": "", "positionIdx": 0}])
def test_a_bybit_row_that_says_too_little_is_refused(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_bybit_position(row)


USDC_ROW = {
    "symbol": "BTCUSDC", "positionSide": "BOTH", "positionAmt": "1", "entryPrice": "100", "markPrice": "100",
    "unRealizedProfit": "0", "notional": "100", "positionInitialMargin": "10",
}  # fmt: skip


def test_a_position_that_is_margined_in_usdc_is_in_use_though_the_totals_count_usdt_alone() -> None:
    # Totals are "only for USDT asset" in single-asset mode; each asset has its own.
    account = {
        "totalWalletBalance": "0", "totalMarginBalance": "0", "totalMaintMargin": "0",
        "totalPositionInitialMargin": "0",
        "assets": [
            {"asset": "USDT", "positionInitialMargin": "0"}, {"asset": "USDC", "positionInitialMargin": "10"},
        ],
        "positions": [USDC_ROW],
    }  # fmt: skip
    part = read_rows([USDC_ROW], parse_position)
    assert judge(part, parse_margin(account)).status is ReadingStatus.COMPLETE
    hidden = parse_margin({**account, "positions": []})
    assert judge(read_rows([], parse_position), hidden).status is ReadingStatus.SUSPICIOUS


ISOLATED_WALLET = {
    "accountType": "UNIFIED", "totalEquity": "280.5", "totalWalletBalance": "269.3", "totalInitialMargin": "",
    "totalMaintenanceMargin": "", "totalMarginBalance": "",
    "coin": [{"coin": "USDT", "equity": "280.8", "totalPositionIM": "53.9", "totalPositionMM": "1.5"}],
}  # fmt: skip


def test_in_isolated_margin_bybit_leaves_the_accounts_totals_blank_and_its_coin_tells() -> None:
    # Else an account of this kind could never be seen empty, and no exit of it be confirmed.
    part = parse_bybit_margin({"list": [ISOLATED_WALLET]})
    assert part.position_margin == Decimal("53.9")
    assert part.margin.maintenance_margin == Decimal("1.5")
    free = {**ISOLATED_WALLET, "coin": [{"coin": "USDT", "totalPositionIM": "0", "totalPositionMM": ""}]}
    nothing = parse_bybit_margin({"list": [free]})
    assert judge(PositionsPart(pages=1), nothing).status is ReadingStatus.COMPLETE
