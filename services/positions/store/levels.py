"""Level rules as the books keep them: a JSON document whose numbers are decimal texts."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from services.common.trading.level import Level, LevelRule, LevelRules, NoLevel, Pinned, Trailing
from services.common.trading.money import format_decimal


def levels_to_document(levels: LevelRules) -> dict[str, Any]:
    """The document of a position's rules."""
    return {
        "stop_loss": _level_to_document(levels.stop_loss),
        "take_profit": _level_to_document(levels.take_profit),
        "floor": _optional_text(levels.floor),
    }


def levels_from_document(document: dict[str, Any]) -> LevelRules:
    """The rules of a document."""
    return LevelRules(
        stop_loss=_level_from_document(document["stop_loss"]),
        take_profit=_level_from_document(document["take_profit"]),
        floor=_optional_decimal(document["floor"]),
    )


def _level_to_document(level: Level) -> dict[str, Any]:
    return {
        "rule": _rule_to_document(level.rule),
        "armed_at": None if level.armed_at is None else level.armed_at.isoformat(),
        "armed_mark": _optional_text(level.armed_mark),
    }


def _level_from_document(document: dict[str, Any]) -> Level:
    armed_at = document["armed_at"]
    return Level(
        rule=_rule_from_document(document["rule"]),
        armed_at=None if armed_at is None else datetime.fromisoformat(armed_at),
        armed_mark=_optional_decimal(document["armed_mark"]),
    )


def _rule_to_document(rule: LevelRule) -> dict[str, str]:
    match rule:
        case Trailing(distance):
            return {"kind": "trailing", "distance": format_decimal(distance)}
        case Pinned(price):
            return {"kind": "pinned", "price": format_decimal(price)}
        case NoLevel():
            return {"kind": "none"}


def _rule_from_document(document: dict[str, str]) -> LevelRule:
    match document["kind"]:
        case "trailing":
            return Trailing(Decimal(document["distance"]))
        case "pinned":
            return Pinned(Decimal(document["price"]))
        case "none":
            return NoLevel()
        case kind:
            raise ValueError(f"the books hold a level of an unknown kind: {kind}")


def _optional_text(number: Decimal | None) -> str | None:
    return None if number is None else format_decimal(number)


def _optional_decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
