"""Bybit v5's return codes and texts, as its error-code page lists them. HTTP status is 200 but where said."""

from decimal import Decimal

from deploy.sandbox.core.refusals import Fact, Refused
from deploy.sandbox.wire import plain


class BybitError(Exception):
    """A refusal in Bybit's form: {"retCode": …, "retMsg": …}."""

    def __init__(self, code: int, message: str, status: int = 200) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status


_FACTS: dict[Fact, tuple[int, str]] = {
    Fact.SYMBOL_UNKNOWN: (10001, "params error: symbol invalid {symbol}"),
    Fact.LEG_MISMATCH: (10001, "position idx not match position mode"),
    Fact.QUANTITY_NOT_POSITIVE: (10001, "Qty invalid"),
    Fact.QUANTITY_TOO_SMALL: (10001, "The number of contracts exceeds minimum limit allowed"),
    Fact.QUANTITY_TOO_LARGE: (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    Fact.QUANTITY_OFF_STEP: (10001, "Qty invalid"),
    Fact.PRICE_NOT_POSITIVE: (10001, "Price invalid"),
    Fact.PRICE_OFF_TICK: (10001, "Price invalid"),
    Fact.PRICE_TOO_FAR: (110003, "Order price exceeds the allowable range."),
    Fact.NOTIONAL_TOO_SMALL: (110094, "Order does not meet minimum order value {limit}USDT"),
    Fact.REDUCE_ONLY_NO_POSITION: (110017, "current position is zero, cannot fix reduce-only order qty"),
    Fact.REDUCE_ONLY_WRONG_SIDE: (110017, "reduce-only order has same side with current position"),
    Fact.REDUCE_ONLY_TOO_LARGE: (110017, "Reduce-only rule not satisfied"),
    Fact.REDUCE_ONLY_COVERED: (110017, "orderQty will be truncated to zero."),
    Fact.MARGIN_INSUFFICIENT: (110007, "ab not enough for new order"),
    Fact.POSITION_TOO_LARGE: (
        110090,
        (
            "Order placement failed as your position may exceed the max limit. "
            "Please adjust your leverage to {leverage} or below to increase the max. position limit"
        ),
    ),
    Fact.CLIENT_ID_DUPLICATE: (110072, "OrderLinkedID is duplicate"),
    Fact.WOULD_TAKE: (140024, "The order would be executed at once; it is post-only."),
    Fact.TOO_MANY_ORDERS: (110020, "Not allowed to have more than 500 active orders"),
    Fact.ORDER_UNKNOWN: (110001, "order not exists or too late to cancel"),
    Fact.ORDER_NOT_OPEN: (110001, "order not exists or too late to cancel"),
    Fact.LEVERAGE_INVALID: (10001, "leverage invalid"),
    Fact.LEVERAGE_SAME: (110043, "leverage not modified"),
    Fact.MODE_SAME: (110025, "Position mode is not modified"),
    Fact.MODE_HAS_POSITIONS: (110024, "You have an existing position, so the position mode cannot be switched"),
    Fact.MODE_HAS_ORDERS: (110028, "There are open orders, so you cannot switch position mode"),
}


def from_refusal(refusal: Refused) -> BybitError:
    """The venue's refusal in Bybit's words."""
    if refusal.fact is Fact.WOULD_TRIGGER:
        if refusal.detail["rises"]:
            return BybitError(110092, "expect Rising, but trigger_price <= current price")
        return BybitError(110093, "expect Falling, but trigger_price >= current price")
    code, message = _FACTS[refusal.fact]
    detail = {key: plain(value) if isinstance(value, Decimal) else value for key, value in refusal.detail.items()}
    return BybitError(code, message.format(**detail))


def invalid(parameter: str) -> BybitError:
    return BybitError(10001, f"params error: {parameter} invalid")


def not_played(what: str) -> BybitError:
    """Something that the venue has and the sandbox leaves out."""
    return BybitError(10001, f"params error: the sandbox leaves out {what}")


def require_category(category: str) -> bool:
    """Whether the category is played. The venue's others exist and are empty; anything else is refused."""
    if category not in ("linear", "inverse", "spot", "option"):
        raise invalid("category")
    return category == "linear"


def empty_list(category: str) -> dict[str, object]:
    """The list of a category in which there is nothing."""
    return {"category": category, "list": [], "nextPageCursor": ""}
