"""A monitor's closing over fakes that outlive it: processes come and go, the venue, books and intents stay."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.common.errors import LeaseLost
from services.common.trading.client_order_id import OrderCause
from services.common.trading.level import Level, LevelRules, NoLevel, Pinned
from services.common.trading.partition import partition_of
from services.common.trading.side import PositionSide, Side, Venue
from services.monitor.carrying.timing import Timing
from services.monitor.closing.closer import Closer
from services.monitor.closing.keys import KeyRing
from services.monitor.closing.parts import Parts
from services.monitor.closing.reporting import OrderStanding
from services.monitor.domain.attempts import Begun, Opening
from services.monitor.domain.intent import Claim, Decision, Evidence, Intent
from services.monitor.domain.position import Position
from services.monitor.metrics import Metrics
from tests.fakes.books import FakeBooks, FakeKeys
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import CrashPlan
from tests.fakes.intents import MemoryIntents
from tests.fakes.orders import Answer, FakeVenue

ACCOUNT = "5f0c6d0e-0000-4000-8000-000000000001"
PARTITION = partition_of(ACCOUNT)
ARMED_AT = datetime(2025, 10, 21, 11, 0, tzinfo=UTC)


def a_position(**changes: object) -> Position:
    """A long of 0.002 BTC with a stop pinned at 64 000."""
    values: dict[str, object] = {
        "position_id": "OP_1729425600_1",
        "user_id": "demo",
        "account_id": ACCOUNT,
        "venue": Venue.BINANCE,
        "symbol": "BTCUSDT",
        "position_side": PositionSide.BOTH,
        "side": Side.LONG,
        "quantity": Decimal("0.002"),
        "levels": LevelRules(
            stop_loss=Level(Pinned(Decimal(64000)), ARMED_AT, Decimal(66000)), take_profit=Level(NoLevel())
        ),
        "version": 3,
        "is_open": True,
        "opened_at": ARMED_AT,
    }
    return Position(**{**values, **changes})  # type: ignore[arg-type]


class World:
    """What stays, and the ways in which a process uses it."""

    def __init__(self, *answers: Answer, key_at_hand: bool = False) -> None:
        self.key_at_hand = key_at_hand
        self.clock = FixedClock()
        self.crashes = CrashPlan()
        ids = count(1)
        self.new_id = lambda: UUID(int=next(ids))
        self.venue = FakeVenue(self.clock, self.crashes, list(answers))
        self.position = a_position()
        self.books = FakeBooks(self.crashes, [self.position])
        self.intents = MemoryIntents(self.crashes, self.new_id)
        self.keys = FakeKeys(self.clock)
        self.stirred: list[Intent] = []
        self.reported: list[tuple[OrderStanding, str]] = []
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, self.clock)
        self._epoch = 0

    def claims(self) -> Mapping[int, Claim]:
        return self.intents.held

    def measured(self, name: str, **labels: str) -> float:
        """What a series stands at; 0 where there is none yet."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def parts(self) -> Parts:
        """The parts of a process that has just started."""
        return Parts(
            intents=self.intents,
            orders=self.venue,
            accounts=self.venue,
            books=self.books,
            keys=KeyRing(self.keys, self.clock),
            clock=self.clock,
            pause=self.pause,
            timing=Timing(),
            new_id=self.new_id,
            stir=self.stir,
            report=lambda intent, standing: self.reported.append((standing, intent.reason)),
            meter=self.metrics,
        )

    async def stir(self, intent: Intent) -> None:
        """Reconciliation is asked for."""
        self.stirred.append(intent)

    async def pause(self, seconds: float) -> None:
        """Wait, on the fake clock."""
        await self.crashes.point("pause")
        self.clock.advance(seconds)

    def take_partition(self) -> Claim:
        """A process takes the partition; whoever held it before is fenced from now on."""
        self._epoch += 1
        claim = Claim(f"process-{self._epoch}", PARTITION, self._epoch)
        self.intents.held[PARTITION] = claim
        return claim

    def decision(self, cause: OrderCause = OrderCause.STOP_LOSS, request_id: str | None = None) -> Decision:
        """The books' newest version of the position is to be closed."""
        position = self.books.positions[self.position.position_id]
        evidence = Evidence(self.clock.now(), Decimal(63990), Decimal(64000), self.clock.now())
        return Decision(position, cause, evidence, request_id)

    async def life(self) -> None:
        """One process from its start: it resumes what it finds; its trigger fires if the position is still open."""
        claim = self.take_partition()
        parts = self.parts()
        for intent in await self.intents.take_over({PARTITION: claim}):
            await Closer(parts, self).carry_out(intent)
        decision = self.decision()
        if decision.position.enforced:
            now = self.clock.now()
            deadline = now + Timing().receive_window if self.key_at_hand else None
            opening = await self.intents.open(decision, claim, now, deadline)
            await self.carry_out(opening, parts)

    async def carry_out(self, opening: Opening, parts: Parts | None = None) -> Intent | None:
        """Carry a new intent out; None where there is none, or another process took it over."""
        if not isinstance(opening, Begun):
            return None
        try:
            return await Closer(parts or self.parts(), self).carry_out(opening.intent, checked=True)
        except LeaseLost:
            return None
