"""Which of the fills after a position's end belong to the one that is open now."""

from collections.abc import Iterable
from decimal import Decimal

from services.common.trading.fill import Fill
from services.common.trading.side import OrderSide


def opening_fills(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """The fills since the quantity was last zero, starting from zero: of one that crosses it, the share that is left.

    `fills` are in order of time.
    """
    held = Decimal(0)
    current: list[Fill] = []
    for fill in fills:
        change = fill.quantity if fill.order_side is OrderSide.BUY else -fill.quantity
        left = held + change
        if left == 0:
            current = []
        elif held * left < 0:
            current = [fill.part(abs(left))]
        else:
            current.append(fill)
        held = left
    return tuple(current)
