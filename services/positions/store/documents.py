"""What is said about a position, as its row keeps it: columns for the texts, JSON documents for the rest."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from services.common.trading.money import format_decimal
from services.positions.domain.position import Position
from services.positions.domain.provenance import CloseAdvice, Plan, Provenance, Urgency


def said_to_row(position: Position) -> dict[str, Any]:
    """The columns of a position's provenance, advice and plan."""
    came_of, plan = position.provenance, position.plan
    return {
        "intent_id": position.intent_id,
        "flow_id": came_of.flow_id,
        "node_id": came_of.node_id,
        "execution_id": came_of.execution_id,
        "agent": came_of.agent,
        "ai_reasoning": came_of.ai_reasoning,
        "ai_confidence": came_of.ai_confidence,
        "market_conditions": None if came_of.market_conditions is None else dict(came_of.market_conditions),
        "close_advice": None if position.close_advice is None else _advice_to_document(position.close_advice),
        "plan": None if plan is None else plan.name,
        "commission_percent": None if plan is None else plan.commission_percent,
        "commission": position.commission,
    }


def provenance_from_row(row: Row[Any]) -> Provenance:
    """The provenance that a row holds."""
    return Provenance(
        flow_id=row.flow_id,
        node_id=row.node_id,
        execution_id=row.execution_id,
        agent=row.agent,
        ai_reasoning=row.ai_reasoning,
        ai_confidence=row.ai_confidence,
        market_conditions=row.market_conditions,
    )


def advice_from_row(row: Row[Any]) -> CloseAdvice | None:
    """The advice that a row holds."""
    document = row.close_advice
    if document is None:
        return None
    return CloseAdvice(
        reason=document["reason"],
        urgency=Urgency(document["urgency"]),
        confidence=Decimal(document["confidence"]),
        given_at=datetime.fromisoformat(document["given_at"]),
    )


def plan_from_row(row: Row[Any]) -> Plan | None:
    """The plan that a row holds."""
    return None if row.plan is None else Plan(row.plan, row.commission_percent)


def _advice_to_document(advice: CloseAdvice) -> dict[str, str]:
    return {
        "reason": advice.reason,
        "urgency": advice.urgency.value,
        "confidence": format_decimal(advice.confidence),
        "given_at": advice.given_at.isoformat(),
    }
