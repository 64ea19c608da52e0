"""Which fills belong to the position that is open now: those since its slot last held nothing."""

from collections.abc import Iterable
from decimal import Decimal

from services.common.trading.fill import Fill, in_order, net_quantity
from services.common.trading.side import OrderSide


def opening_fills(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """The fills since the quantity was last zero, starting from zero: of one that crosses it, the share that is left.

    `fills` are in order of time.
    """
    current, _ = _since_zero(fills, Decimal(0))
    return current


def fills_that_led_to(fills: Iterable[Fill], final_quantity: Decimal) -> tuple[Fill, ...]:
    """What opened the position that now holds `final_quantity` (signed); empty where these fills do not show it.

    What was held before the first of them follows from what is held now: where that was something, and it was never
    zero since, the position is older than these fills.
    """
    ordered = in_order(fills)
    held = final_quantity - net_quantity(ordered)
    current, from_zero = _since_zero(ordered, held)
    return current if from_zero else ()


def fills_within(fills: Iterable[Fill], final_quantity: Decimal) -> tuple[Fill, ...]:
    """Those fills that belong to the position of `final_quantity`, whether or not they show how it began."""
    ordered = in_order(fills)
    return _since_zero(ordered, final_quantity - net_quantity(ordered))[0]


def _since_zero(fills: Iterable[Fill], held: Decimal) -> tuple[tuple[Fill, ...], bool]:
    current: list[Fill] = []
    from_zero = held == 0
    for fill in fills:
        change = fill.quantity if fill.order_side is OrderSide.BUY else -fill.quantity
        left = held + change
        if left == 0:
            current, from_zero = [], True
        elif held * left < 0:
            current, from_zero = [fill.part(abs(left))], True
        else:
            current.append(fill)
        held = left
    return tuple(current), from_zero
