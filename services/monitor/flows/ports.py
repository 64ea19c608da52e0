"""What executions need of the rest of the world."""

from decimal import Decimal
from typing import Protocol
from uuid import UUID

from services.monitor.closing.manual import Closed
from services.monitor.domain.execution import PositionSeen
from services.monitor.domain.opening import Opening, Plan, Wish


class Plans(Protocol):
    """Who checks a wish."""

    async def plan(self, wish: Wish) -> Plan: ...


class Opens(Protocol):
    """Who opens positions."""

    async def begin(self, wish: Wish, plan: Plan, request_id: str, execution_id: UUID | None = None) -> Opening: ...


class Requests(Protocol):
    """The openings that requests led to."""

    async def requested(self, user_id: str, request_id: str) -> Opening | None: ...


class Closes(Protocol):
    """Who closes positions for their users, once for each request id."""

    async def close(
        self, user_id: str, position_id: str, request_id: str, quantity: Decimal | None = None
    ) -> Closed: ...


class SeenPositions(Protocol):
    """Positions as the books tell them."""

    async def see(self, position_id: str) -> PositionSeen | None:
        """None for one that no order of ours opened. Raises PositionNotFound, ServiceUnavailable."""
        ...
