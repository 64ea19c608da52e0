"""Executions over the monitor's real schema; the venue and the books are fakes."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.monitor.v1.events_pb2 import ExecutionUpdated
from services.common import leases
from services.common.database import transaction
from services.common.errors import DomainError, PositionNotFound
from services.common.trading.client_order_id import OrderCause
from services.common.trading.exit_reason import ExitReason
from services.common.trading.level import Level, LevelRule, LevelRules, NoLevel, Pinned
from services.monitor.carrying.timing import Timing
from services.monitor.closing.keys import KeyRing
from services.monitor.closing.manual import Closed
from services.monitor.closing.store import PostgresIntents
from services.monitor.domain.execution import Execution, ExecutionResult, PositionSeen
from services.monitor.domain.intent import Claim, Decision, Evidence, Intent
from services.monitor.domain.opening import Opening
from services.monitor.domain.position import Position
from services.monitor.flows.care import Care
from services.monitor.flows.executions import Executions
from services.monitor.flows.store import PostgresExecutions
from services.monitor.flows.watching import Watching
from services.monitor.opening.manual import ManualOpens
from services.monitor.opening.opener import Opener
from services.monitor.opening.parts import OpeningParts
from services.monitor.opening.planning import Planner
from services.monitor.opening.ports import OpenGate
from services.monitor.opening.store import PostgresOpenings
from services.monitor.partitions.holding import fence, partition_key
from tests.fakes.books import FakeKeys
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import CrashPlan
from tests.fakes.opening_venue import OpeningBooks, OpeningVenue, an_account
from tests.fakes.orders import Answer
from tests.unit.monitor.opening_world import ACCOUNT, PARTITION, USER


@dataclass
class Closing:
    """Who closes positions by hand: notes what it was asked, and answers with `error` where there is one."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)
    error: DomainError | None = None

    async def close(self, user_id: str, position_id: str, request_id: str, quantity: Decimal | None = None) -> Closed:
        self.asked.append((user_id, position_id, request_id))
        if self.error is not None:
            raise self.error
        return Closed(uuid.uuid4(), position_id, Decimal(101), Decimal(2))


