"""Money that came into an account or left it otherwise than by a trade: funding payments and transfers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class CashFlowKind(StrEnum):
    """Why the money moved."""

    FUNDING = "funding"
    """What the holders of one side of a perpetual contract pay those of the other."""
    TRANSFER = "transfer"
    """Into the account from elsewhere, or out of it: neither profit nor loss."""


@dataclass(frozen=True, slots=True)
class CashFlow:
    """One movement of money. `amount` in units of `currency`, positive when the account received it.

    `symbol` is the contract that funding was paid for, None for transfers. `flow_id` is the venue's own and unique
    within the account.
    """

    kind: CashFlowKind
    amount: Decimal
    currency: str
    symbol: str | None
    at: datetime
    flow_id: str


def flows_in_order(flows: Iterable[CashFlow]) -> tuple[CashFlow, ...]:
    """Each flow once, oldest first: any order of pages and duplicates gives one answer."""
    unique = {flow.flow_id: flow for flow in flows}
    return tuple(sorted(unique.values(), key=lambda flow: (flow.at, flow.flow_id)))
