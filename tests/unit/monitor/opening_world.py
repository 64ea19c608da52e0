"""A monitor's opening over fakes that outlive it: processes come and go, the venue, the books and the table stay."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from services.common.errors import LeaseLost
from services.common.trading.partition import partition_of
from services.common.trading.side import Side
from services.monitor.carrying.timing import Timing
from services.monitor.closing.keys import KeyRing
from services.monitor.domain.intent import Claim
from services.monitor.domain.opening import (
    Opening,
    OpeningOrigin,
    OpeningProvenance,
    OpeningState,
    Plan,
    Size,
    SizeKind,
    Wish,
)
from services.monitor.domain.position import Position
from services.monitor.opening.opener import Opener
from services.monitor.opening.parts import OpeningParts
from services.monitor.opening.planning import Planner
from services.monitor.opening.ports import OpenGate
from tests.fakes.books import FakeKeys
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import CrashPlan
from tests.fakes.opening_venue import OpeningBooks, OpeningVenue, an_account
from tests.fakes.openings import MemoryOpenings
from tests.fakes.orders import Answer

USER = "demo"
ACCOUNT = "5f0c6d0e-0000-4000-8000-000000000001"
PARTITION = partition_of(ACCOUNT)


def a_wish(**changes: object) -> Wish:
    """A flow's long of 2 BTC at ten times, with a trailing stop."""
    wish = Wish(
        user_id=USER,
        account_id=ACCOUNT,
        symbol="BTCUSDT",
        side=Side.LONG,
        size=Size(SizeKind.QUANTITY, Decimal(2)),
        origin=OpeningOrigin.FLOW,
        leverage=Decimal(10),
        provenance=OpeningProvenance(flow_id="flow", ai_confidence=Decimal("0.8"), market_conditions='{"a": 1}'),
    )
    return replace(wish, **changes)  # type: ignore[arg-type]


class OpeningWorld:
    """What stays, and the ways in which a process uses it."""

    def __init__(self, *answers: Answer) -> None:
        self.clock = FixedClock()
        self.crashes = CrashPlan()
        self.venue = OpeningVenue(self.clock, self.crashes, list(answers))
        self.books = OpeningBooks(self.crashes, an_account(ACCOUNT), USER)
        self.openings = MemoryOpenings(self.crashes)
        self.keys = FakeKeys(self.clock)
        self.held: dict[int, Claim] = {}
        self.booked: list[tuple[Opening, Position]] = []
        self.stirred: list[Opening] = []
        self._epoch = 0

    def claims(self) -> Mapping[int, Claim]:
        return self.held

    def parts(self) -> OpeningParts:
        """The parts of a process that has just started."""
        keys = KeyRing(self.keys, self.clock)
        return OpeningParts(
            openings=self.openings,
            orders=self.venue,
            books=self.books,
            planner=Planner(self.books, self.venue, self.venue, keys, OpenGate()),
            keys=keys,
            clock=self.clock,
            pause=self.pause,
            timing=Timing(),
            unresolved_after=timedelta(seconds=10),
            stir=self.stir,
        )

    def opener(self, parts: OpeningParts, on_progress: Callable[[Opening], None] = lambda _: None) -> Opener:
        return Opener(parts, self, patience=timedelta(seconds=30), on_booked=self._on_booked, on_progress=on_progress)

    async def stir(self, opening: Opening) -> None:
        """Reconciliation is asked for."""
        self.stirred.append(opening)

    async def pause(self, seconds: float) -> None:
        """Wait, on the fake clock."""
        await self.crashes.point("pause")
        self.clock.advance(seconds)

    def take_partition(self) -> Claim:
        """A process takes the partition; whoever held it before is fenced from now on."""
        self._epoch += 1
        claim = Claim(f"process-{self._epoch}", PARTITION, self._epoch)
        self.openings.held[PARTITION] = claim
        self.held = {PARTITION: claim}
        return claim

    async def life(self, wish: Wish | None = None, request_id: str = "r1") -> None:
        """One process from its start: it resumes what it finds, and takes the request, as its caller sends it again."""
        claim = self.take_partition()
        parts = self.parts()
        for opening in await self.openings.take_over({PARTITION: claim}):
            await self.carry_out(parts, opening, checked=False)
        asked = wish or a_wish()
        known = await self.openings.requested(asked.user_id, request_id)
        if known is None:
            now = self.clock.now()
            begun = prepared(asked, await parts.planner.plan(asked), claim, now, request_id)
            await self.carry_out(parts, await self.openings.begin(begun), checked=True)

    async def carry_out(self, parts: OpeningParts, opening: Opening, *, checked: bool) -> Opening | None:
        """Carry an opening out; None where another process took it over."""
        try:
            return await self.opener(parts).carry_out(opening, checked=checked)
        except LeaseLost:
            return None

    @property
    def only(self) -> Opening:
        """The one opening that there is."""
        (row,) = self.openings.rows.values()
        return row

    def _on_booked(self, opening: Opening, position: Position) -> None:
        self.booked.append((opening, position))


def prepared(wish: Wish, plan: Plan, claim: Claim | None, now: datetime, request_id: str | None) -> Opening:
    """An opening that has just begun."""
    return Opening(
        intent_id=uuid4(),
        wish=wish,
        plan=plan,
        state=OpeningState.PREPARED,
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(seconds=30),
        request_id=request_id,
        claim=claim,
    )
