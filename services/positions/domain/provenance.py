"""What a position came of and what was said about it: provenance for life, an AI's advice, the user's plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from services.common.trading.money import to_books


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a position came from. `ai_confidence` is from 0 to 1; None where there is nothing to say."""

    flow_id: str | None = None
    node_id: str | None = None
    execution_id: str | None = None
    agent: str | None = None
    ai_reasoning: str | None = None
    ai_confidence: Decimal | None = None
    market_conditions: Mapping[str, Any] | None = None


NO_PROVENANCE = Provenance()


class Urgency(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class CloseAdvice:
    """An AI's advice to close. It closes nothing. `confidence` is from 0 to 1."""

    reason: str
    urgency: Urgency
    confidence: Decimal
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What a user pays: percent of realised profit."""

    name: str
    commission_percent: Decimal

    def commission_on(self, realized_pnl: Decimal) -> Decimal:
        """Quote currency; a loss costs nothing."""
        return to_books(max(realized_pnl, Decimal(0)) * self.commission_percent / 100)
