"""From a wish to a quantity that the market takes, or to a reason; where the position would be liquidated."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deploy.sandbox.core.margin import liquidation_price, maintenance
from deploy.sandbox.core.symbols import list_contracts
from services.common.errors import DomainError, FieldInvalid, LevelAlreadyCrossed, StopBeyondLiquidation
from services.common.trading.level import LevelRule, NoLevel, Pinned, Trailing
from services.common.trading.reading import AccountMargin, MarginMode, VenuePosition
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.domain.opening import Plan, Size, SizeKind, Wish
from services.monitor.domain.opening_errors import InsufficientMargin, SlotTaken, SymbolUnknown
from services.monitor.domain.opening_plan import Circumstances, Contract, plan_opening
from services.monitor.domain.opening_risk import Bracket, estimate_liquidation
from tests.factories import make_seen
from tests.unit.monitor.opening_world import a_wish

BITCOIN = next(contract for contract in list_contracts("binance") if contract.symbol == "BTCUSDT")
BRACKETS = tuple(Bracket(one.cap, Decimal(one.leverage), one.rate, one.cumulative) for one in BITCOIN.brackets)


def circumstances(**changes: object) -> Circumstances:
    """10 000 free, BTC at 100, twenty times."""
    now = Circumstances(
        venue=Venue.BINANCE,
        contract=Contract(True, Decimal("0.01"), Decimal("0.01"), Decimal(1000), Decimal(5)),
        price=Decimal(100),
        leverage=Decimal(20),
        margin_mode=MarginMode.CROSS,
        brackets=BRACKETS,
        hedged=False,
        positions=(),
        margin=AccountMargin(Decimal(10_000), Decimal(10_000), Decimal(0), Decimal(0)),
    )
    return replace(now, **changes)  # type: ignore[arg-type]


def quantity_of(kind: SizeKind, amount: str, **changes: object) -> Decimal:
    return plan_opening(a_wish(size=Size(kind, Decimal(amount)), **changes), circumstances()).quantity


def test_a_size_becomes_a_quantity_in_whole_steps_rounded_down() -> None:
    assert quantity_of(SizeKind.QUANTITY, "1.239") == Decimal("1.23")
    assert quantity_of(SizeKind.NOTIONAL, "250.9") == Decimal("2.50")
    # 1 % of 10 000 is lost over a distance of 2.
    assert quantity_of(SizeKind.RISK_PERCENT, "1") == Decimal(50)
    assert quantity_of(SizeKind.RISK_PERCENT, "1", stop_loss=Pinned(Decimal(96))) == Decimal(25)
    assert quantity_of(SizeKind.RISK_PERCENT, "1", side=Side.SHORT) == Decimal(50)


def test_the_leverage_is_set_only_where_it_is_another() -> None:
    plan = plan_opening(a_wish(leverage=None), circumstances())
    assert (plan.leverage, plan.sets_leverage) == (Decimal(20), False)
    plan = plan_opening(a_wish(leverage=Decimal(7)), circumstances())
    assert (plan.leverage, plan.sets_leverage) == (Decimal(7), True)
    assert not plan_opening(a_wish(leverage=Decimal("20.0")), circumstances()).sets_leverage


REFUSALS: dict[str, tuple[dict[str, object], dict[str, object], type[DomainError], str]] = {
    "too small": ({"size": Size(SizeKind.QUANTITY, Decimal("0.001"))}, {}, FieldInvalid, "quantity: .*least"),
    "worth too little": ({"size": Size(SizeKind.NOTIONAL, Decimal("4.9"))}, {}, FieldInvalid, "notional: .*least"),
    "too large": ({"size": Size(SizeKind.QUANTITY, Decimal(1001))}, {}, FieldInvalid, "above the most of 1000"),
    "beyond every bracket": (
        {"size": Size(SizeKind.QUANTITY, Decimal(1000)), "leverage": Decimal(1)},
        {"price": Decimal(10_000_000)},
        FieldInvalid,
        "more than the market allows",
    ),
    "leverage beyond the bracket": ({"leverage": Decimal(126)}, {}, FieldInvalid, "126 is above 125"),
    "leverage below one": ({"leverage": Decimal("0.5")}, {}, FieldInvalid, "leverage: is below 1"),
    "leverage in parts": ({"leverage": Decimal("2.5")}, {}, FieldInvalid, "not a whole number"),
    "no margin": (
        {},
        {"margin": AccountMargin(Decimal(100), Decimal(100), Decimal(95), Decimal(1))},
        InsufficientMargin,
        "takes about 20.2 of margin, and 5 is available",
    ),
    "not traded": (
        {},
        {"contract": Contract(False, Decimal(1), Decimal(1), None, None)},
        SymbolUnknown,
        "binance has no symbol BTCUSDT",
    ),
    "slot taken": ({}, {"positions": (make_seen(side=Side.SHORT),)}, SlotTaken, "BTCUSDT already"),
    "risk without a stop": (
        {"size": Size(SizeKind.RISK_PERCENT, Decimal(1)), "stop_loss": NoLevel()},
        {},
        FieldInvalid,
        "stop_loss: is required",
    ),
    "stop crossed": ({"stop_loss": Pinned(Decimal(100))}, {}, LevelAlreadyCrossed, "past the stop-loss"),
    "stop on the wrong side of a short": (
        {"side": Side.SHORT, "stop_loss": Pinned(Decimal(99))},
        {},
        LevelAlreadyCrossed,
        "past the stop-loss",
    ),
    "target crossed": ({"take_profit": Pinned(Decimal(99))}, {}, LevelAlreadyCrossed, "past the take-profit"),
    "stop beyond liquidation": (
        {"leverage": Decimal(50), "stop_loss": Trailing(Decimal("0.03"))},
        {"margin_mode": MarginMode.ISOLATED},
        StopBeyondLiquidation,
        "The stop at 97 lies beyond the liquidation price 98.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_refused_is_refused_by_name(case: str) -> None:
    wish, now, error, words = REFUSALS[case]
    with pytest.raises(error, match=words):
        plan_opening(a_wish(**wish), circumstances(**now))


def test_in_hedge_mode_the_other_leg_does_not_take_the_slot() -> None:
    short = make_seen(side=Side.SHORT, position_side=PositionSide.SHORT)
    plan = plan_opening(a_wish(), circumstances(hedged=True, positions=(short,)))
    assert plan.position_side is PositionSide.LONG
    with pytest.raises(SlotTaken):
        plan_opening(a_wish(side=Side.SHORT), circumstances(hedged=True, positions=(short,)))


amounts = st.decimals(Decimal("0.001"), Decimal(100_000), places=3)
prices = st.decimals(Decimal("0.01"), Decimal(100_000), places=2)
leverages = st.one_of(st.integers(1, 10), st.integers(1, 125)).map(Decimal)
fractions = st.one_of(*(st.decimals(Decimal("0.001"), Decimal(most), places=3) for most in ("0.05", "0.9")))
stops = st.one_of(st.none(), st.tuples(st.sampled_from(["trailing", "pinned"]), fractions))


@st.composite
def priced_sizes(draw: st.DrawFn) -> tuple[Size, Decimal]:
    """A size and a price: any two, or two that 10 000 may be enough for."""
    kind, price = draw(st.sampled_from(SizeKind)), draw(prices)
    if draw(st.booleans()):
        return Size(kind, draw(amounts)), price
    if kind is SizeKind.RISK_PERCENT:
        return Size(kind, draw(st.decimals(Decimal("0.1"), Decimal(3), places=1))), price
    notional = draw(st.decimals(Decimal(5), Decimal(20_000), places=2))
    return Size(kind, notional if kind is SizeKind.NOTIONAL else notional / price), price


@given(priced_sizes(), st.sampled_from(Side), leverages, stops, st.sampled_from(MarginMode))
def test_whatever_is_planned_passes_the_filters_and_its_stop_comes_before_the_liquidation(
    wanted: tuple[Size, Decimal], side: Side, leverage: Decimal, stop: tuple[str, Decimal] | None, mode: MarginMode
) -> None:
    size, price = wanted
    rule = _stop(stop, side, price)
    wish = a_wish(size=size, side=side, leverage=leverage, stop_loss=rule)
    now = circumstances(price=price, margin_mode=mode)
    plan = _plan(wish, now)
    if plan is None:
        return
    assert plan.quantity % Decimal("0.01") == 0
    assert Decimal("0.01") <= plan.quantity <= 1000
    assert plan.quantity * price >= 5
    if size.kind is SizeKind.QUANTITY:
        assert plan.quantity <= size.amount
    if size.kind is SizeKind.NOTIONAL:
        assert plan.quantity * price <= size.amount * (1 + Decimal("1e-20"))
    assert plan.quantity * price / leverage <= now.margin.equity
    if stop is None:
        assert size.kind is not SizeKind.RISK_PERCENT
        return
    stop_price = price * (1 - side.sign * stop[1])
    liquidation = estimate_liquidation(side, plan.quantity, price, leverage, mode, now.margin, BRACKETS)
    assert liquidation is None or (stop_price - liquidation) * side.sign > 0
    if size.kind is SizeKind.RISK_PERCENT:
        lost = plan.quantity * abs(price - stop_price)
        assert lost <= now.margin.equity * size.amount / 100 * (1 + Decimal("1e-20"))


def _stop(stop: tuple[str, Decimal] | None, side: Side, price: Decimal) -> LevelRule:
    if stop is None:
        return NoLevel()
    kind, fraction = stop
    return Trailing(fraction) if kind == "trailing" else Pinned(price * (1 - side.sign * fraction))


def _plan(wish: Wish, now: Circumstances) -> Plan | None:
    try:
        return plan_opening(wish, now)
    except DomainError:
        return None


@given(
    st.sampled_from(Side),
    st.decimals(Decimal("0.001"), Decimal(2_000), places=3),
    st.decimals(Decimal(1_000), Decimal(100_000), places=1),
    st.decimals(Decimal(1_000), Decimal(5_000_000), places=2),
)
@example(Side.SHORT, Decimal(4), Decimal(66_000), Decimal(50_000))
def test_the_estimate_never_lies_further_from_the_price_than_the_venue_liquidates(
    side: Side, quantity: Decimal, entry: Decimal, wallet: Decimal
) -> None:
    notional = quantity * entry
    if wallet <= maintenance(BITCOIN.brackets, notional) + notional / 1000:
        return
    margin = AccountMargin(wallet, wallet, Decimal(0), Decimal(0))
    estimate = estimate_liquidation(side, quantity, entry, Decimal(1), MarginMode.CROSS, margin, BRACKETS)
    # The sandbox takes the bracket of the mark price, as the venue does: asked again at its own answer it settles.
    mark = entry
    actual: Decimal | None = None
    for _ in range(20):
        actual = liquidation_price(
            wallet, Decimal(0), Decimal(0), [(side.sign * quantity, entry)], BITCOIN.brackets, mark
        )
        if actual is None:
            break
        mark = actual
    if actual is None:
        return
    assert estimate is not None
    assert (estimate - actual) * side.sign >= -abs(actual) * Decimal("1e-9")
    assert (entry - estimate) * side.sign > 0


def test_an_isolated_position_is_liquidated_by_its_own_margin() -> None:
    margin = AccountMargin(Decimal(10**9), Decimal(10**9), Decimal(0), Decimal(0))
    flat = (Bracket(Decimal(10**9), Decimal(125), Decimal("0.005"), Decimal(0)),)
    for mode in (MarginMode.ISOLATED, None):
        estimate = estimate_liquidation(Side.LONG, Decimal(1), Decimal(100), Decimal(10), mode, margin, flat)
        # 100 less the margin of 10, plus maintenance of 0.5 and 0.1 set aside for fees.
        assert estimate == Decimal("90.6")
    assert (
        estimate_liquidation(Side.LONG, Decimal(1), Decimal(100), Decimal(10), MarginMode.CROSS, margin, flat) is None
    )


def test_a_venue_position_of_another_symbol_takes_no_slot() -> None:
    other: VenuePosition = make_seen(symbol="ETHUSDT")
    assert plan_opening(a_wish(), circumstances(positions=(other,))).quantity == 2
