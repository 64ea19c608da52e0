"""The live view's rows: what differs, how near the end is, and what is shown where a side is silent."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.trading.level import Level, LevelRules, Pinned, Trailing
from services.common.trading.reading import AccountMargin
from services.common.trading.side import PositionSide, Side, Venue
from services.positions.domain.account import Account
from services.positions.domain.live import (
    NOT_AT_VENUE,
    NOT_CONFIRMED,
    NOT_IN_BOOKS,
    LiveRow,
    RiskLevel,
    differs,
    margin_level,
    merge,
    risk_level,
)
from services.positions.domain.position import Position, adopt, settlement_of
from tests.factories import NOON, at, make_reading, make_seen

ACCOUNT = Account("a", "u", Venue.BINANCE, "v", "Main", "k…y", True, True, NOON, NOON)


def booked_of(**changes: object) -> Position:
    seen = make_seen(**changes)
    return adopt(
        f"OP_1_{seen.symbol}",
        user_id="u",
        account_id="a",
        venue=Venue.BINANCE,
        seen=seen,
        settlement=settlement_of(seen, at(10), at(11)),
    )


def row_of(seen: object, booked: object, **changes: object) -> LiveRow:
    return LiveRow(ACCOUNT, seen, booked, **changes)  # type: ignore[arg-type]


def test_what_differs_beyond_the_books_decimals_is_in_sync_without_a_reason() -> None:
    third = Decimal(1) / 3
    row = row_of(make_seen(entry_price=third, quantity=third), booked_of(entry_price=third, quantity=third))
    assert (row.in_sync, row.differences) == (True, ())


def test_agreement_has_no_reasons() -> None:
    row = row_of(make_seen(), booked_of())
    assert (row.in_sync, row.differences) == (True, ())


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        (row_of(make_seen(), None), [NOT_IN_BOOKS]),
        (row_of(None, booked_of()), [NOT_AT_VENUE]),
        (row_of(make_seen(), booked_of(), confirmed=False), [NOT_CONFIRMED]),
        (row_of(make_seen(quantity=Decimal(2)), booked_of()), ["the venue has 2 of it, the books 1"]),
        (
            row_of(make_seen(entry_price=Decimal(64000)), booked_of()),
            ["the venue says that it was entered at 64000, the books at 65000"],
        ),
        (row_of(make_seen(side=Side.SHORT), booked_of()), ["it is short at the venue and long in the books"]),
    ],
)
def test_each_difference_is_said(row: LiveRow, reasons: list[str]) -> None:
    assert not row.in_sync
    assert list(row.differences) == reasons


def test_what_only_one_side_has_is_shown() -> None:
    booked = booked_of(symbol="ETHUSDT")
    rows = list(merge(ACCOUNT, [make_seen()], [booked]))
    assert [(row.seen and row.seen.symbol, row.booked and row.booked.symbol) for row in rows] == [
        ("BTCUSDT", None),
        (None, "ETHUSDT"),
    ]
    assert rows[1].differences == (NOT_AT_VENUE,)
    [_, silent] = merge(ACCOUNT, [make_seen()], [booked], complete=False)
    assert silent.differences == (NOT_CONFIRMED,)


def test_hedge_legs_and_flips_are_not_the_same_position() -> None:
    leg = booked_of(position_side=PositionSide.LONG)
    rows = list(merge(ACCOUNT, [make_seen(position_side=PositionSide.SHORT, side=Side.SHORT)], [leg]))
    assert [row.in_sync for row in rows] == [False, False]


@given(st.lists(st.sampled_from(["BTCUSDT", "ETHUSDT", "SOLUSDT"]), unique=True), st.data())
def test_books_differ_exactly_where_a_row_would_say_so(held: list[str], data: st.DataObject) -> None:
    known = data.draw(st.lists(st.sampled_from(["BTCUSDT", "ETHUSDT", "SOLUSDT"]), unique=True))
    seen = [make_seen(symbol=symbol) for symbol in held]
    booked = [booked_of(symbol=symbol) for symbol in known]
    rows = list(merge(ACCOUNT, seen, booked))
    assert differs(booked, seen, complete=True) == any(not row.in_sync for row in rows)
    assert differs(booked, seen, complete=False) == bool(set(held) - set(known))


@pytest.mark.parametrize(
    ("side", "liquidation", "expected"),
    [
        (Side.LONG, 66000 * 0.5, RiskLevel.LOW),
        (Side.LONG, 66000 * 0.8, RiskLevel.MEDIUM),
        (Side.LONG, 66000 * 0.95, RiskLevel.HIGH),
        (Side.LONG, 70000, RiskLevel.HIGH),
        (Side.SHORT, 66000 * 1.5, RiskLevel.LOW),
        (Side.SHORT, 66000 * 1.2, RiskLevel.MEDIUM),
        (Side.SHORT, 66000 * 1.05, RiskLevel.HIGH),
    ],
)
def test_risk_is_the_distance_to_liquidation(side: Side, liquidation: float, expected: RiskLevel) -> None:
    seen = make_seen(side=side, liquidation_price=Decimal(str(liquidation)))
    assert risk_level(seen, Decimal("0.9")) is expected


@pytest.mark.parametrize(
    ("margin", "expected"),
    [(None, None), ("0.01", RiskLevel.LOW), ("0.2", RiskLevel.MEDIUM), ("0.5", RiskLevel.HIGH)],
)
def test_without_a_liquidation_price_the_margin_tells(margin: str | None, expected: RiskLevel | None) -> None:
    assert risk_level(make_seen(), None if margin is None else Decimal(margin)) is expected


@pytest.mark.parametrize(
    ("equity", "maintenance", "expected"),
    [("1000", "5", "0.005"), ("1000", "0", "0"), ("0", "5", "1"), ("-3", "5", "1"), ("4", "5", "1")],
)
def test_the_margin_level_is_maintenance_over_equity(equity: str, maintenance: str, expected: str) -> None:
    margin = AccountMargin(Decimal(0), Decimal(equity), Decimal(0), Decimal(maintenance))
    assert margin_level(make_reading(make_seen(), margin=margin)) == Decimal(expected)


def test_an_enforced_trailing_stop_is_shown_from_its_watermark() -> None:
    stop = Level(Trailing(Decimal("0.02")), armed_at=at(20), armed_mark=Decimal(66000))
    levels = LevelRules(stop, Level(Pinned(Decimal(70000))))
    booked = replace(booked_of(), levels=levels)
    row = row_of(make_seen(), booked, watermark=Decimal(68000))
    assert row.levels is not None
    assert row.levels.stop_loss == Decimal("66640.00")
