"""The client order ids of Tandem's own orders: our prefix, the cause, and the intent behind the order.

Both venues allow 36 characters of letters, digits, `-` and `_`. A venue lets the id of a filled order be used again, so
an id tells where an order came from; it does not protect against sending it twice.
"""

import re
from base64 import b32decode, b32encode
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

PREFIX = "tdm"


class OrderCause(StrEnum):
    """Why Tandem sent an order."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    MANUAL = "manual"
    AI_SIGNAL = "ai_signal"
    OPEN = "open"


_CODES = {
    OrderCause.STOP_LOSS: "s",
    OrderCause.TAKE_PROFIT: "t",
    OrderCause.MANUAL: "m",
    OrderCause.AI_SIGNAL: "a",
    OrderCause.OPEN: "o",
}
_CAUSES = {code: cause for cause, code in _CODES.items()}
_PATTERN = re.compile(rf"{PREFIX}-([{''.join(_CAUSES)}])-([a-z2-7]{{26}})")


@dataclass(frozen=True, slots=True)
class ClientOrderId:
    """The cause of an order and the intent that it carries out."""

    cause: OrderCause
    intent_id: UUID

    def __str__(self) -> str:
        return f"{PREFIX}-{_CODES[self.cause]}-{b32encode(self.intent_id.bytes).decode().rstrip('=').lower()}"


def parse_client_order_id(text: str | None) -> ClientOrderId | None:
    """Read one of our ids back; None for an order that is not ours."""
    match = _PATTERN.fullmatch(text or "")
    if match is None:
        return None
    code, intent = match.groups()
    parsed = ClientOrderId(_CAUSES[code], UUID(bytes=b32decode(f"{intent.upper()}======")))
    # The last letter holds two bits more than an intent has: of four that stand for the same, ours is one.
    return parsed if str(parsed) == text else None
