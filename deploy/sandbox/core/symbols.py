"""Contracts and their rules: tick, lot, notional, leverage brackets.

The table holds facts of the venues' public instrument lists (late 2025), with prices of that order of
magnitude; the larger quantity limits are rounded. Brackets follow three templates instead of a row for
each symbol. Contract size is 1 for all of them.
"""

from decimal import Decimal
from functools import cached_property
from typing import Literal

import msgspec

VenueName = Literal["binance", "bybit"]
VENUES: tuple[VenueName, ...] = ("binance", "bybit")

BINANCE_TABLE = """
BTCUSDT  66000    0.10     0.001 1000     120      50 125 large
ETHUSDT  3500     0.01     0.001 10000    2000     20 125 large
SOLUSDT  180      0.0100   0.01  1000000  5000     5  100 medium
BNBUSDT  620      0.010    0.01  100000   2000     5  75  medium
XRPUSDT  2.2      0.0001   0.1   10000000 2000000  5  75  medium
DOGEUSDT 0.16     0.000010 1     50000000 30000000 5  75  medium
ADAUSDT  0.45     0.00010  1     2000000  300000   5  75  medium
AVAXUSDT 28       0.0010   1     1000000  5000     5  75  medium
LINKUSDT 14       0.001    0.01  200000   20000    20 75  medium
DOTUSDT  6.5      0.001    0.1   500000   50000    5  75  medium
LTCUSDT  84       0.01     0.001 10000    5000     20 75  medium
BCHUSDT  400      0.01     0.001 10000    850      20 75  medium
TRXUSDT  0.16     0.00001  1     10000000 5000000  5  75  small
UNIUSDT  9        0.0010   1     100000   8000     5  75  small
ATOMUSDT 7        0.001    0.01  200000   50000    5  75  small
ETCUSDT  24       0.001    0.01  20000    5000     20 75  small
FILUSDT  4.5      0.001    0.1   1000000  8000     5  75  small
NEARUSDT 5        0.0010   1     1000000  30000    5  75  small
APTUSDT  8        0.00100  0.1   1000000  15000    5  75  small
ARBUSDT  0.8      0.000100 0.1   10000000 200000   5  75  small
OPUSDT   1.8      0.0001   0.1   10000000 80000    5  75  small
SUIUSDT  1.6      0.000100 0.1   10000000 80000    5  75  small
"""
BYBIT_TABLE = """
BTCUSDT  66000    0.10     0.001 1190     119      5  100 large
ETHUSDT  3500     0.01     0.01  7240     724      5  100 large
SOLUSDT  180      0.010    0.1   79770    12780    5  100 medium
BNBUSDT  620      0.10     0.01  23500    4700     5  75  medium
XRPUSDT  2.2      0.0001   0.1   6000000  1000000  5  75  medium
DOGEUSDT 0.16     0.00001  1     43000000 5000000  5  75  medium
ADAUSDT  0.45     0.0001   1     9000000  1500000  5  75  medium
AVAXUSDT 28       0.001    0.1   90000    15000    5  75  medium
LINKUSDT 14       0.001    0.1   160000   20000    5  75  medium
DOTUSDT  6.5      0.001    0.1   320000   50000    5  75  medium
LTCUSDT  84       0.01     0.1   30000    5000     5  75  medium
BCHUSDT  400      0.10     0.01  6000     850      5  75  medium
TRXUSDT  0.16     0.00001  1     20000000 5000000  5  75  small
UNIUSDT  9        0.001    0.1   100000   8000     5  75  small
ATOMUSDT 7        0.001    0.1   200000   50000    5  75  small
ETCUSDT  24       0.001    0.1   60000    5000     5  75  small
FILUSDT  4.5      0.001    0.1   250000   25000    5  75  small
NEARUSDT 5        0.001    0.1   500000   50000    5  75  small
APTUSDT  8        0.001    0.01  180000   30000    5  75  small
ARBUSDT  0.8      0.0001   0.1   2500000  400000   5  75  small
OPUSDT   1.8      0.0001   0.1   1100000  180000   5  75  small
SUIUSDT  1.6      0.0001   10    1500000  240000   5  75  small
"""
# Notional cap of the bracket, highest leverage in it, maintenance margin rate.
_TEMPLATES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "large": (
        ("300000", 125, "0.004"),
        ("800000", 100, "0.005"),
        ("3000000", 75, "0.0065"),
        ("12000000", 50, "0.01"),
        ("70000000", 25, "0.02"),
        ("100000000", 20, "0.025"),
        ("230000000", 10, "0.05"),
        ("480000000", 5, "0.1"),
        ("600000000", 4, "0.125"),
        ("800000000", 3, "0.15"),
        ("1200000000", 2, "0.25"),
        ("1800000000", 1, "0.5"),
    ),
    "medium": (
        ("50000", 100, "0.005"),
        ("200000", 75, "0.0065"),
        ("1500000", 50, "0.01"),
        ("5000000", 25, "0.02"),
        ("10000000", 20, "0.025"),
        ("30000000", 10, "0.05"),
        ("60000000", 5, "0.1"),
        ("80000000", 4, "0.125"),
        ("150000000", 2, "0.25"),
        ("300000000", 1, "0.5"),
    ),
    "small": (
        ("10000", 75, "0.01"),
        ("50000", 50, "0.015"),
        ("400000", 25, "0.02"),
        ("1000000", 20, "0.025"),
        ("2000000", 10, "0.05"),
        ("5000000", 5, "0.1"),
        ("10000000", 2, "0.25"),
        ("20000000", 1, "0.5"),
    ),
}


