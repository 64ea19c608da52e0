"""Binance USD-M's error codes, texts and HTTP statuses, as its error-code page lists them."""

from decimal import Decimal

from deploy.sandbox.core.refusals import Fact, Refused
from deploy.sandbox.wire import plain


class BinanceError(Exception):
    """A refusal in Binance's form: {"code": …, "msg": …}."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status

    def document(self) -> dict[str, object]:
        return {"code": self.code, "msg": self.message}


_FACTS: dict[Fact, tuple[int, str]] = {
    Fact.SYMBOL_UNKNOWN: (-1121, "Invalid symbol."),
    Fact.LEG_MISMATCH: (-4061, "Order's position side does not match user's setting."),
    Fact.QUANTITY_NOT_POSITIVE: (-4003, "Quantity less than or equal to zero."),
    Fact.QUANTITY_TOO_SMALL: (-4004, "Quantity less than min quantity."),
    Fact.QUANTITY_TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    Fact.QUANTITY_OFF_STEP: (-1111, "Precision is over the maximum defined for this asset."),
    Fact.PRICE_NOT_POSITIVE: (-4001, "Price less than 0."),
    Fact.PRICE_OFF_TICK: (-4014, "Price not increased by tick size."),
    Fact.PRICE_TOO_FAR: (-4016, "Limit price can't be higher than {limit}."),
    Fact.NOTIONAL_TOO_SMALL: (
        -4164,
        "Order's notional must be no smaller than {limit} (unless you choose reduce only).",
    ),
    Fact.REDUCE_ONLY_NO_POSITION: (-2022, "ReduceOnly Order is rejected."),
    Fact.REDUCE_ONLY_WRONG_SIDE: (-2022, "ReduceOnly Order is rejected."),
    Fact.REDUCE_ONLY_TOO_LARGE: (-2022, "ReduceOnly Order is rejected."),
    Fact.REDUCE_ONLY_COVERED: (
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders.",
    ),
    Fact.MARGIN_INSUFFICIENT: (-2019, "Margin is insufficient."),
    Fact.POSITION_TOO_LARGE: (-2027, "Exceeded the maximum allowable position at current leverage."),
    Fact.CLIENT_ID_DUPLICATE: (-4116, "ClientOrderId is duplicated."),
    Fact.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Fact.WOULD_TAKE: (
        -5022,
        (
            "Due to the order could not be executed as maker, the Post Only order will be rejected. "
            "The order will not be recorded in the order history"
        ),
    ),
    Fact.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    Fact.ORDER_UNKNOWN: (-2013, "Order does not exist."),
    Fact.ORDER_NOT_OPEN: (-2011, "Unknown order sent."),
    Fact.LEVERAGE_INVALID: (-4028, "Leverage {leverage} is not valid"),
    Fact.MODE_SAME: (-4059, "No need to change position side."),
    Fact.MODE_HAS_ORDERS: (-4067, "Position side cannot be changed if there exists open orders."),
    Fact.MODE_HAS_POSITIONS: (-4068, "Position side cannot be changed if there exists position."),
}


def from_refusal(refusal: Refused) -> BinanceError:
    """The venue's refusal in Binance's words."""
    code, message = _FACTS[refusal.fact]
    if refusal.fact is Fact.PRICE_TOO_FAR and refusal.detail.get("side") == "SELL":
        code, message = -4024, "Limit price can't be lower than {limit}."
    detail = {key: plain(value) if isinstance(value, Decimal) else value for key, value in refusal.detail.items()}
    return BinanceError(code, message.format(**detail))


def missing(parameter: str) -> BinanceError:
    return BinanceError(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def not_played(what: str) -> BinanceError:
    """Something that the venue has and the sandbox leaves out; said plainly, with the venue's unknown error."""
    return BinanceError(-1000, f"The sandbox leaves out {what}.")
