"""What is posted to a webhook: the same as the gateway pushes, as JSON."""

from decimal import Decimal

import msgspec

from services.common.trading.money import format_decimal
from services.monitor.alerts.rows import Told


class _Data(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    alert_id: str | None
    account_id: str | None
    position_id: str | None
    kind: str
    exchange: str | None
    symbol: str | None
    price: msgspec.Raw | None
    level_price: msgspec.Raw | None
    reason: str
    note: str | None


class _Body(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    type: str = "alert_triggered"
    event_id: str
    timestamp: str
    data: _Data


def write_body(told: Told) -> str:
    """The body of a webhook's message. Numbers are JSON numbers, written plainly from the Decimal."""
    alert = told.alert
    body = _Body(
        event_id=str(told.event_id),
        timestamp=told.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        data=_Data(
            alert_id=alert.alert_id or None,
            account_id=alert.account_id or None,
            position_id=alert.position_id or None,
            kind=alert.kind.value,
            exchange=alert.venue.value if alert.venue else None,
            symbol=alert.symbol or None,
            price=_number(alert.price),
            level_price=_number(alert.level_price),
            reason=alert.reason,
            note=alert.note or None,
        ),
    )
    return msgspec.json.encode(body).decode()


def _number(value: Decimal | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(format_decimal(value).encode())
