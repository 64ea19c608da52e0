"""A situation as plain values: what an evaluation rested on, and what a model is told of it."""

from decimal import Decimal

from services.common.trading.money import format_decimal
from services.monitor.domain.evaluation.situation import Situation

_FRACTION = Decimal("0.00001")
_NUMBER = Decimal("0.001")


def facts_of(situation: Situation) -> dict[str, object]:
    """Numbers as texts; what is not known is left out."""
    position, conditions = situation.subject.position, situation.conditions
    measures = conditions.measures
    facts: dict[str, object | None] = {
        "symbol": position.symbol,
        "side": position.side.value,
        "managed": situation.subject.managed,
        "quantity": format_decimal(position.quantity),
        "entryPrice": _text(position.entry_price),
        "leverage": _text(situation.subject.leverage),
        "markPrice": format_decimal(conditions.mark),
        "stopLoss": _text(situation.stop),
        "takeProfit": _text(situation.target),
        "liquidationPrice": _text(situation.liquidation),
        "toLiquidation": _text(situation.to_liquidation, _FRACTION),
        "gain": _text(_gain(situation), _FRACTION),
        "averageTrueRange": _text(conditions.range, _FRACTION),
        "trend": None if measures is None else _text(measures.trend, _NUMBER),
        "volatility": None if measures is None else _text(measures.volatility, _FRACTION),
        "change": None if measures is None else _text(measures.change, _FRACTION),
        "fundingRate": _text(conditions.funding_rate),
        "heldSeconds": int(situation.held_for.total_seconds()),
    }
    mood = situation.mood
    if mood is not None:
        facts["sentiment"] = format_decimal(mood.score)
        facts["sources"] = {one.name: {"score": format_decimal(one.score), "count": one.count} for one in mood.sources}
        facts["missing"] = dict(mood.missing)
    return {name: value for name, value in facts.items() if value is not None}


def _gain(situation: Situation) -> Decimal | None:
    gain, entry = situation.gain, situation.subject.position.entry_price
    return None if gain is None or entry is None else gain / entry


def _text(number: Decimal | None, step: Decimal | None = None) -> str | None:
    if number is None:
        return None
    return format_decimal(number if step is None else _rounded(number, step))


def _rounded(number: Decimal, step: Decimal) -> Decimal:
    """Rounded, unless it would come to nothing or has no more digits than the context."""
    if number == 0 or abs(number) < step * 10 or number.adjusted() > 15:
        return number
    return number.quantize(step)
