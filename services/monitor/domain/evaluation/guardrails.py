"""Between advice and act: what may be done of what an advisor says.

Invariants: a stop is only ever tightened, and never comes to lie past the price or beyond liquidation; a target lies
ahead of the price, neither so near that to move it is to close, nor so far that to move it is to take it away, and is
there already: what its user took away stays away; a close takes confidence, or high urgency twice running; an observed
position is never acted on, nor is one of a user who wants advice alone. Moves wait for a cool-down and end at a daily
limit; a close waits for neither: it cannot be repeated, and both are there against moving too often.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from services.common.trading.money import SCALE
from services.monitor.domain.evaluation.advice import Action, Advice, Mode, Outcome, Urgency
from services.monitor.domain.evaluation.situation import Situation, has_level, stop_moves

CLOSEST_STOP = Decimal("0.001")
"""A fraction of the price: a stop that is nearer would be hit by the price standing still, as would a target."""
FARTHEST_TARGET = Decimal("0.5")
"""A fraction of the price."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`close_confidence` from 0 to 100; `daily_actions` of one position, since midnight UTC."""

    close_confidence: int = 70
    cool_down: timedelta = timedelta(minutes=2)
    daily_actions: int = 12


@dataclass(frozen=True, slots=True)
class Record:
    """What was done to a position before. `previous`: the last advice about it."""

    previous: Advice | None = None
    acted_at: datetime | None = None
    acted_today: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome` ACTED: do it, as `advice` says it now (its price is on the grid); else what became of it, and why.

    `passing`: what stands in the way now may not at the next look, though nothing has changed by then.
    """

    outcome: Outcome
    advice: Advice
    reason: str = ""
    passing: bool = False


def judge(advice: Advice, situation: Situation, mode: Mode, limits: Limits, record: Record) -> Verdict:
    """How far an advice may go."""
    if advice.action is Action.HOLD:
        return Verdict(Outcome.HELD, advice)
    if advice.action.moves:
        advice = _on_grid(advice, situation)
    objection = _objection(advice, situation, limits, record)
    if objection:
        urgent = advice.action is Action.CLOSE and advice.urgency is Urgency.HIGH
        return Verdict(Outcome.WITHHELD, advice, objection, passing=urgent)
    if not situation.subject.managed:
        return Verdict(Outcome.ADVISED, advice, "the position is observed, not managed")
    if mode is not Mode.ACT:
        return Verdict(Outcome.ADVISED, advice, "the user wants advice alone")
    pause = _pause(advice, situation, limits, record)
    if pause:
        return Verdict(Outcome.WITHHELD, advice, pause, passing=record.acted_today < limits.daily_actions)
    return Verdict(Outcome.ACTED, advice)


def _objection(advice: Advice, situation: Situation, limits: Limits, record: Record) -> str:
    match advice.action:
        case Action.MOVE_STOP:
            return _objection_to_stop(advice, situation)
        case Action.MOVE_TARGET:
            return _objection_to_target(advice, situation)
        case _:
            return _objection_to_close(advice, limits, record)


def _objection_to_stop(advice: Advice, situation: Situation) -> str:
    price, sign, mark = advice.price, situation.sign, situation.conditions.mark
    if price is None or situation.stop is None or not stop_moves(situation.levels.stop_loss):
        return "the position has no enforced stop to tighten"
    if (price - situation.stop) * sign <= 0:
        return "it would loosen the stop"
    if (mark - price) * sign < mark * CLOSEST_STOP:
        return "the stop would lie at the price or past it"
    if situation.liquidation is not None and (price - situation.liquidation) * sign <= 0:
        return "the stop would lie beyond liquidation"
    return ""


def _objection_to_target(advice: Advice, situation: Situation) -> str:
    price, sign, mark = advice.price, situation.sign, situation.conditions.mark
    if price is None or not has_level(situation.levels.take_profit):
        return "the position has no target to move"
    if (price - mark) * sign < mark * CLOSEST_STOP:
        return "the target would lie at the price or behind it"
    if (price - mark) * sign > mark * FARTHEST_TARGET:
        return "the target would lie farther away than any price will be soon"
    if price == situation.target and situation.levels.take_profit.enforced:
        return "the target is there already"
    return ""


def _objection_to_close(advice: Advice, limits: Limits, record: Record) -> str:
    if advice.confidence >= limits.close_confidence:
        return ""
    previous = record.previous
    again = previous is not None and previous.action is Action.CLOSE and previous.urgency is Urgency.HIGH
    if again and advice.urgency is Urgency.HIGH:
        return ""
    return f"its confidence is below {limits.close_confidence}"


def _pause(advice: Advice, situation: Situation, limits: Limits, record: Record) -> str:
    if advice.action is Action.CLOSE:
        return ""
    if record.acted_today >= limits.daily_actions:
        return f"it has been acted on {record.acted_today} times today"
    if record.acted_at is not None and situation.at - record.acted_at < limits.cool_down:
        return "it was acted on a moment ago"
    return ""


def _on_grid(advice: Advice, situation: Situation) -> Advice:
    """The advice with its price on the venue's grid, on the looser side of what was meant; on the books' grid while the
    venue's is not known.
    """
    tick, price = situation.conditions.tick, advice.price
    if price is None:
        return advice
    if tick is None or tick <= 0:
        tick = SCALE
    down = (situation.sign > 0) == (advice.action is Action.MOVE_STOP)
    with localcontext(prec=60):
        steps = (price / tick).to_integral_value(ROUND_FLOOR if down else ROUND_CEILING)
        price = max(steps, Decimal(1)) * tick
    return Advice(advice.action, advice.reason, advice.urgency, advice.confidence, price)
