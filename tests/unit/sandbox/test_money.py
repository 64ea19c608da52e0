"""Money adds up: whatever is traded, the ledger explains the wallet, and margin follows the formulas."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deploy.sandbox.core.book import Book
from deploy.sandbox.core.margin import apply_fill, bracket_of, liquidation_price, maintenance, unrealised
from deploy.sandbox.core.orders import OrderRequest
from deploy.sandbox.core.records import ZERO, Leg, Side
from deploy.sandbox.core.refusals import Fact, Refused
from deploy.sandbox.core.symbols import VENUES, VenueName, list_contracts
from deploy.sandbox.core.venue import Venue
from deploy.sandbox.state import State

PRICES = st.integers(1, 100_000).map(lambda cents: Decimal(cents) / 100)
QUANTITIES = st.integers(1, 50_000).map(lambda steps: Decimal(steps) / 1000)
SIDES: st.SearchStrategy[Side] = st.sampled_from(["BUY", "SELL"])
BRACKETS = next(contract for contract in list_contracts("binance") if contract.symbol == "BTCUSDT").brackets


@contextmanager
def venue_of(name: VenueName) -> Iterator[Venue]:
    with TemporaryDirectory() as directory:
        state = State(Path(directory))
        yield Venue(name, state, 1)
        state.close()


@given(st.lists(st.tuples(SIDES, QUANTITIES, PRICES), max_size=30), PRICES)
def test_realised_and_unrealised_profit_are_what_was_paid_and_got(
    fills: list[tuple[Side, Decimal, Decimal]], mark: Decimal
) -> None:
    amount = entry = profit = cash = ZERO
    for side, quantity, price in fills:
        amount, entry, realised, closed = apply_fill(amount, entry, side, quantity, price)
        assert 0 <= closed <= quantity
        profit += realised
        cash += -quantity * price if side == "BUY" else quantity * price
    # Entries are kept to twelve decimals and profits to eight: that is all they may differ by.
    assert abs(profit + unrealised(amount, entry, mark) - (cash + amount * mark)) < Decimal("0.000001")
    assert amount or not entry


@given(QUANTITIES, PRICES, QUANTITIES, PRICES)
def test_a_fill_beyond_zero_opens_the_other_side_at_its_own_price(
    first: Decimal, entry: Decimal, second: Decimal, price: Decimal
) -> None:
    assume(second > first)
    amount, after, realised, closed = apply_fill(first, entry, "SELL", second, price)
    assert (amount, after, closed) == (first - second, price, first)
    assert realised == ((price - entry) * first).quantize(Decimal("0.00000001"))


@given(st.decimals(1, 2_000_000_000, places=2))
def test_maintenance_is_continuous_and_grows(notional: Decimal) -> None:
    here = maintenance(BRACKETS, notional)
    assert 0 <= here < notional
    assert maintenance(BRACKETS, notional + 1) >= here
    for bracket in BRACKETS[:-1]:
        below, above = maintenance(BRACKETS, bracket.cap), maintenance(BRACKETS, bracket.cap + Decimal("0.01"))
        assert above - below < 1


@given(st.decimals(100, 10_000, places=2), st.decimals(-3, 3, places=3), st.decimals(30_000, 90_000, places=1))
def test_at_the_liquidation_price_equity_meets_maintenance(wallet: Decimal, amount: Decimal, entry: Decimal) -> None:
    assume(amount)
    price = liquidation_price(wallet, ZERO, ZERO, [(amount, entry)], BRACKETS, entry)
    if price is None:
        return
    bracket = bracket_of(BRACKETS, abs(amount) * entry)
    equity = wallet + (price - entry) * amount
    needed = abs(amount) * price * bracket.rate - bracket.cumulative
    assert abs(equity - needed) < Decimal("0.0001")


def ledger_explains(book: Book) -> bool:
    return sum((line.amount for line in book.incomes), ZERO) == book.account.wallet


LEGS: st.SearchStrategy[Leg] = st.sampled_from(["BOTH", "LONG", "SHORT"])
STEPS = st.lists(
    st.tuples(SIDES, st.integers(1, 400), st.integers(90, 110), st.booleans(), LEGS),
    max_size=25,
)


@pytest.mark.parametrize("name", VENUES)
@given(steps=STEPS, hedge=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_ledger_explains_the_wallet(
    name: VenueName, steps: list[tuple[Side, int, int, bool, Leg]], hedge: bool
) -> None:
    with venue_of(name) as venue:
        book = venue.open_account(Decimal(5000), hedge=hedge)
        base = venue.board.quotes["SOLUSDT"].last
        for side, tenths, percent, reduce_only, leg in steps:
            price = venue.board.contracts["SOLUSDT"].round_price(base * percent / 100)
            venue.set_price("SOLUSDT", price, price, held=True)
            request = OrderRequest(
                symbol="SOLUSDT", side=side, quantity=Decimal(tenths) / 10, reduce_only=reduce_only and not hedge,
                leg=leg if hedge else "BOTH",
            )  # fmt: skip
            before = [position.amount for position in book.held()]
            try:
                order = venue.place(book, request)
            except Refused:
                assert [position.amount for position in book.held()] == before
            else:
                assert not order.open
                assert order.executed <= order.quantity
            assert ledger_explains(book)
            assert book.account.wallet >= 0 or book.held()
            assert all((position.amount > 0) == (position.leg == "LONG") for position in book.held() if hedge)
        bought = sum((fill.quantity if fill.side == "BUY" else -fill.quantity for fill in book.fills), ZERO)
        assert bought == sum((position.amount for position in book.held()), ZERO)


def test_liquidation_takes_everything_and_leaves_no_debt() -> None:
    with venue_of("binance") as venue:
        book = venue.open_account(Decimal(1000), hedge=False)
        for symbol, quantity in (("BTCUSDT", "0.2"), ("ETHUSDT", "1")):
            venue.place(book, OrderRequest(symbol=symbol, side="BUY", quantity=Decimal(quantity)))

        venue.set_price("BTCUSDT", Decimal(60000), Decimal(60000), held=True)

        assert book.held() == []
        assert book.account.wallet == 0
        assert ledger_explains(book)
        assert {fill.cause for fill in book.fills} == {"USER", "LIQUIDATION"}


def test_an_account_is_not_liquidated_above_its_liquidation_price() -> None:
    with venue_of("binance") as venue:
        book = venue.open_account(Decimal(1000), hedge=False)
        venue.place(book, OrderRequest(symbol="BTCUSDT", side="BUY", quantity=Decimal("0.2")))
        price = book.liquidation_price(book.position("BTCUSDT", "BOTH"))
        assert price is not None

        venue.set_price("BTCUSDT", price + Decimal("0.2"), price + Decimal("0.2"), held=True)
        assert book.held()
        venue.set_price("BTCUSDT", price - Decimal("0.2"), price - Decimal("0.2"), held=True)
        assert not book.held()


def test_a_trailing_stop_follows_the_best_price() -> None:
    with venue_of("binance") as venue:
        book = venue.open_account(Decimal(10_000), hedge=False)
        venue.place(book, OrderRequest(symbol="SOLUSDT", side="BUY", quantity=Decimal(1)))
        request = OrderRequest(
            symbol="SOLUSDT", side="SELL", quantity=Decimal(1), reduce_only=True, callback_rate=Decimal(5),
            activation_price=Decimal(190), trigger_label="TRAILING_STOP_MARKET",
        )  # fmt: skip
        venue.accept(book, request)
        for price in (170, 185, 200, 195, 191):
            venue.set_price("SOLUSDT", Decimal(price), Decimal(price), held=True)
            assert book.held()
        venue.set_price("SOLUSDT", Decimal(190), Decimal(190), held=True)
        assert not book.held()


@pytest.mark.parametrize("name", VENUES)
def test_an_order_refused_for_its_margin_leaves_nothing_behind(name: VenueName) -> None:
    with venue_of(name) as venue:
        book = venue.open_account(Decimal(10), hedge=False)
        with pytest.raises(Refused) as refused:
            venue.place(book, OrderRequest(symbol="BTCUSDT", side="BUY", quantity=Decimal("0.1")))
        assert refused.value.fact is Fact.MARGIN_INSUFFICIENT
        assert not book.orders