class Bracket(msgspec.Struct, frozen=True):
    """Maintenance of a notional in (floor, cap] is notional × rate − cumulative (quote currency)."""

    floor: Decimal
    cap: Decimal
    leverage: int
    rate: Decimal
    cumulative: Decimal


class Contract(msgspec.Struct, frozen=True, dict=True):
    """A linear perpetual contract of one venue. Quantities in base, prices and notionals in USDT."""

    symbol: str
    base: str
    price: Decimal
    tick: Decimal
    step: Decimal
    max_quantity: Decimal
    max_market_quantity: Decimal
    min_notional: Decimal
    max_leverage: int
    template: str
    taker_fee: Decimal
    maker_fee: Decimal
    onboarded_ms: int = 1569398400000
    minted: bool = False

    @property
    def min_quantity(self) -> Decimal:
        return self.step

    @cached_property
    def brackets(self) -> tuple[Bracket, ...]:
        """The template's brackets, none of which allows more than the contract's own leverage."""
        brackets: list[Bracket] = []
        floor = cumulative = rate_before = Decimal(0)
        for cap, leverage, rate in _TEMPLATES[self.template]:
            cumulative += floor * (Decimal(rate) - rate_before)
            brackets.append(Bracket(floor, Decimal(cap), min(leverage, self.max_leverage), Decimal(rate), cumulative))
            floor, rate_before = Decimal(cap), Decimal(rate)
        return tuple(brackets)

    def round_price(self, price: Decimal) -> Decimal:
        """The nearest price on the tick grid, at least one tick."""
        return max(self.tick, (price / self.tick).quantize(Decimal(1)) * self.tick)


FEES: dict[VenueName, tuple[Decimal, Decimal]] = {
    "binance": (Decimal("0.0005"), Decimal("0.0002")),
    "bybit": (Decimal("0.00055"), Decimal("0.0002")),
}


def list_contracts(venue: VenueName) -> list[Contract]:
    """The venue's real symbols."""
    taker, maker = FEES[venue]
    contracts = []
    for line in (BINANCE_TABLE if venue == "binance" else BYBIT_TABLE).split("\n"):
        if not line:
            continue
        symbol, price, tick, step, largest, market, notional, leverage, template = line.split()
        contracts.append(
            Contract(
                symbol=symbol,
                base=symbol.removesuffix("USDT"),
                price=Decimal(price),
                tick=Decimal(tick),
                step=Decimal(step),
                max_quantity=Decimal(largest),
                max_market_quantity=Decimal(market),
                min_notional=Decimal(notional),
                max_leverage=int(leverage),
                template=template,
                taker_fee=taker,
                maker_fee=maker,
            )
        )
    return contracts
