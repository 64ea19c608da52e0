"""The positions of one instrument: a price inside the band is two comparisons, whatever their number.

Invariant: a position is in exactly one of three states: waiting (its entries are in the heaps), triggered (a level of
it is reached; its entries are leftovers and it is looked at when asked what stands), or gone.
"""

from collections.abc import Callable
from decimal import Decimal
from math import inf

from services.common.trading.level import Pinned, Trailing
from services.common.trading.side import Side
from services.monitor.domain.position import Position
from services.monitor.domain.triggers.armed import GONE, TRIGGERED, Armed
from services.monitor.domain.triggers.pins import Pins
from services.monitor.domain.triggers.trails import Trails
from services.monitor.domain.triggers.trigger import NOTHING, Crossed, Standing, Trigger, trigger_of


class TriggerBook:
    """One instrument's positions."""

    __slots__ = ("_armed", "_lower", "_next", "_pins", "_trails", "_triggered", "_unmarked", "_upper")

    def __init__(self) -> None:
        self._lower = -inf
        self._upper = inf
        self._armed: dict[str, Armed] = {}
        self._triggered: dict[str, Armed] = {}
        self._unmarked: dict[str, Armed] = {}
        self._trails = {side: Trails(side.sign) for side in Side}
        self._pins = {side: Pins(side.sign) for side in Side}
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
                self._trails[position.side].add(armed, mark, distance)
        self._pin(armed)
        self._set_band()

    def remove(self, position_id: str) -> None:
        """Forget a position; one that is not there is no error."""
        armed = self._armed.pop(position_id, None)
        if armed is not None:
            self._forget(armed)
            self._set_band()

    def _move(self, nearest: float, price: Decimal) -> Crossed:
        raised = False
        for position_id, armed in tuple(self._unmarked.items()):
            del self._unmarked[position_id]
            distance = trailing_distance(armed.position)
            if distance is not None:
                self._trails[armed.position.side].add(armed, price, distance)
            raised = True
        for side, trails in self._trails.items():
            if side.sign * nearest >= trails.mark_edge:
                raised = trails.raise_marks(side.sign * nearest, price) or raised
        triggers = self._reach(nearest, price)
        self._set_band()
        return Crossed(triggers, raised) if triggers or raised else NOTHING

    def _reach(self, nearest: float, price: Decimal) -> tuple[Trigger, ...]:
        triggers: list[Trigger] = []
        fires = self._asking(price, triggers)
        for side in Side:
            signed = side.sign * nearest
            if signed <= self._trails[side].stop_edge:
                self._trails[side].reach(signed, fires)
            if signed <= self._pins[side].edge:
                self._pins[side].reach(signed, fires)
        return tuple(triggers)

    def _asking(self, price: Decimal, triggers: list[Trigger]) -> Callable[[Armed], bool]:
        def fires(armed: Armed) -> bool:
            trigger = trigger_of(armed.position, price, armed.watermark)
            if trigger is None:
                return False
            triggers.append(trigger)
            self._leave_heaps(armed)
            armed.place = TRIGGERED
            self._triggered[armed.position.position_id] = armed
            return True

        return fires

    def _wait_again(self, armed: Armed) -> None:
        self._next += 1
        armed.place = self._next
        distance = trailing_distance(armed.position)
        if distance is not None and armed.group is not None:
            self._trails[armed.position.side].again(armed, distance)
        self._pin(armed)

    def _pin(self, armed: Armed) -> None:
        for side, level in pinned_levels(armed.position):
            self._pins[side].add(armed, level)

    def _leave_heaps(self, armed: Armed) -> None:
        if armed.group is not None:
            self._trails[armed.position.side].left_over(armed)
        for side, _ in pinned_levels(armed.position):
            self._pins[side].left_over()

    def _forget(self, armed: Armed) -> None:
        self._triggered.pop(armed.position.position_id, None)
        self._unmarked.pop(armed.position.position_id, None)
        if armed.group is not None:
            self._trails[armed.position.side].forget(armed)
        waiting, armed.place = armed.place != TRIGGERED, GONE
        for side, _ in pinned_levels(armed.position):
            if waiting:
                self._pins[side].left_over()
                self._pins[side].tidy()

    def _set_band(self) -> None:
        longs, shorts = self._trails[Side.LONG], self._trails[Side.SHORT]
        falling, rising = self._pins[Side.LONG], self._pins[Side.SHORT]
        # A stop without a watermark takes the next price for it, wherever that is.
        self._lower = inf if self._unmarked else max(longs.stop_edge, falling.edge, -shorts.mark_edge)
        self._upper = min(longs.mark_edge, -shorts.stop_edge, -rising.edge)


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
