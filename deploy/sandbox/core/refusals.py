"""Why the venue refuses a request. Each dialect gives the fact its own code and words."""

from enum import Enum, auto


class Fact(Enum):
    """One fact that keeps a request from being accepted."""

    SYMBOL_UNKNOWN = auto()
    LEG_MISMATCH = auto()
    QUANTITY_NOT_POSITIVE = auto()
    QUANTITY_TOO_SMALL = auto()
    QUANTITY_TOO_LARGE = auto()
    QUANTITY_OFF_STEP = auto()
    PRICE_NOT_POSITIVE = auto()
    PRICE_OFF_TICK = auto()
    PRICE_TOO_FAR = auto()
    NOTIONAL_TOO_SMALL = auto()
    REDUCE_ONLY_NO_POSITION = auto()
    REDUCE_ONLY_WRONG_SIDE = auto()
    REDUCE_ONLY_TOO_LARGE = auto()
    REDUCE_ONLY_COVERED = auto()
    MARGIN_INSUFFICIENT = auto()
    POSITION_TOO_LARGE = auto()
    CLIENT_ID_DUPLICATE = auto()
    WOULD_TRIGGER = auto()
    WOULD_TAKE = auto()
    TOO_MANY_ORDERS = auto()
    ORDER_UNKNOWN = auto()
    ORDER_NOT_OPEN = auto()
    LEVERAGE_INVALID = auto()
    LEVERAGE_SAME = auto()
    MODE_SAME = auto()
    MODE_HAS_POSITIONS = auto()
    MODE_HAS_ORDERS = auto()
    TRANSFER_TOO_LARGE = auto()


class Refused(Exception):
    """The venue refuses; `fact` says why and `detail` holds what the dialect may quote."""

    def __init__(self, fact: Fact, **detail: object) -> None:
        super().__init__(fact.name)
        self.fact = fact
        self.detail = detail
