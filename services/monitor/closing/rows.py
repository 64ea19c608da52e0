"""Intents as rows of the table, and back."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from services.common.trading.client_order_id import OrderCause
from services.common.trading.fill import Fill, OrderKind
from services.common.trading.money import format_decimal
from services.common.trading.partition import partition_of
from services.common.trading.side import OrderSide, PositionSide, Side, Venue
from services.monitor.domain.intent import Claim, Evidence, Intent, IntentState, Outcome


def to_row(intent: Intent) -> dict[str, Any]:
    """All columns of an intent's row but its place."""
    return {
        "intent_id": intent.intent_id,
        "closing_id": intent.closing_id,
        "position_id": intent.position_id,
        "position_version": intent.position_version,
        "user_id": intent.user_id,
        "account_id": intent.account_id,
        "partition": partition_of(intent.account_id),
        "venue": intent.venue.value,
        "symbol": intent.symbol,
        "position_side": intent.position_side.value,
        "side": intent.side.value,
        "quantity": intent.quantity,
        "purpose": intent.cause.value,
        "attempt": intent.attempt,
        "client_order_id": intent.client_order_id,
        "evidence": _evidence_to_json(intent.evidence),
        "state": intent.state.value,
        "owner": intent.claim.owner if intent.claim else None,
        "epoch": intent.claim.epoch if intent.claim else None,
        "not_before": intent.not_before,
        "deadline": intent.deadline,
        "order_id": intent.order_id,
        "fills": [fill_to_json(fill) for fill in intent.fills],
        "outcome": intent.outcome.value if intent.outcome else None,
        "reason": intent.reason,
        "whole": intent.whole,
        "created_at": intent.created_at,
        "updated_at": intent.updated_at,
    }


def from_row(row: RowMapping) -> Intent:
    """The intent of a row."""
    claim = None if row["owner"] is None else Claim(row["owner"], row["partition"], row["epoch"])
    return Intent(
        intent_id=row["intent_id"],
        closing_id=row["closing_id"],
        position_id=row["position_id"],
        position_version=row["position_version"],
        user_id=row["user_id"],
        account_id=row["account_id"],
        venue=Venue(row["venue"]),
        symbol=row["symbol"],
        position_side=PositionSide(row["position_side"]),
        side=Side(row["side"]),
        quantity=row["quantity"],
        cause=OrderCause(row["purpose"]),
        attempt=row["attempt"],
        evidence=_evidence_from_json(row["evidence"]),
        state=IntentState(row["state"]),
        not_before=row["not_before"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        claim=claim,
        deadline=row["deadline"],
        order_id=row["order_id"],
        fills=tuple(fill_from_json(fill) for fill in row["fills"]),
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        reason=row["reason"],
        whole=row["whole"],
    )


def _evidence_to_json(evidence: Evidence) -> dict[str, str | None]:
    return {
        "decided_at": evidence.decided_at.isoformat(),
        "price": _text(evidence.price),
        "level_price": _text(evidence.level_price),
        "price_at": evidence.price_at.isoformat() if evidence.price_at else None,
    }


def _evidence_from_json(value: dict[str, str | None]) -> Evidence:
    return Evidence(
        decided_at=datetime.fromisoformat(value["decided_at"] or ""),
        price=_number(value["price"]),
        level_price=_number(value["level_price"]),
        price_at=datetime.fromisoformat(value["price_at"]) if value["price_at"] else None,
    )


def fill_to_json(fill: Fill) -> dict[str, str | int | None]:
    """A fill as the tables keep it."""
    return {
        "fill_id": fill.fill_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "position_side": fill.position_side.value,
        "order_side": fill.order_side.value,
        "price": format_decimal(fill.price),
        "quantity": format_decimal(fill.quantity),
        "fee": format_decimal(fill.fee),
        "fee_currency": fill.fee_currency,
        "fee_quote": _text(fill.fee_quote),
        "realized_pnl": _text(fill.realized_pnl),
        "executed_at": fill.executed_at.isoformat(),
        "order_kind": fill.order_kind.value,
        "sequence": fill.sequence,
    }


def fill_from_json(value: dict[str, Any]) -> Fill:
    """The fill of what the tables keep."""
    return Fill(
        fill_id=value["fill_id"],
        order_id=value["order_id"],
        client_order_id=value["client_order_id"],
        symbol=value["symbol"],
        position_side=PositionSide(value["position_side"]),
        order_side=OrderSide(value["order_side"]),
        price=Decimal(value["price"]),
        quantity=Decimal(value["quantity"]),
        fee=Decimal(value["fee"]),
        fee_currency=value["fee_currency"],
        fee_quote=_number(value["fee_quote"]),
        realized_pnl=_number(value["realized_pnl"]),
        executed_at=datetime.fromisoformat(value["executed_at"]),
        order_kind=OrderKind(value["order_kind"]),
        sequence=value.get("sequence", 0),
    )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format_decimal(number)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
