"""Closed trades written straight into the books, for what is asked of many of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.common.database import transaction
from services.positions.domain.account import Account
from services.positions.store.tables import positions
from tests.factories import NOON

_NUMBERS = count(1)
_NO_LEVEL: dict[str, Any] = {"rule": {"kind": "none"}, "armed_at": None, "armed_mark": None}


@dataclass(frozen=True)
class Trade:
    """A closed trade; `pnl` is None where its fees are not known."""

    pnl: Decimal | None
    closed_at: datetime = NOON
    fee: Decimal | None = Decimal(0)
    held: timedelta = timedelta(hours=1)
    symbol: str = "BTCUSDT"
    venue: str = "binance"
    side: str = "long"
    exit_reason: str = "manual"
    flow_id: str | None = None
    estimated: bool = False

    @property
    def exact(self) -> bool:
        return not self.estimated and self.pnl is not None


async def write_trades(engine: AsyncEngine, account: Account, user_id: str, trades: Sequence[Trade]) -> None:
    """Add closed rows of a user, in the order given (by id)."""
    rows = [_row(account, user_id, trade) for trade in trades]
    if rows:
        async with transaction(engine) as connection:
            await connection.execute(positions.insert(), rows)


def _row(account: Account, user_id: str, trade: Trade) -> dict[str, Any]:
    return {
        "position_id": f"OP_1_{next(_NUMBERS):09}",
        "user_id": user_id,
        "account_id": account.account_id,
        "venue": trade.venue,
        "symbol": trade.symbol,
        "position_side": "both",
        "side": trade.side,
        "status": "closed",
        "origin": "external",
        "managed": False,
        "flow_id": trade.flow_id,
        "quantity": Decimal(1),
        "entry_price": Decimal(100),
        "leverage": None,
        "opened_at": trade.closed_at - trade.held,
        "settled_since": trade.closed_at,
        "settled_until": trade.closed_at,
        "levels": {"stop_loss": _NO_LEVEL, "take_profit": _NO_LEVEL, "floor": None},
        "enforced": False,
        "version": 2,
        "changed_at": trade.closed_at,
        "exit_price": Decimal(101),
        "exit_quantity": Decimal(1),
        "exit_fee": trade.fee,
        "realized_pnl": trade.pnl,
        "realized_pnl_percent": trade.pnl,
        "exit_reason": trade.exit_reason,
        "exit_cause": "",
        "closed_at": trade.closed_at,
        "exit_estimated": trade.estimated,
    }
