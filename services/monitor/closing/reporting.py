"""How orders stand that have no fills, as the books are told of it. One that fills at once is told by its fills."""

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from services.monitor.domain.intent import Intent


class OrderStanding(Enum):
    """How an order stands."""

    PENDING = auto()
    FILLED = auto()
    CANCELLED = auto()


@dataclass(frozen=True, slots=True)
class OrderNews:
    """How the order of an intent stands."""

    intent: Intent
    standing: OrderStanding

    @property
    def intent_id(self) -> UUID:
        return self.intent.intent_id
