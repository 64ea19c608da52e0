"""Openings as rows of the table, and back. A wish is kept whole: it is checked anew before an order that waited."""

from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from services.common.trading.level import LevelRule, NoLevel, Pinned, Trailing
from services.common.trading.money import format_decimal
from services.common.trading.partition import partition_of
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.closing.rows import fill_from_json, fill_to_json
from services.monitor.domain.intent import Claim
from services.monitor.domain.opening import (
    Opening,
    OpeningOrigin,
    OpeningOutcome,
    OpeningProvenance,
    OpeningState,
    Plan,
    Size,
    SizeKind,
    Wish,
)


def to_row(opening: Opening) -> dict[str, Any]:
    """All columns of an opening's row but its place."""
    wish, plan = opening.wish, opening.plan
    return {
        "intent_id": opening.intent_id,
        "user_id": wish.user_id,
        "request_id": opening.request_id,
        "execution_id": opening.execution_id,
        "account_id": wish.account_id,
        "partition": partition_of(wish.account_id),
        "venue": plan.venue.value,
        "symbol": wish.symbol,
        "position_side": plan.position_side.value,
        "side": wish.side.value,
        "quantity": plan.quantity,
        "price": plan.price,
        "leverage": plan.leverage,
        "wish": _wish_to_json(wish, sets_leverage=plan.sets_leverage),
        "client_order_id": opening.client_order_id,
        "state": opening.state.value,
        "owner": opening.claim.owner if opening.claim else None,
        "epoch": opening.claim.epoch if opening.claim else None,
        "expires_at": opening.expires_at,
        "deadline": opening.deadline,
        "order_id": opening.order_id,
        "fills": [fill_to_json(fill) for fill in opening.fills],
        "position_id": opening.position_id,
        "outcome": opening.outcome.value if opening.outcome else None,
        "reason": opening.reason,
        "created_at": opening.created_at,
        "updated_at": opening.updated_at,
    }


def from_row(row: RowMapping) -> Opening:
    """The opening of a row."""
    claim = None if row["owner"] is None else Claim(row["owner"], row["partition"], row["epoch"])
    kept = row["wish"]
    return Opening(
        intent_id=row["intent_id"],
        wish=Wish(
            user_id=row["user_id"],
            account_id=row["account_id"],
            symbol=row["symbol"],
            side=Side(row["side"]),
            size=Size(SizeKind(kept["size"]["kind"]), Decimal(kept["size"]["amount"])),
            origin=OpeningOrigin(kept["origin"]),
            leverage=_number(kept["leverage"]),
            stop_loss=_rule_from_json(kept["stop_loss"]),
            take_profit=_rule_from_json(kept["take_profit"]),
            provenance=_provenance_from_json(kept["provenance"]),
        ),
        plan=Plan(
            venue=Venue(row["venue"]),
            position_side=PositionSide(row["position_side"]),
            quantity=row["quantity"],
            price=row["price"],
            leverage=row["leverage"],
            sets_leverage=kept["sets_leverage"],
        ),
        state=OpeningState(row["state"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        request_id=row["request_id"],
        execution_id=row["execution_id"],
        claim=claim,
        deadline=row["deadline"],
        order_id=row["order_id"],
        fills=tuple(fill_from_json(fill) for fill in row["fills"]),
        position_id=row["position_id"],
        outcome=None if row["outcome"] is None else OpeningOutcome(row["outcome"]),
        reason=row["reason"],
    )


def _wish_to_json(wish: Wish, *, sets_leverage: bool) -> dict[str, Any]:
    return {
        "size": {"kind": wish.size.kind.value, "amount": format_decimal(wish.size.amount)},
        "origin": wish.origin.value,
        "leverage": _text(wish.leverage),
        "sets_leverage": sets_leverage,
        "stop_loss": _rule_to_json(wish.stop_loss),
        "take_profit": _rule_to_json(wish.take_profit),
        "provenance": {
            "flow_id": wish.provenance.flow_id,
            "node_id": wish.provenance.node_id,
            "execution_id": wish.provenance.execution_id,
            "agent": wish.provenance.agent,
            "ai_reasoning": wish.provenance.ai_reasoning,
            "ai_confidence": _text(wish.provenance.ai_confidence),
            "market_conditions": wish.provenance.market_conditions,
        },
    }


def _provenance_from_json(kept: dict[str, Any]) -> OpeningProvenance:
    return OpeningProvenance(**{**kept, "ai_confidence": _number(kept["ai_confidence"])})


def _rule_to_json(rule: LevelRule) -> dict[str, str]:
    match rule:
        case Trailing(distance):
            return {"trailing": format_decimal(distance)}
        case Pinned(price):
            return {"pinned": format_decimal(price)}
        case NoLevel():
            return {}


def _rule_from_json(kept: dict[str, str]) -> LevelRule:
    if "trailing" in kept:
        return Trailing(Decimal(kept["trailing"]))
    return Pinned(Decimal(kept["pinned"])) if "pinned" in kept else NoLevel()


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format_decimal(number)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