class FlowsWorld:
    """One replica that holds the account's partition."""

    def __init__(self, engine: AsyncEngine, *answers: Answer) -> None:
        self.clock = FixedClock()
        crashes = CrashPlan()
        self.engine = engine
        self.venue = OpeningVenue(self.clock, crashes, list(answers))
        self.books = OpeningBooks(crashes, an_account(ACCOUNT), USER)
        self.closing = Closing()
        self.seen: dict[str, PositionSeen] = {}
        self.held: dict[int, Claim] = {}
        self.store = PostgresExecutions(engine, self._told)
        self.openings = PostgresOpenings(engine, fence, self.store.witness, self._told)
        self.intents = PostgresIntents(engine, fence, uuid.uuid4)
        keys = KeyRing(FakeKeys(self.clock), self.clock)
        self.planner = Planner(self.books, self.venue, self.venue, keys, OpenGate())
        parts = OpeningParts(
            openings=self.openings,
            orders=self.venue,
            books=self.books,
            planner=self.planner,
            keys=keys,
            clock=self.clock,
            pause=self._pause,
            timing=Timing(),
            unresolved_after=timedelta(seconds=10),
        )
        self.opener = Opener(
            parts,
            self,
            patience=timedelta(seconds=30),
            on_booked=self._unheard,
            on_progress=lambda _: None,
            scan_seconds=0.05,
        )
        self.watching = Watching(self.store, poll_seconds=0.05)
        self.care = Care(self.store, self.openings, self, self.closing, self, self.clock)
        self.executions = Executions(
            self.store, self.planner, self.opener, self.openings, self.watching, self.care, self.clock
        )
        self.opens = ManualOpens(self.openings, self.planner, self.opener, wait_seconds=5)

    def claims(self) -> Mapping[int, Claim]:
        return self.held

    async def take_partition(self) -> None:
        key = partition_key(PARTITION)
        async with transaction(self.engine) as connection:
            await leases.ensure(connection, [key])
            (lease,) = await leases.claim(connection, "one", 600, keys=[key])
        self.held = {PARTITION: Claim("one", PARTITION, lease.epoch)}

    async def see(self, position_id: str) -> PositionSeen | None:
        if position_id not in self.seen:
            raise PositionNotFound(position_id=position_id)
        return self.seen[position_id]

    async def opened(self, execution: Execution) -> Execution:
        """The execution, once its opening is over."""
        async with asyncio.timeout(10):
            await self.opener.wait(execution.intent_id)
            while True:
                found = await self.store.get(execution.user_id, execution.execution_id)
                if found.position_id or found.state.ended:
                    return found
                await asyncio.sleep(0.01)

    async def begin_closing(self, execution: Execution, cause: OrderCause = OrderCause.STOP_LOSS) -> Intent:
        """Something begins to close its position, a stop unless it is said otherwise."""
        position = Position(
            position_id=execution.position_id,
            user_id=execution.user_id,
            account_id=execution.account_id,
            venue=execution.venue,
            symbol=execution.symbol,
            position_side=self.venue.state.positions[0].position_side,
            side=execution.side,
            quantity=Decimal(2),
            levels=LevelRules(Level(Pinned(Decimal(98))), Level(NoLevel())),
            version=1,
            is_open=True,
            opened_at=self.clock.now(),
        )
        evidence = Evidence(self.clock.now(), Decimal("97.9"), Decimal(98), self.clock.now())
        decision = Decision(position, cause, evidence)
        return (await self.intents.open(decision, None, self.clock.now())).intent

    async def told(self) -> list[ExecutionUpdated]:
        """What is in the outbox about executions, in order."""
        async with transaction(self.engine) as connection:
            rows = await connection.execute(
                text("SELECT payload FROM outbox WHERE aggregate_id LIKE 'execution:%' ORDER BY place")
            )
            return [ExecutionUpdated.FromString(row.payload) for row in rows]

    async def _pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def _told(self) -> None:
        self.watching.wake()

    def _unheard(self, opening: Opening, position: Position) -> None:
        """Nobody waits for it here."""


def seen(execution: Execution, version: int, stop: LevelRule | None = None, **changes: object) -> PositionSeen:
    """A version of an execution's position: long 2 from 100, with a stop at 98."""
    values: dict[str, object] = {
        "position_id": execution.position_id or "OP_1_1",
        "intent_id": execution.intent_id,
        "version": version,
        "is_open": True,
        "quantity": Decimal(2),
        "entry_price": Decimal(100),
        "levels": LevelRules(Level(stop or Pinned(Decimal(98))), Level(NoLevel())),
        "result": None,
    }
    return PositionSeen(**{**values, **changes})  # type: ignore[arg-type]


def a_result(clock: FixedClock, **changes: object) -> ExecutionResult:
    """Closed by its stop, for a loss."""
    values: dict[str, object] = {
        "reason": ExitReason.STOP_LOSS,
        "cause": "",
        "executed_at": clock.now(),
        "estimated": False,
        "price": Decimal("97.9"),
        "quantity": Decimal(2),
        "fee": Decimal("0.2"),
        "realized_pnl": Decimal("-4.4"),
        "realized_pnl_percent": Decimal("-2.2"),
    }
    return ExecutionResult(**{**values, **changes})  # type: ignore[arg-type]


def estimated(clock: FixedClock) -> ExecutionResult:
    """Closed behind Tandem's back, and no fills tell it yet."""
    return ExecutionResult(ExitReason.CLOSED_EXTERNALLY, "unknown", clock.now(), estimated=True)


@asynccontextmanager
async def flows_world(engine: AsyncEngine, *answers: Answer) -> AsyncIterator[FlowsWorld]:
    """A replica at work."""
    world = FlowsWorld(engine, *answers)
    await world.take_partition()
    watching = asyncio.create_task(world.watching.run())
    yield world
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await world.opener.drain(5)
    await world.care.drain()
