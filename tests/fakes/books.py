"""The positions service as the monitor sees it: the books and the keys."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from services.common.errors import PositionNotFound, ServiceUnavailable, TradingNotEnabled, TransactionConflict
from services.common.exchange.credentials import Credentials
from services.common.trading.fill import Fill
from services.monitor.closing.keys import KeyLease
from services.monitor.domain.position import Position
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import CrashPlan


class FakeBooks:
    """Open rows and booked fills; `down` makes it unreachable for so many calls."""

    def __init__(self, crashes: CrashPlan, positions: list[Position] | None = None) -> None:
        self.positions = {position.position_id: position for position in positions or []}
        self.fills: dict[str, dict[str, Fill]] = {}
        self.told: list[str] = []
        self.down = 0
        self._crashes = crashes

    async def list_enforced(self) -> AsyncIterator[Position]:
        await self._reach("list_enforced")
        for position in list(self.positions.values()):
            if position.enforced:
                yield position

    async def get_position(self, position_id: str, user_id: str | None = None) -> Position:
        await self._reach("get_position")
        position = self.positions.get(position_id)
        if position is None or user_id not in {None, position.user_id}:
            raise PositionNotFound(position_id=position_id)
        return position

    async def record_fills(
        self, position_id: str, fills: tuple[Fill, ...], intent_id: UUID, evidence: str = ""
    ) -> Position:
        await self._reach("record_fills: about to be sent")
        booked = self.fills.setdefault(position_id, {})
        position = self.positions[position_id]
        new = [fill for fill in fills if fill.fill_id not in booked]
        if new:
            self.told.append(evidence)
            booked.update({fill.fill_id: fill for fill in new})
            left = position.quantity - sum((fill.quantity for fill in new), start=Decimal(0))
            position = replace(
                position,
                quantity=left if left > 0 else position.quantity,
                is_open=left > 0,
                version=position.version + 1,
            )
            self.positions[position_id] = position
        await self._crashes.point("record_fills: sent")
        return position

    async def _reach(self, name: str) -> None:
        await self._crashes.point(name)
        if self.down:
            self.down -= 1
            raise ServiceUnavailable(service="positions")


class FakeKeys:
    """Gives keys out for an hour; `refused` are accounts that may not trade; `conflicts`: so many calls end in one."""

    def __init__(self, clock: FixedClock, life: timedelta = timedelta(hours=1)) -> None:
        self.refused: set[str] = set()
        self.down = False
        self.conflicts = 0
        self.leases: list[tuple[str, datetime]] = []
        self._clock = clock
        self._life = life

    async def lease(self, account_id: str) -> KeyLease:
        if self.down:
            raise ServiceUnavailable(service="positions")
        if self.conflicts:
            self.conflicts -= 1
            raise TransactionConflict
        if account_id in self.refused:
            raise TradingNotEnabled(account_id=account_id)
        self.leases.append((account_id, self._clock.now()))
        return KeyLease(Credentials(f"key of {account_id}", "secret"), self._clock.now() + self._life)
