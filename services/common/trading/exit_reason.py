"""Why a position ended, told from the fills that ended it.

`stop_loss`, `take_profit`, `ai_signal` and `manual` mean an order of Tandem's for that cause; `liquidation` and `adl`
are the venue's; all else was closed behind Tandem's back.
"""

from collections.abc import Sequence
from enum import StrEnum

from services.common.trading.client_order_id import OrderCause, parse_client_order_id
from services.common.trading.fill import Fill, OrderKind


class ExitReason(StrEnum):
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    MANUAL = "manual"
    AI_SIGNAL = "ai_signal"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    CLOSED_EXTERNALLY = "closed_externally"


_OURS = {
    OrderCause.STOP_LOSS: ExitReason.STOP_LOSS,
    OrderCause.TAKE_PROFIT: ExitReason.TAKE_PROFIT,
    OrderCause.MANUAL: ExitReason.MANUAL,
    OrderCause.AI_SIGNAL: ExitReason.AI_SIGNAL,
}
_VENUES = {OrderKind.LIQUIDATION: ExitReason.LIQUIDATION, OrderKind.ADL: ExitReason.ADL}


def exit_reason(closing: Sequence[Fill]) -> ExitReason:
    """The reason of a close: that of the fill which ended it. `closing` is in order of time and may be empty."""
    if not closing:
        return ExitReason.CLOSED_EXTERNALLY
    last = closing[-1]
    if last.order_kind in _VENUES:
        return _VENUES[last.order_kind]
    ours = parse_client_order_id(last.client_order_id)
    return _OURS.get(ours.cause, ExitReason.CLOSED_EXTERNALLY) if ours else ExitReason.CLOSED_EXTERNALLY


def external_cause(closing: Sequence[Fill]) -> str:
    """How a position closed behind Tandem's back went: the user's own `stop`, `take_profit`, `hand`, or `unknown`."""
    if not closing:
        return "unknown"
    match closing[-1].order_kind:
        case OrderKind.STOP | OrderKind.TRAILING_STOP:
            return "stop"
        case OrderKind.TAKE_PROFIT:
            return "take_profit"
        case OrderKind.MARKET | OrderKind.LIMIT:
            return "hand"
        case OrderKind.LIQUIDATION | OrderKind.ADL | OrderKind.UNKNOWN:
            return "unknown"
