"""The rules advisor: the same answer to the same situation, from nothing but what is given to it.

In this order, the first that applies:

1. Liquidation within two ATRs, or within 1 % while there is no ATR, and no enforced stop before it: CLOSE, high
   urgency.
2. A loss of 1.5 ATRs or more against a trend of two ATRs or more: CLOSE; confidence grows with the trend, and with
   sentiment and funding that say the same, so that it takes more than one of them to reach what is acted on.
3. A profit to keep: from two ATRs of gain on, a stop behind the price by three ATRs while the trend helps, two while
   it does not, 1.5 while it turns; half an ATR nearer at an extreme of sentiment against it, a quarter nearer where
   funding is dear and where it has been held for two days. Between one and two ATRs of gain: to the entry and its
   fees. With no such gain, while the trend turns: two ATRs behind the price.
4. A pinned target that a trend of two ATRs is about to reach: 1.5 ATRs further. One that is more than six ATRs away
   while the trend turns against a profit: three ATRs ahead.
5. HOLD.

A stop is moved only by a quarter of an ATR or more, and never nearer to the price than half of one.

Where fewer than 15 bars are known (a symbol that was just listed, candles that could not be read) there is no ATR, and
none is made up: a stop that is tightened by a guess is hit by the noise that the guess did not know of. The stops that
the position has go on guarding it, and of all this the first rule alone applies.
"""

from datetime import timedelta
from decimal import Decimal

from services.common.trading.level import Pinned
from services.monitor.domain.evaluation.advice import Action, Advice, Urgency, hold
from services.monitor.domain.evaluation.measures import FEWEST_BARS
from services.monitor.domain.evaluation.situation import Situation, stop_moves

LIQUIDATION_RANGES = Decimal(2)
LIQUIDATION_NEAR = Decimal("0.01")
"""A fraction of the price: what is near where nothing tells how far the price goes in a bar."""
LOSS_RANGES = Decimal("1.5")
STRONG_TREND = Decimal(2)
TURNED_TREND = Decimal("-0.5")
PROFIT_RANGES = Decimal(2)
ENTRY_RANGES = Decimal(1)
FEES = Decimal("0.001")
"""What a round trip costs at most, a fraction of the price."""
SMALLEST_MOVE = Decimal("0.25")
NEAREST = Decimal("0.5")
EXTREME = Decimal("0.6")
DEAR_FUNDING = Decimal("0.0005")
LONG_HELD = timedelta(days=2)
SURE = 75
UNMEASURED = f"too few candles are known to measure the market by: nothing is moved before {FEWEST_BARS} are"


def advise(situation: Situation) -> Advice:
    """What the rules say."""
    one = situation.conditions.range
    if one is None:
        return _before_liquidation(situation, one) or hold(UNMEASURED)
    return (
        _before_liquidation(situation, one)
        or _against_the_trend(situation, one)
        or _keep_profit(situation, one)
        or _move_target(situation, one)
        or hold(_calm(situation, one), 60)
    )


def _before_liquidation(situation: Situation, one: Decimal | None) -> Advice | None:
    away = situation.to_liquidation
    if away is None:
        return None
    ranges = None if one is None else away * situation.conditions.mark / one
    far = away > LIQUIDATION_NEAR if ranges is None else ranges > LIQUIDATION_RANGES
    if far or _stopped_before(situation):
        return None
    measured = "" if ranges is None else f" {_ranges(ranges)},"
    reason = f"liquidation is {_percent(away)} away,{measured} and no enforced stop comes before it"
    return Advice(Action.CLOSE, reason, Urgency.HIGH, 90)


def _stopped_before(situation: Situation) -> bool:
    stop, liquidation = situation.stop, situation.liquidation
    if stop is None or liquidation is None or not situation.levels.stop_loss.enforced:
        return False
    return (stop - liquidation) * situation.sign > 0


def _against_the_trend(situation: Situation, one: Decimal) -> Advice | None:
    gain, against = situation.gain, -situation.trend
    if gain is None:
        return None
    lost = -gain / one
    if lost < LOSS_RANGES or against < STRONG_TREND:
        return None
    confidence = 60 + min(15, int((against - STRONG_TREND) * 10))
    reason = f"a loss of {_ranges(lost)} against a trend of {_ranges(against)}"
    if situation.sentiment is not None and situation.sentiment <= -EXTREME:
        confidence += 10
        reason += f", and sentiment at {situation.sentiment:+.2f} is with the trend"
    if _pays_dear(situation):
        confidence += 5
        reason += ", and funding is dear"
    return Advice(Action.CLOSE, reason, Urgency.MEDIUM, confidence)


