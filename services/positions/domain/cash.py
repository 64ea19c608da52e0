"""Funding payments and the positions that paid or received them; transfers between two readings of equity.

A venue lists funding by symbol alone. In one-way mode that tells the position; in hedge mode each leg has a payment of
its own, one of them paid and one received, and the larger payment is that of the larger leg.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.common.trading.cash_flow import CashFlow, CashFlowKind
from services.common.trading.side import PositionSide
from services.positions.domain.position import Position

_QUOTES = ("USDT", "USDC", "USD")


@dataclass(frozen=True, slots=True)
class Holding:
    """When a position was open (`closed_at` is None while it is), and how large it was last, in base units."""

    position_id: str
    symbol: str
    position_side: PositionSide
    quantity: Decimal
    opened_at: datetime
    closed_at: datetime | None

    def held_at(self, moment: datetime) -> bool:
        """Whether it was open then."""
        return self.opened_at < moment and (self.closed_at is None or moment <= self.closed_at)


def holding_of(position: Position) -> Holding:
    """When and how a position was held."""
    end = position.exit
    return Holding(
        position.position_id,
        position.symbol,
        position.position_side,
        position.quantity,
        position.opened_at,
        None if end is None else end.executed_at,
    )


def assign_funding(flows: Iterable[CashFlow], holdings: Sequence[Holding]) -> dict[str, str]:
    """Position by flow id, for the payments that can be told: one of another currency than its symbol's, or of a leg
    that nobody can tell from the other, belongs to none.
    """
    together: dict[tuple[str, datetime], list[CashFlow]] = defaultdict(list)
    for flow in flows:
        if flow.kind is CashFlowKind.FUNDING and flow.symbol is not None and flow.symbol.endswith(flow.currency):
            together[flow.symbol, flow.at].append(flow)
    assigned: dict[str, str] = {}
    for (symbol, at), payments in together.items():
        held = [one for one in holdings if one.symbol == symbol and one.held_at(at)]
        if len({one.position_side for one in held}) < len(held) or len(held) != len(payments):
            continue
        if len(held) > 1 and len({flow.amount > 0 for flow in payments}) < len(payments):
            continue
        legs = sorted(held, key=lambda one: (one.quantity, one.position_side))
        for flow, leg in zip(sorted(payments, key=lambda flow: (abs(flow.amount), flow.flow_id)), legs, strict=True):
            assigned[flow.flow_id] = leg.position_id
    return assigned


def transfers_between(flows: Iterable[CashFlow], after: datetime, until: datetime) -> Decimal | None:
    """Net deposits after one moment and until another, in quote currency; None where one is of a currency that has no
    rate.
    """
    moved = [flow for flow in flows if flow.kind is CashFlowKind.TRANSFER and after < flow.at <= until]
    if any(flow.currency not in _QUOTES for flow in moved):
        return None
    return sum((flow.amount for flow in moved), start=Decimal(0))
