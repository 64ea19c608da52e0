"""Domain objects for tests: everything has a plain default, and a test names only what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.common.trading.fill import Fill, OrderKind
from services.common.trading.reading import AccountReading, ReadingStatus, VenuePosition
from services.common.trading.side import OrderSide, PositionSide, Side

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment, so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def make_fill(fill_id: str = "1", **changes: Any) -> Fill:
    """A market sell of 1 BTC at 66 000, a second after noon."""
    fill = Fill(
        fill_id=fill_id,
        order_id="10",
        client_order_id=None,
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_side=OrderSide.SELL,
        price=Decimal(66000),
        quantity=Decimal(1),
        fee=Decimal("26.4"),
        fee_currency="USDT",
        fee_quote=Decimal("26.4"),
        realized_pnl=None,
        executed_at=at(1),
        order_kind=OrderKind.MARKET,
    )
    return replace(fill, **changes)


def make_seen(**changes: Any) -> VenuePosition:
    """A long of 1 BTC from 65 000, marked at 66 000, last changed at noon."""
    seen = VenuePosition(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        side=Side.LONG,
        quantity=Decimal(1),
        entry_price=Decimal(65000),
        mark_price=Decimal(66000),
        unrealized_pnl=Decimal(1000),
        notional=Decimal(66000),
        leverage=Decimal(10),
        updated_at=NOON,
    )
    return replace(seen, **changes)


def make_reading(*positions: VenuePosition, **changes: Any) -> AccountReading:
    """A complete reading, asked for ten seconds after noon."""
    reading = AccountReading(ReadingStatus.COMPLETE, asked_at=at(10), taken_at=at(10.2), positions=positions)
    return replace(reading, **changes)
