"""What a user holds over all accounts, added up.

Invariants: a figure is a sum of what is known; how many holdings it lacks is said beside it, so that a sum of some is
never taken for the sum of all. All figures are quote currency (USDT at both venues).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position: what it is worth, what it keeps of the account's margin, its unrealised profit."""

    exchange: str
    symbol: str
    side: str
    notional: Decimal | None
    margin: Decimal | None
    pnl: Decimal | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """Holdings added up. `net` is long less short; `unpriced` and `unmargined` count holdings without that figure."""

    positions: int
    gross: Decimal
    net: Decimal
    margin: Decimal
    pnl: Decimal
    unpriced: int
    unmargined: int


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The whole, and its parts by exchange, symbol and side; the parts with the most exposure first."""

    total: Exposure
    by_exchange: dict[str, Exposure]
    by_symbol: dict[str, Exposure]
    by_side: dict[str, Exposure]


def add_up(holdings: Iterable[Holding]) -> Portfolio:
    """The portfolio that these holdings are."""
    known = list(holdings)
    return Portfolio(
        total=_expose(known),
        by_exchange=_group(known, "exchange"),
        by_symbol=_group(known, "symbol"),
        by_side=_group(known, "side"),
    )


def _group(holdings: list[Holding], by: str) -> dict[str, Exposure]:
    groups: dict[str, list[Holding]] = {}
    for holding in holdings:
        groups.setdefault(getattr(holding, by), []).append(holding)
    exposures = {key: _expose(group) for key, group in groups.items()}
    return dict(sorted(exposures.items(), key=lambda item: (-item[1].gross, item[0])))


def _expose(holdings: list[Holding]) -> Exposure:
    notionals = [(holding.side, abs(holding.notional)) for holding in holdings if holding.notional is not None]
    margins = [holding.margin for holding in holdings if holding.margin is not None]
    return Exposure(
        positions=len(holdings),
        gross=sum((notional for _, notional in notionals), _ZERO),
        net=sum((notional if side == "long" else -notional for side, notional in notionals), _ZERO),
        margin=sum(margins, _ZERO),
        pnl=sum((holding.pnl for holding in holdings if holding.pnl is not None), _ZERO),
        unpriced=len(holdings) - len(notionals),
        unmargined=len(holdings) - len(margins),
    )