def _keep_profit(situation: Situation, one: Decimal) -> Advice | None:
    stop, gain = situation.stop, situation.gain
    if stop is None or gain is None or not stop_moves(situation.levels.stop_loss):
        return None
    mark = situation.conditions.mark
    gained, turned = gain / one, situation.trend <= TURNED_TREND
    if gained >= PROFIT_RANGES:
        behind, why = _distance(situation)
        wanted = mark - situation.sign * behind * one
        reason = f"a gain of {_ranges(gained)} is kept by a stop {_ranges(behind)} behind the price{why}"
    elif turned:
        wanted = mark - situation.sign * PROFIT_RANGES * one
        reason = (
            f"the trend has turned by {_ranges(-situation.trend)}: a stop {_ranges(PROFIT_RANGES)} behind the price"
        )
    elif gained >= ENTRY_RANGES:
        entry = mark - situation.sign * gain
        wanted = entry * (1 + situation.sign * FEES)
        reason = f"a gain of {_ranges(gained)}: the stop goes to the entry and its fees"
    else:
        return None
    tighter = (wanted - stop) * situation.sign
    room = (mark - wanted) * situation.sign
    if tighter < SMALLEST_MOVE * one or room < NEAREST * one or wanted <= 0:
        return None
    return Advice(Action.MOVE_STOP, reason, Urgency.MEDIUM if turned else Urgency.LOW, SURE, wanted)


def _distance(situation: Situation) -> tuple[Decimal, str]:
    """How many ATRs behind the price a stop keeps a profit, and what brought it nearer than the trend says."""
    if situation.trend <= TURNED_TREND:
        behind = Decimal("1.5")
    else:
        behind = Decimal(3) if situation.trend >= ENTRY_RANGES else Decimal(2)
    why = []
    if situation.sentiment is not None and situation.sentiment <= -EXTREME:
        behind -= Decimal("0.5")
        why.append(f"sentiment is {situation.sentiment:+.2f}")
    if _pays_dear(situation):
        behind -= Decimal("0.25")
        why.append("funding is dear")
    if situation.held_for >= LONG_HELD:
        behind -= Decimal("0.25")
        why.append("it has been held for long")
    return max(behind, Decimal(1)), f" ({', '.join(why)})" if why else ""


def _move_target(situation: Situation, one: Decimal) -> Advice | None:
    target = situation.levels.take_profit.rule
    gain = situation.gain
    if not isinstance(target, Pinned) or gain is None:
        return None
    mark, sign = situation.conditions.mark, situation.sign
    ahead = (target.price - mark) * sign / one
    if situation.trend >= STRONG_TREND and 0 < ahead <= NEAREST:
        further = target.price + sign * LOSS_RANGES * one
        reason = f"the target is {_ranges(ahead)} away in a trend of {_ranges(situation.trend)}: it lets the trend run"
        return Advice(Action.MOVE_TARGET, reason, Urgency.LOW, SURE, further) if further > 0 else None
    if situation.trend <= -ENTRY_RANGES and gain > 0 and ahead > 6:
        nearer = mark + sign * 3 * one
        reason = f"the target is {_ranges(ahead)} away and the trend has turned by {_ranges(-situation.trend)}"
        return Advice(Action.MOVE_TARGET, reason, Urgency.MEDIUM, SURE, nearer) if nearer > 0 else None
    return None


def _pays_dear(situation: Situation) -> bool:
    rate = situation.conditions.funding_rate
    return rate is not None and rate * situation.sign >= DEAR_FUNDING


def _calm(situation: Situation, one: Decimal) -> str:
    gain = situation.gain
    if gain is None:
        return "nothing calls for a change"
    return f"{_ranges(gain / one)} of gain, a trend of {_ranges(situation.trend)}: it goes on"


def _ranges(number: Decimal) -> str:
    return f"{number:.1f} ATR"


def _percent(fraction: Decimal) -> str:
    return f"{fraction * 100:.1f} %"
