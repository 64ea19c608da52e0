"""The positions of one instrument: a price inside the band is two comparisons, whatever their number.

Invariant: a position is in exactly one of three states: waiting (its entries are in the heaps), triggered (a level of
it is reached; its entries are leftovers and it is looked at when asked what stands), or gone.
"""

from decimal import Decimal
from math import inf

from services.common.trading.level import Pinned, Trailing
from services.common.trading.side import Side
from services.monitor.domain.position import Position
from services.monitor.domain.triggers.armed import FALLING, GONE, RISING, TRIGGERED, Armed, Group, root_of
from services.monitor.domain.triggers.pins import Pins
from services.monitor.domain.triggers.trails import Reach, Trails
from services.monitor.domain.triggers.trigger import NOTHING, RAISED, Crossed, Standing, Trigger, trigger_of


class TriggerBook:
    """One instrument's positions."""

    __slots__ = (
        *("_armed", "_next", "_triggered", "_unmarked"),
        *("_falling", "_longs", "_rising", "_shorts"),
        *("_lower", "_upper"),
    )

    def __init__(self) -> None:
        self._lower = -inf
        self._upper = inf
        self._armed: dict[str, Armed] = {}
        self._triggered: dict[str, Armed] = {}
        self._unmarked: dict[str, Armed] = {}
        self._longs = Trails(1)
        self._shorts = Trails(-1)
        self._falling = Pins(1)
        self._rising = Pins(-1)
        self._next = 0

    def __len__(self) -> int:
        return len(self._armed)

    def crossed(self, price: Decimal) -> Crossed:
        """Take in a price, and tell what it triggers that had not been triggered yet."""
        nearest = float(price)
        if self._lower < nearest < self._upper:
            return NOTHING
        return self._move(nearest, price)

    def standing(self, price: Decimal) -> Standing:
        """Hold a price against everything again; watermarks stay. What has recovered waits again."""
        recovered = []
        for position_id, armed in tuple(self._triggered.items()):
            if trigger_of(armed.position, price, armed.watermark) is None:
                del self._triggered[position_id]
                self._wait_again(armed)
                recovered.append(position_id)
        self._reach(float(price), price)
        self._set_band()
        triggers = (trigger_of(armed.position, price, armed.watermark) for armed in self._triggered.values())
        return Standing(tuple(trigger for trigger in triggers if trigger is not None), tuple(recovered))

    def watermark(self, position_id: str) -> Decimal | None:
        """The watermark under a position's trailing stop; None where nothing trails."""
        armed = self._armed.get(position_id)
        return None if armed is None else armed.watermark

    def positions(self) -> tuple[Position, ...]:
        """All of them, triggered ones too."""
        return tuple(armed.position for armed in self._armed.values())

    def put(self, position: Position, watermark: Decimal | None = None) -> None:
        """Add a position, or take a newer version of it."""
        before = self._armed.get(position.position_id)
        if before is not None:
            if _same_arming(before.position, position):
                watermark = _best(position.side, watermark, before.watermark)
            self._forget(before)
        self._next += 1
        armed = self._armed[position.position_id] = Armed(position, self._next)
        distance = trailing_distance(position)
        if distance is not None:
            mark = _best(position.side, watermark, position.levels.stop_loss.armed_mark)
            if mark is None:
                self._unmarked[position.position_id] = armed
            else:
                self._trails(position.side).add(armed, mark, distance)
        self._pin(armed)
        self._set_band()

    def remove(self, position_id: str) -> None:
        """Forget a position; one that is not there is no error."""
        armed = self._armed.pop(position_id, None)
        if armed is not None:
            self._forget(armed)
            self._set_band()

    def _move(self, nearest: float, price: Decimal) -> Crossed:
        raised = bool(self._unmarked)
        if raised:
            self._mark(price)
        if nearest >= self._longs.mark_edge:
            raised = self._longs.raise_marks(nearest, price) or raised
        if -nearest >= self._shorts.mark_edge:
            raised = self._shorts.raise_marks(-nearest, price) or raised
        triggers = self._reach(nearest, price)
        self._set_band()
        if triggers:
            return Crossed(tuple(triggers), raised)
        return RAISED if raised else NOTHING

    def _mark(self, price: Decimal) -> None:
        """Every stop that trails without a watermark takes this price for it."""
        for armed in self._unmarked.values():
            distance = trailing_distance(armed.position)
            if distance is not None:
                self._trails(armed.position.side).add(armed, price, distance)
        self._unmarked.clear()

    def _reach(self, nearest: float, price: Decimal) -> list[Trigger]:
        triggers: list[Trigger] = []
        for signed, trails, pins in ((nearest, self._longs, self._falling), (-nearest, self._shorts, self._rising)):
            if signed <= trails.stop_edge:
                trails.reach(signed, self._asking(price, triggers))
            if signed <= pins.edge:
                pins.reach(signed, self._asking(price, triggers))
        return triggers

    def _asking(self, price: Decimal, triggers: list[Trigger]) -> Reach:
        def fires(armed: Armed, left: Group | None) -> bool:
            position = armed.position
            trigger = trigger_of(position, price, armed.watermark if left is None else left.mark)
            if trigger is None:
                return False
            triggers.append(trigger)
            armed.place = TRIGGERED
            if left is None and armed.group is not None:
                root_of(armed).leftovers += 1
            if armed.pins:
                self._leave_pins(armed)
            self._triggered[position.position_id] = armed
            return True

        return fires

    def _wait_again(self, armed: Armed) -> None:
        self._next += 1
        armed.place = self._next
        distance = trailing_distance(armed.position)
        if distance is not None and armed.group is not None:
            self._trails(armed.position.side).again(armed, distance)
        self._pin(armed)

    def _pin(self, armed: Armed) -> None:
        armed.pins = 0
        for side, level in pinned_levels(armed.position):
            if side is Side.LONG:
                self._falling.add(armed, level)
                armed.pins |= FALLING
            else:
                self._rising.add(armed, level)
                armed.pins |= RISING

    def _leave_pins(self, armed: Armed) -> None:
        if armed.pins & FALLING:
            self._falling.left_over()
        if armed.pins & RISING:
            self._rising.left_over()

    def _forget(self, armed: Armed) -> None:
        self._triggered.pop(armed.position.position_id, None)
        self._unmarked.pop(armed.position.position_id, None)
        waiting, armed.place = armed.place != TRIGGERED, GONE
        if armed.group is not None:
            self._trails(armed.position.side).forget(armed, waiting=waiting)
        if waiting and armed.pins & FALLING:
            self._falling.left_over()
            self._falling.tidy()
        if waiting and armed.pins & RISING:
            self._rising.left_over()
            self._rising.tidy()

    def _trails(self, side: Side) -> Trails:
        return self._longs if side is Side.LONG else self._shorts

    def _set_band(self) -> None:
        longs, shorts = self._longs, self._shorts
        # A stop without a watermark takes the next price for it, wherever that is.
        self._lower = inf if self._unmarked else max(longs.stop_edge, self._falling.edge, -shorts.mark_edge)
        self._upper = min(longs.mark_edge, -shorts.stop_edge, -self._rising.edge)


def trailing_distance(position: Position) -> Decimal | None:
    """The distance of an enforced trailing stop; None where the position has none."""
    stop = position.levels.stop_loss
    return stop.rule.distance if stop.enforced and isinstance(stop.rule, Trailing) else None


def pinned_levels(position: Position) -> tuple[tuple[Side, Decimal], ...]:
    """The enforced levels at fixed prices, each with the half of the book where it fires: LONG as prices fall."""
    stop, target = position.levels.stop_loss, position.levels.take_profit
    pinned: list[tuple[Side, Decimal]] = []
    if stop.enforced:
        if isinstance(stop.rule, Pinned):
            pinned.append((position.side, stop.rule.price))
        elif isinstance(stop.rule, Trailing) and position.levels.floor is not None:
            pinned.append((position.side, position.levels.floor))
    if target.enforced and isinstance(target.rule, Pinned):
        pinned.append((position.side.opposite, target.rule.price))
    return tuple(pinned)


def _best(side: Side, one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other) if side is Side.LONG else min(one, other)


def _same_arming(before: Position, after: Position) -> bool:
    one, other = before.levels.stop_loss, after.levels.stop_loss
    return (one.armed_at, one.armed_mark, before.side) == (other.armed_at, other.armed_mark, after.side)
